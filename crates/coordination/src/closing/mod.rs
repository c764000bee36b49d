//! How rounds are closed: a quorum of closers agrees, for each round, on the entries
//! that count.
//!
//! A round opens with a *proposal*, a `DualVariables` entry that names its *cohort*:
//! the entries that close the round before. Closers *vote* for proposals, each once in
//! an attempt; a quorum of votes for one proposal is a *certificate*, and the round is
//! open. When none comes about, closers say so (a *status*), and the next proposer
//! tries again, with what the statuses leave it to choose from.
//!
//! - [`roster`]: how many closers it takes, and whose turn it is;
//! - [`choice`]: what a later attempt may propose;
//! - [`book`]: what is valid of what is said about one round, and its certificate;
//! - [`ask`]: what one closer asks another for when something was lost;
//! - [`closer`]: the state machine of one closer.
//!
//! Everything but the last is a function of entries and their pasts. That a fork of
//! its author comes to light takes nothing away from a vote or a proposal: a certificate
//! stays one, whoever else is found out. Liars are among those that the quorum allows
//! for.

pub mod ask;
pub mod book;
pub mod choice;
pub mod closer;
pub mod roster;
#[cfg(test)]
mod schedules;
