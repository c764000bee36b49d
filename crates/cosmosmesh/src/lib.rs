//! The facade that the command line and the SDKs use.

pub mod kpi;
pub mod leases;
pub mod report;
pub mod run;

pub use cosmosmesh_contact as contact;
pub use cosmosmesh_coordination as coordination;
pub use cosmosmesh_optimize as optimize;
pub use cosmosmesh_sim::agreement::TimedRound;
