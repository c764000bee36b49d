//! What one member asks another for when something was lost.
//!
//! An ask is not signed and no part of the log: whoever gets one may answer or not, and
//! what comes back is entries.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_log::{AuthorIx, EntryIx, Log, Verified};
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
    /// Ends of what it holds besides: branches of authors that forked.
    pub ends: Vec<MessageId>,
    /// Entries that others of its entries wait for.
    pub want: Vec<MessageId>,
}

impl Ask {
    /// What someone that holds `log` asks for.
    pub fn of(log: &Log, round: u32, with_wanted: bool) -> Self {
        let want = if with_wanted {
            log.missing_in_turn(MOST_WANTED)
        } else {
            Vec::new()
        };
        let have = log.terms().authors().map(|(at, _)| log.counted_of(at));
        Self {
            round,
            have: have.collect(),
            ends: ends(log),
            want,
        }
    }

    /// Whether whoever asks has the entry, by what it says. The numbers say nothing of
    /// an author that forked: `forked`.
    fn has(&self, log: &Log, ix: EntryIx, forked: &BTreeSet<AuthorIx>) -> bool {
        let author = log.author(ix);
        let held = self.have.get(author.0 as usize).copied().unwrap_or(0);
        !forked.contains(&author) && log.place_in_chain(ix) < held
    }

    /// What `log` has of what is wanted, and of `roots`, with all behind it that whoever
    /// asks does not have; parents first, and bounded.
    pub fn answer(&self, log: &Log, roots: impl IntoIterator<Item = EntryIx>) -> Vec<Verified> {
        // What is wanted is not held, whatever the numbers say: a chain can fork.
        let wanted = self.want.iter().take(MOST_WANTED);
        let mut found: BTreeSet<EntryIx> = wanted.filter_map(|id| log.find(id)).collect();
        let none = BTreeSet::new();
        let forked = found.iter().filter(|ix| self.has(log, **ix, &none));
        let forked: BTreeSet<AuthorIx> = forked.map(|ix| log.author(*ix)).collect();
        let ends = self.ends.iter().take(MOST_WANTED);
        let ends: Vec<EntryIx> = ends.filter_map(|id| log.find(id)).collect();
        let held = log.past(&ends);
        let mut due: Vec<EntryIx> = found.iter().copied().collect();
        let mut take = |ix: EntryIx, due: &mut Vec<EntryIx>| {
            if !held.contains(ix) && !self.has(log, ix, &forked) && found.insert(ix) {
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
        bounded(found.into_iter().filter_map(|ix| log.verified(ix)))
    }
}

/// The first of these entries, up to the most bytes of an answer.
pub(crate) fn bounded(entries: impl IntoIterator<Item = Verified>) -> Vec<Verified> {
    let mut bytes = 0;
    let mut answer = Vec::new();
    for verified in entries {
        bytes += verified.entry().to_bytes().len();
        if bytes > MOST_ANSWERED_BYTES && !answer.is_empty() {
            break;
        }
        answer.push(verified);
    }
    answer
}

/// The ends of what the log holds beyond what counts, a few of each author.
fn ends(log: &Log) -> Vec<MessageId> {
    const OF_AUTHOR: usize = 4;
    let mut of_author: BTreeMap<AuthorIx, usize> = BTreeMap::new();
    let places = log.heads().iter().filter_map(|id| log.find(id));
    let beyond = places.filter(|ix| !log.is_counted(*ix));
    let few = beyond.filter(|ix| {
        let taken = of_author.entry(log.author(*ix)).or_default();
        *taken += 1;
        *taken <= OF_AUTHOR
    });
    few.take(MOST_WANTED).map(|ix| log.id(ix)).collect()
}
