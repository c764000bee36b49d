//! The member that closes rounds: it names the entries that count.
//!
//! A deadline only prompts it; whatever it closes with, every other member
//! can check that the prices follow from the entries it names
//! ([`crate::ledger::Ledger::state`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_log::{Entry, EntryIx, Log, Verified};
use cosmosmesh_mission::{MessageId, Payload, UtcSeconds};
use cosmosmesh_optimize::method::Reply;

use crate::contract::Contract;
use crate::member::{Member, MemberError};
use crate::progress::{Phase, Progress, Said, read};

/// The closer's part of a contract.
#[derive(Debug, Clone)]
pub struct Closer {
    contract: Arc<Contract>,
    progress: Progress,
    /// How many entries of its member's log it has looked at.
    seen: usize,
    /// What was attached since the present question was first asked, with its
    /// author and what it answers, if it fits the contract.
    inbox: BTreeMap<EntryIx, Option<(usize, Reply)>>,
}

impl Closer {
    /// Before the first round.
    pub fn new(contract: Arc<Contract>) -> Self {
        Self {
            progress: Progress::new(contract.clone()),
            contract,
            seen: 0,
            inbox: BTreeMap::new(),
        }
    }

    /// Where the agreement stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The entry that opens the first round.
    ///
    /// # Errors
    ///
    /// When it has no encoding.
    pub fn open(&self, member: &mut Member, now: UtcSeconds) -> Result<Verified, MemberError> {
        let dual = self.progress.opening(BTreeSet::new())?;
        member.say(Payload::DualVariables(dual), Vec::new(), now)
    }

    /// Looks at what is new in its member's log. An entry that does not fit the
    /// contract is taken too, so that the closing names it and everybody sees
    /// that it is left out; it counts as no answer. One that waits for its
    /// parents is not in the log yet.
    pub fn look(&mut self, log: &Log) {
        for ix in log.attached_since(self.seen) {
            let Some(entry) = log.entry(ix) else { continue };
            let answer = match read(&self.contract, entry) {
                Ok((i, Said::Reply(reply))) => Some((i, reply)),
                // Its own.
                Ok((_, Said::Opening(_))) => continue,
                _ => None,
            };
            self.inbox.insert(ix, answer);
        }
        self.seen = log.len();
    }

    /// The members that have answered the present question.
    pub fn answered(&self) -> Vec<bool> {
        let mut out = vec![false; self.contract.members().len()];
        for (i, reply) in self.inbox.values().flatten() {
            out[*i] |= self.progress.answers_now(reply);
        }
        out
    }

    /// Closes the present question with what came in and counts, and returns the
    /// entry that opens the next. Its parents are the last of each author's
    /// entries that it names.
    ///
    /// # Errors
    ///
    /// When the prices that follow are beyond what messages can carry.
    pub fn close(&mut self, member: &mut Member, now: UtcSeconds) -> Result<Verified, MemberError> {
        let log = member.log();
        let counted = self.inbox.keys().filter(|ix| log.is_counted(**ix));
        let entries = counted.filter_map(|ix| log.entry(*ix));
        let cohort: BTreeMap<MessageId, &Entry> =
            entries.map(|entry| (entry.id(), &**entry)).collect();
        let deps = last_of_each(cohort.values().copied());
        let ids = cohort.keys().copied().collect();
        let before = self.progress.phase();
        self.progress.close(&cohort);
        let same_question = matches!(before, Phase::Settling(_)) && before == self.progress.phase();
        if !same_question {
            self.inbox.clear();
        }
        let dual = self.progress.opening(ids)?;
        member.say(Payload::DualVariables(dual), deps, now)
    }
}

/// The last entry of each author: all others are behind it in its chain.
fn last_of_each<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<MessageId> {
    let mut last = BTreeMap::new();
    for entry in entries {
        let header = entry.header();
        let place = (header.boot_epoch, header.seq, entry.id());
        let of = last.entry(&header.author).or_insert(place);
        *of = place.max(*of);
    }
    last.into_values().map(|(_, _, id)| id).collect()
}
