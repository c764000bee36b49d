//! One asset's planner.
//!
//! A [`node::Node`] owns a member of an agreement, its closer where it is one, and the
//! store of its log. Events go in (what arrived, which timer passed, which contact
//! opened), actions come out (what to send, what to wait for); time and disk are
//! arguments. Whoever drives it has the links and the clock: `sim` is one such driver.
//!
//! - *Nothing is sent before it is durable.* What a node said and heard is in its store,
//!   with a sync, before [`node::Node::handle`] returns what is to be sent. A disk that
//!   fails stops the node; it can be opened again.
//! - *It starts again from its store alone*, and is what it was ([`node::Life::Again`]).
//! - *A store can be older than what others have of it*: a backup. A node that starts again
//!   says nothing until enough others have told it the last entry that they hold of it, and
//!   it holds that itself.
//! - *Accepted by a link is not delivered.* What a node said it offers again until a
//!   closer's signed entry names it, also after a restart.
//!
//! [`frame`] is what goes over links, [`meeting`] a whole exchange between two nodes.

pub mod frame;
pub mod meeting;
pub mod node;
