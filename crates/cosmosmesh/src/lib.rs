//! The facade that the command line and the SDKs use.
