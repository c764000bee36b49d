//! Bytes and turns of sync, beyond the missing entries themselves.

use cosmosmesh_log::sync::sketch::{self, SYMBOL_BYTES, Salt, Shortener};
use cosmosmesh_log::sync::{Message, Options, PeerRecord, Session, estimate};
use cosmosmesh_log::{Entry, Log};
use cosmosmesh_mission::{Canonical as _, MessageId};
use serde::Serialize;

use super::history::{Cast, Rng};
use super::log::clock;

/// A meeting of two that have met before, one of which went on.
#[derive(Debug, Serialize)]
pub(crate) struct VectorRow {
    pub(super) entries: usize,
    pub(super) authors: usize,
    /// Entries that one side lacks.
    pub(super) missing: usize,
    /// How many authors wrote them.
    pub(super) changed_authors: usize,
    /// All bytes of both directions but the entries themselves.
    pub(super) overhead_bytes: usize,
    /// The first message without its entries, for each author that changed, and
    /// without what it takes when nobody did.
    pub(super) bytes_per_changed_author: f64,
    /// Turns until both have the same; two are a round trip.
    pub(super) turns: usize,
    /// Computing, both sides.
    pub(super) s: f64,
}

/// Two sets of ids that differ at random places.
#[derive(Debug, Serialize)]
pub(crate) struct SketchRow {
    pub(super) ids: usize,
    pub(super) difference: usize,
    pub(super) cases: usize,
    /// Of which the first answer sufficed.
    pub(super) first_time: usize,
    /// Estimate and symbols, for each difference.
    pub(super) bytes_per_difference: f64,
    /// And what is then asked for, half of the differences in four bytes each.
    pub(super) with_wants: f64,
    /// Coding and decoding, both sides, one case.
    pub(super) s: f64,
}

fn options(seed: u64) -> Options {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    let mut options = Options::new(Salt(salt));
    options.budget_bytes = 1 << 30;
    options
}

fn take(log: &mut Log, entries: Vec<Entry>) {
    for entry in entries {
        let verified = log.terms().trust(entry).expect("of this contract");
        log.insert(verified).expect("valid");
    }
}

struct Met {
    records: [PeerRecord; 2],
    overhead_bytes: usize,
    first_bytes: usize,
    turns: usize,
}

fn meet(logs: &mut [Log; 2], records: [PeerRecord; 2], seed: u64) -> Met {
    let [a, b] = records;
    let mut sides = [
        Session::open(&logs[0], a, options(seed)),
        Session::answer(b, options(seed)),
    ];
    let mut met = Met {
        records: Default::default(),
        overhead_bytes: 0,
        first_bytes: 0,
        turns: 0,
    };
    let (mut turn, mut quiet, mut sent_turns) = (0, 0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(bytes) = sides[turn].poll() {
            if quiet > 0 {
                sent_turns += 1;
                quiet = 0;
            }
            let mut own = bytes.len();
            if let Ok(Message::Entries(entries)) = Message::from_cbor(&bytes) {
                own -= entries.iter().map(Vec::len).sum::<usize>();
            } else if met.first_bytes == 0 {
                met.first_bytes = own;
            }
            met.overhead_bytes += own;
            let entries = sides[other].receive(&bytes).expect("understood");
            take(&mut logs[other], entries);
            sides[other].advance(&logs[other]).expect("goes on");
        }
        if met.turns == 0 && logs[0].digest() == logs[1].digest() {
            met.turns = sent_turns;
        }
        turn = other;
    }
    met.records = sides.map(|side| side.record().clone());
    met
}

/// One side is ahead of the other by more and more entries.
pub(crate) fn vectors(entries: usize) -> Vec<VectorRow> {
    let authors = 1000;
    let mut rows = Vec::new();
    for missing in [10, 100, 1000, 10_000] {
        let mut cast = Cast::new(authors, 7);
        let history = cast.history(entries);
        let mut logs = [0, 1].map(|_| Log::new(cast.terms.clone()));
        for log in &mut logs {
            take(log, history.clone());
        }
        drop(history);
        let records = meet(&mut logs, Default::default(), 1).records;
        let idle = meet(&mut logs, records, 2);
        for at in 0..missing {
            let entry = cast.say(at % authors);
            take(&mut logs[0], vec![entry]);
        }
        let changed_authors = missing.min(authors);
        let start = clock();
        let met = meet(&mut logs, idle.records, 3);
        let s = start.elapsed().as_secs_f64();
        assert_eq!(logs[0].digest(), logs[1].digest());
        rows.push(VectorRow {
            entries,
            authors,
            missing,
            changed_authors,
            overhead_bytes: met.overhead_bytes,
            bytes_per_changed_author: (met.first_bytes - idle.first_bytes) as f64
                / changed_authors as f64,
            turns: met.turns,
            s,
        });
    }
    rows
}

/// Sets of `size` ids with more and more differences.
pub(crate) fn sketches(size: usize, quick: bool) -> Vec<SketchRow> {
    let mut rows = Vec::new();
    for difference in [10, 100, 1000, 10_000] {
        if difference * 4 > size {
            continue;
        }
        let cases = if quick {
            20
        } else {
            (20_000_000 / size).clamp(20, 200)
        };
        let (mut first_time, mut bytes) = (0, 0);
        let start = clock();
        for seed in 0..cases as u64 {
            let mut rng = Rng(seed ^ (difference as u64) << 20 ^ size as u64);
            let mut ids = |count: usize| -> Vec<MessageId> {
                let mut id = || {
                    let mut id = [0; 32];
                    id[..8].copy_from_slice(&rng.next().to_le_bytes());
                    MessageId(id)
                };
                (0..count).map(|_| id()).collect()
            };
            let (common, apart) = (ids(size - difference), ids(difference));
            let (ours, theirs) = apart.split_at(difference / 2);
            let shortener = Shortener::new(options(seed).salt);
            let counters =
                |own: &[MessageId]| estimate::Counters::of(&shortener, common.iter().chain(own));
            let (a, b) = (counters(ours), counters(theirs));
            let count = estimate::symbols_for(a.difference(&b));
            bytes += a.to_bytes().len() + count * SYMBOL_BYTES;
            let code = |own: &[MessageId]| {
                let shorts = common.iter().chain(own).map(|id| shortener.shorten(id));
                sketch::symbols(&shortener, shorts, 0, count)
            };
            let found = sketch::difference(&shortener, &code(ours), &code(theirs));
            first_time += usize::from(found.is_some_and(|found| found.len() == difference));
        }
        let bytes_per_difference = bytes as f64 / (cases * difference) as f64;
        rows.push(SketchRow {
            ids: size,
            difference,
            cases,
            first_time,
            bytes_per_difference,
            with_wants: bytes_per_difference + 2.0,
            s: start.elapsed().as_secs_f64() / cases as f64,
        });
    }
    rows
}
