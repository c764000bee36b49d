//! The calls that a member has heard, and which of them it follows.
//!
//! A member does not hold what prices follow from, and does not wait for it. It believes
//! a quorum of closers: the call that they certify opened its round. The round after the
//! last of these it follows at once, whoever proposes; should another open it, it
//! answers that too. One that it owes an answer is answered before the next is followed:
//! whoever proposes out of turn cannot keep a member from the call that opens the round.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::{MessageId, PricesId};
use cosmosmesh_optimize::method::{Call, Candidate};

use crate::contract::Contract;

/// Rounds that are remembered.
const KEPT: u32 = 40;
/// The most calls for one round that are taken of one closer.
const MOST_OF_CLOSER: usize = 4;

/// A call as it was heard.
#[derive(Debug, Clone)]
pub(crate) struct HeardCall {
    pub(crate) id: MessageId,
    pub(crate) closer: usize,
    pub(crate) prices: PricesId,
    pub(crate) call: Call,
    pub(crate) settle: Option<Candidate>,
    pub(crate) agreed: bool,
    /// Whether the member has answered it, as far as it asks for something new.
    pub(crate) answered: bool,
}

/// What a member does next in following.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) round: u32,
    /// The prices that it follows no more.
    pub(crate) leave: Option<PricesId>,
    /// What it follows instead.
    pub(crate) take: Option<HeardCall>,
}

#[derive(Debug, Clone)]
pub(crate) struct Calls {
    quorum: usize,
    heard: BTreeMap<u32, Vec<HeardCall>>,
    votes: BTreeMap<u32, BTreeMap<MessageId, BTreeSet<usize>>>,
    certified: BTreeMap<u32, MessageId>,
    /// The prices that are followed in each round.
    followed: BTreeMap<u32, PricesId>,
    /// The first rounds, of which nothing more is to be heard.
    past: u32,
}

impl Calls {
    pub(crate) fn new(contract: &Contract) -> Self {
        Self {
            quorum: contract.rules().quorum(),
            heard: BTreeMap::new(),
            votes: BTreeMap::new(),
            certified: BTreeMap::new(),
            followed: BTreeMap::new(),
            past: 0,
        }
    }

    /// Begins after a round.
    pub(crate) fn resume(&mut self, past: u32) {
        self.past = past;
    }

    /// The last round that is known to be open.
    pub(crate) fn open(&self) -> u32 {
        self.certified
            .last_key_value()
            .map_or(self.past, |(round, _)| *round)
    }

    /// Whether something about a round may still matter.
    fn matters(&self, round: u32) -> bool {
        let open = self.open();
        (open.saturating_sub(KEPT)..=open.saturating_add(KEPT)).contains(&round)
    }

    pub(crate) fn hear(&mut self, call: HeardCall) {
        if !self.matters(call.call.round) {
            return;
        }
        let certified = self.certified.get(&call.call.round).copied();
        let of_round = self.heard.entry(call.call.round).or_default();
        if of_round.iter().any(|c| c.id == call.id) {
            return;
        }
        // The oldest of its closer gives way, unless it opened the round.
        let gives_way = |c: &HeardCall| c.closer == call.closer && certified != Some(c.id);
        if of_round.iter().filter(|c| gives_way(c)).count() >= MOST_OF_CLOSER
            && let Some(oldest) = of_round.iter().position(gives_way)
        {
            of_round.remove(oldest);
        }
        of_round.push(call);
    }

    pub(crate) fn vote(&mut self, closer: usize, round: u32, proposal: MessageId) {
        if !self.matters(round) {
            return;
        }
        let of_round = self.votes.entry(round).or_default();
        // A closer has a vote in an attempt, and there is no end of attempts.
        let of_closer = of_round.values().filter(|v| v.contains(&closer)).count();
        if of_closer >= 4 * MOST_OF_CLOSER {
            return;
        }
        let voters = of_round.entry(proposal).or_default();
        voters.insert(closer);
        if voters.len() >= self.quorum {
            self.certified.entry(round).or_insert(proposal);
        }
    }

    /// The member has answered the call with these prices.
    pub(crate) fn answered(&mut self, prices: &PricesId) {
        let mut calls = self.heard.values_mut().flatten();
        if let Some(call) = calls.find(|call| call.prices == *prices) {
            call.answered = true;
        }
    }

    /// What of its memory is to change; it has changed when this returns. `owed` are the
    /// prices of a call that it follows and has still to answer.
    pub(crate) fn steps(&mut self, owed: Option<PricesId>) -> Vec<Step> {
        let open = self.open();
        let mut steps = Vec::new();
        let rounds: BTreeSet<u32> = self
            .heard
            .keys()
            .chain(self.followed.keys())
            .copied()
            .collect();
        for round in rounds.range(..=open.saturating_add(1)).copied() {
            let followed = self.followed.get(&round).copied();
            let of_round = self.heard.get(&round).map_or(&[][..], Vec::as_slice);
            let wanted = if round <= open {
                let certified = self.certified.get(&round);
                of_round.iter().find(|call| certified == Some(&call.id))
            } else if let Some(due) = of_round.iter().find(|c| owed == Some(c.prices)) {
                // Another call must not keep it from answering this one.
                Some(due)
            } else {
                // Those that were not answered, in the order in which they came; then the
                // first that asks to settle, or else the last.
                let due = of_round.iter().find(|c| !c.answered);
                let settles = || of_round.iter().find(|c| c.settle.is_some() || c.agreed);
                due.or_else(settles).or(of_round.last())
            };
            let same = wanted.is_some_and(|w| followed == Some(w.prices));
            if same || (wanted.is_none() && followed.is_none()) {
                continue;
            }
            match wanted {
                Some(call) => self.followed.insert(round, call.prices),
                None => self.followed.remove(&round),
            };
            steps.push(Step {
                round,
                leave: followed,
                take: wanted.cloned(),
            });
        }
        let floor = open.saturating_sub(KEPT);
        self.heard = self.heard.split_off(&floor);
        self.votes = self.votes.split_off(&floor);
        self.certified = self.certified.split_off(&floor);
        self.followed = self.followed.split_off(&floor);
        steps
    }

    /// Whether a call with these prices is among those remembered.
    pub(crate) fn keeps(&self, prices: &PricesId) -> bool {
        let mut calls = self.heard.values().flatten();
        calls.any(|call| call.prices == *prices)
    }

    /// The proposal that opened the last round that is known to be open, if nothing more
    /// is asked in it.
    pub(crate) fn agreed(&self) -> Option<MessageId> {
        let (round, id) = self.certified.last_key_value()?;
        let of_round = self.heard.get(round).map_or(&[][..], Vec::as_slice);
        let says_so = of_round.iter().any(|call| call.id == *id && call.agreed);
        says_so.then_some(*id)
    }
}
