//! A call that turned out not to be the one that opened its round, and what was
//! answered to it.

use std::collections::BTreeMap;

use super::Agent;
use super::pack::Record;
use crate::method::{Call, Candidate, Counted};

/// A call and what was answered to it, out of use.
pub struct Aside {
    call: Call,
    replied: bool,
    records: BTreeMap<Counted, Record>,
    allotments: BTreeMap<Candidate, Option<Vec<i64>>>,
    duals: BTreeMap<(u32, u32), Option<i64>>,
    costs: BTreeMap<Candidate, Option<i64>>,
}

/// Says which round it is of and nothing else.
impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aside")
            .field("round", &self.call.round)
            .finish_non_exhaustive()
    }
}

/// Takes the items of a map whose key is of a kind.
fn take<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, of: impl Fn(&K) -> bool) -> BTreeMap<K, V> {
    let keys: Vec<K> = map.keys().copied().filter(|key| of(key)).collect();
    let pairs = keys
        .into_iter()
        .filter_map(|key| Some((key, map.remove(&key)?)));
    pairs.collect()
}

impl Agent {
    /// Sets the call of a round aside, and all that was answered to it: another call
    /// opened that round, as far as is known. [`Self::take_back`] undoes it.
    pub fn set_aside(&mut self, round: u32) -> Option<Aside> {
        let call = self.calls.remove(&round)?;
        let replied = self.replied == Some(round);
        if replied {
            self.replied = self.calls.range(..round).next_back().map(|(r, _)| *r);
        }
        Some(Aside {
            call,
            replied,
            records: take(&mut self.records, |at| at.round == round),
            allotments: take(&mut self.allotments, |at| at.round == round),
            duals: take(&mut self.duals, |at| at.0 == round),
            costs: take(&mut self.costs, |at| at.round == round),
        })
    }

    /// Takes back what was set aside; what there is for the round now must have been
    /// set aside itself.
    pub fn take_back(&mut self, aside: Aside) {
        if aside.replied {
            self.replied = self.replied.max(Some(aside.call.round));
        }
        self.calls.insert(aside.call.round, aside.call);
        self.records.extend(aside.records);
        self.allotments.extend(aside.allotments);
        self.duals.extend(aside.duals);
        self.costs.extend(aside.costs);
    }
}
