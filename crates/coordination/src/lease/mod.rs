//! Leases: rights on the steps of couplings, held and passed on.
//!
//! What a coupling has is held in escrow: the contract says who holds what at first,
//! and from then on only the holder gives, with its signature, to a named receiver. So
//! leases sum to at most what there is in every state that a node can be in, whatever
//! links and clocks do. `docs/leases.md` has the rules and why they are safe.
//!
//! - [`LeaseTerms`]: what the contract says.
//! - [`Leases`]: the fold; whether an entry is valid follows from its past alone.
//! - [`View`]: what follows from all entries here: leases, what is usable, who goes
//!   short, conflicts, faults, and what each donor is to sign.
//! - [`Fence`]: what a node must not trust of itself.

mod agreement;
mod causal;
mod fault;
pub mod fence;
mod fold;
mod matching;
mod request;
mod rules;
mod shortage;
mod standing;
mod terms;
#[cfg(test)]
mod tests;
mod view;

pub use fault::{Fault, Reason};
pub use fence::Fence;
pub use fold::Leases;
pub use matching::{Matching, Targets};
pub use request::{Conflict, Request};
pub use standing::{Covered, Holding, Said};
pub use terms::{CouplingKind, CouplingTerms, LeaseTerms, LeaseTermsError, MAX_QUANTA, PoolTerms};
pub use view::{Lease, View};
