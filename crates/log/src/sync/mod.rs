//! The exchange of what is missing, as a state machine without I/O.
//!
//! Two nodes meet. The first message says what its sender has ([`Vector`]: one
//! [`Claim`] for each author that changed since the peer last acknowledged), the
//! digest of its whole set, and brings all that the peer lacked when it was last
//! heard. One way that converges in half a round trip, both ways in one.
//!
//! Vectors cannot tell two branches of a fork apart that neither side knows both
//! of. Where marks or digests disagree, the entries concerned are compared by a
//! rateless sketch ([`sketch`]), sized by an estimate of the difference.
//!
//! A peer that pruned has only headers of what somebody behind its checkpoint lacks:
//! then the checkpoint's past goes over in headers, under the closers' votes, and the
//! meeting goes on from there ([`Session::resumed`]).
//!
//! Every message can be lost, doubled or delayed: what was received is kept, and
//! the next meeting goes on from there. Entries are sent with what they follow
//! from before them, so that any part of an exchange is of use: what matters most
//! first, within a budget of bytes.

pub mod estimate;
mod message;
mod outline;
mod plan;
mod repair;
mod session;
pub mod sketch;
mod vector;

pub use message::{Hello, Message, Progress, Scope, Step};
pub use outline::Intake;
pub use plan::{Priority, by_kind, history_last};
pub use session::{Options, Outcome, PeerRecord, Session, SyncError};
pub use vector::{Claim, Vector};
