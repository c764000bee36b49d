//! Many agents, one seed: virtual time, links and faults.
