//! The facade that the command line and the SDKs use.

pub mod kpi;
pub mod report;
