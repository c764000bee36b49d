//! What one member asks another for when something was lost.
//!
//! An ask is not signed and no part of the log: whoever gets one may answer or not, and
//! what comes back is entries.

use std::collections::BTreeSet;

use cosmosmesh_log::{EntryIx, Log, Verified};
use cosmosmesh_mission::MessageId;

/// The most ids that one ask names.
pub const MOST_WANTED: usize = 64;
/// The most bytes of entries that one answer has, the first entry aside.
pub const MOST_ANSWERED_BYTES: usize = 1 << 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// The round whose opening is not certified for whoever asks.
    pub round: u32,
    /// How many entries it holds of each author, by the authors' places: what of a chain
    /// it need not be sent.
    pub have: Vec<u64>,
    /// Entries that others of its entries wait for.
    pub want: Vec<MessageId>,
}

impl Ask {
    /// What someone that holds `log` asks for.
    pub fn of(log: &Log, round: u32, with_wanted: bool) -> Self {
        let want = if with_wanted {
            log.missing().into_iter().take(MOST_WANTED).collect()
        } else {
            Vec::new()
        };
        let have = log.terms().authors().map(|(at, _)| log.counted_of(at));
        Self {
            round,
            have: have.collect(),
            want,
        }
    }

    /// Whether whoever asks has the entry, by what it says.
    fn has(&self, log: &Log, ix: EntryIx) -> bool {
        let held = self
            .have
            .get(log.author(ix).0 as usize)
            .copied()
            .unwrap_or(0);
        log.place_in_chain(ix) < held
    }

    /// What `log` has of what is wanted, and of `roots`, with all behind it that whoever
    /// asks does not have; parents first, and bounded.
    pub fn answer(&self, log: &Log, roots: impl IntoIterator<Item = EntryIx>) -> Vec<Verified> {
        // What is wanted is not held, whatever the numbers say: a chain can fork.
        let wanted = self.want.iter().take(MOST_WANTED);
        let mut found: BTreeSet<EntryIx> = wanted.filter_map(|id| log.find(id)).collect();
        let mut due: Vec<EntryIx> = found.iter().copied().collect();
        let mut take = |ix: EntryIx, due: &mut Vec<EntryIx>| {
            if !self.has(log, ix) && found.insert(ix) {
                due.push(ix);
            }
        };
        for ix in roots {
            take(ix, &mut due);
        }
        while let Some(ix) = due.pop() {
            let Some(entry) = log.entry(ix) else { continue };
            let parents = entry.header().parents();
            parents
                .filter_map(|id| log.find(id))
                .for_each(|parent| take(parent, &mut due));
        }
        // In the order of attaching parents come first.
        let mut bytes = 0;
        let mut answer = Vec::new();
        for verified in found.into_iter().filter_map(|ix| log.verified(ix)) {
            bytes += verified.entry().to_bytes().len();
            if bytes > MOST_ANSWERED_BYTES && !answer.is_empty() {
                break;
            }
            answer.push(verified);
        }
        answer
    }
}
