//! What does it cost to find out what is missing?
//!
//! *Sets*: two sets of `n` ids that differ in `d`, half on each side. By our sketch,
//! asking for what is lacking included; and by negentropy, which orders ids by time:
//! *scattered* differences are anywhere in it, *recent* ones are its last. *Chains*:
//! the same `n` as entries of 1000 authors, where one side lacks the last `d`; our
//! version vectors say what is missing, and negentropy is given the same ids with
//! their depth as time. Entries themselves are not counted. Round trips are counted
//! until whoever began knows all that differs.

use cosmosmesh_log::sync::sketch::{self, SYMBOL_BYTES, Salt, Shortener};
use cosmosmesh_log::sync::{Message, Options, PeerRecord, Session, estimate};
use cosmosmesh_log::{Entry, Log};
use cosmosmesh_mission::{Canonical as _, MessageId};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use serde::Serialize;

use crate::clock;
use crate::history::{Cast, Rng};

#[derive(Debug, Serialize)]
pub struct Row {
    pub of: &'static str,
    pub sets: &'static str,
    pub n: usize,
    pub d: usize,
    pub bytes: f64,
    pub bytes_per_difference: f64,
    pub round_trips: f64,
    pub s: f64,
}

type Timed = (u64, [u8; 32]);

fn row(of: &'static str, sets: &'static str, n: usize, d: usize, m: [f64; 3]) -> Row {
    Row {
        of,
        sets,
        n,
        d,
        bytes: m[0],
        bytes_per_difference: m[0] / d as f64,
        round_trips: m[1],
        s: m[2],
    }
}

fn differing(n: usize, d: usize, recent: bool, seed: u64) -> [Vec<Timed>; 2] {
    let mut rng = Rng(seed ^ (d as u64) << 32 ^ n as u64);
    let mut id = || {
        let words: [u64; 4] = std::array::from_fn(|_| rng.next());
        std::array::from_fn(|at| words[at / 8].to_le_bytes()[at % 8])
    };
    let common: Vec<Timed> = (0..n - d).map(|at| (at as u64, id())).collect();
    let mut sides = [common.clone(), common];
    let mut rng = Rng(seed ^ 0xd1ff);
    for at in 0..d {
        let words: [u64; 4] = std::array::from_fn(|_| rng.next());
        let id = std::array::from_fn(|at| words[at / 8].to_le_bytes()[at % 8]);
        let time = if recent {
            (n - d + at) as u64
        } else {
            rng.next() % (n - d) as u64
        };
        sides[at % 2].push((time, id));
    }
    sides
}

fn by_sketch(sides: &[Vec<Timed>; 2], d: usize, seed: u64) -> [f64; 3] {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    let shortener = Shortener::new(Salt(salt));
    let ids = sides.each_ref().map(|side| {
        side.iter()
            .map(|(_, id)| MessageId(*id))
            .collect::<Vec<_>>()
    });
    let start = clock();
    let counters = ids
        .each_ref()
        .map(|ids| estimate::Counters::of(&shortener, ids));
    let mut bytes = counters[0].to_bytes().len();
    let mut symbols = estimate::symbols_for(counters[0].difference(&counters[1]));
    let mut trips = 1.0;
    loop {
        let coded = ids.each_ref().map(|ids| {
            let shorts = ids.iter().map(|id| shortener.shorten(id));
            sketch::symbols(&shortener, shorts, 0, symbols)
        });
        match sketch::difference(&shortener, &coded[0], &coded[1]) {
            Some(found) if found.len() == d => break,
            _ => {
                trips += 1.0;
                symbols *= 2;
            }
        }
    }
    bytes += symbols * SYMBOL_BYTES + d / 2 * 4;
    [bytes as f64, trips, start.elapsed().as_secs_f64()]
}

fn storage(side: &[Timed]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(side.len());
    for (time, id) in side {
        storage
            .insert(*time, Id::from_byte_array(*id))
            .expect("inserted");
    }
    storage.seal().expect("sealed");
    storage
}

fn by_negentropy(sides: &[Vec<Timed>; 2], d: usize) -> [f64; 3] {
    let stored = sides.each_ref().map(|side| storage(side));
    let start = clock();
    let mut client = Negentropy::borrowed(&stored[0], 0).expect("a client");
    let mut server = Negentropy::borrowed(&stored[1], 0).expect("a server");
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut query = client.initiate().expect("begun");
    let (mut bytes, mut trips) = (0, 0.0);
    loop {
        let answer = server.reconcile(&query).expect("answered");
        bytes += query.len() + answer.len();
        trips += 1.0;
        match client
            .reconcile_with_ids(&answer, &mut have, &mut need)
            .expect("understood")
        {
            Some(next) => query = next,
            None => break,
        }
    }
    have.sort_unstable();
    have.dedup();
    need.sort_unstable();
    need.dedup();
    assert_eq!(have.len() + need.len(), d);
    [bytes as f64, trips, start.elapsed().as_secs_f64()]
}

fn take(log: &mut Log, entries: Vec<Entry>) {
    for entry in entries {
        let verified = log.terms().trust(entry).expect("of this contract");
        log.insert(verified).expect("valid");
    }
}

fn meet(logs: &mut [Log; 2], records: [PeerRecord; 2], seed: u64) -> ([PeerRecord; 2], usize, u32) {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    let mut options = Options::new(Salt(salt));
    options.budget_bytes = 1 << 30;
    let [a, b] = records;
    let mut sides = [
        Session::open(&logs[0], a, options),
        Session::answer(b, options),
    ];
    let (mut overhead, mut turns, mut same_after) = (0, 0, 0);
    let (mut turn, mut quiet) = (0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(bytes) = sides[turn].poll() {
            turns += u32::from(quiet > 0);
            quiet = 0;
            overhead += bytes.len();
            if let Ok(Message::Entries(entries)) = Message::from_cbor(&bytes) {
                overhead -= entries.iter().map(Vec::len).sum::<usize>();
            }
            let entries = sides[other].receive(&bytes).expect("understood");
            take(&mut logs[other], entries);
            sides[other].advance(&logs[other]).expect("goes on");
        }
        if same_after == 0 && logs[0].digest() == logs[1].digest() {
            same_after = turns;
        }
        turn = other;
    }
    (
        sides.map(|side| side.record().clone()),
        overhead,
        same_after,
    )
}

fn chains(n: usize, all_d: &[usize], rows: &mut Vec<Row>) {
    let authors = 1000;
    let mut cast = Cast::new(authors, 7);
    let mut log = Log::new(cast.terms.clone());
    for _ in 0..n / 1000 {
        take(&mut log, cast.history(1000));
    }
    let mut logs = [log.clone(), log];
    let (mut records, _, _) = meet(&mut logs, Default::default(), 1);
    for &d in all_d {
        for spread in [authors, 10] {
            // All know each other as of the last meeting.
            (records, _, _) = meet(&mut logs, records, d as u64);
            for at in 0..d {
                take(&mut logs[0], vec![cast.say(at % spread)]);
            }
            let timed = logs.each_ref().map(|log| {
                let all = log.attached_since(0);
                all.map(|ix| (u64::from(log.depth(ix)), log.id(ix).0))
                    .collect::<Vec<_>>()
            });
            let sets = if spread == 10 {
                "chains, 10 authors went on"
            } else {
                "chains, all authors went on"
            };
            let start = clock();
            let (met, bytes, turns) = meet(&mut logs, records, 3 + d as u64);
            records = met;
            let s = start.elapsed().as_secs_f64();
            let m = [bytes as f64, f64::from(turns) / 2.0, s];
            rows.push(row("cosmosmesh vectors", sets, n, d, m));
            rows.push(row("negentropy", sets, n, d, by_negentropy(&timed, d)));
        }
    }
}

pub fn rows(sizes: &[usize]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &n in sizes {
        let all_d = [10, 100, 1000, 10_000];
        let all_d: Vec<usize> = all_d.into_iter().filter(|d| d * 4 <= n).collect();
        for &d in &all_d {
            for (recent, sets) in [(false, "scattered"), (true, "recent")] {
                let cases = if n > 100_000 { 2 } else { 5 };
                let mut sums = [[0.0; 3]; 2];
                for seed in 0..cases {
                    let sides = differing(n, d, recent, seed);
                    let both = [by_sketch(&sides, d, seed), by_negentropy(&sides, d)];
                    for (sum, one) in sums.iter_mut().zip(both) {
                        for (sum, one) in sum.iter_mut().zip(one) {
                            *sum += one / cases as f64;
                        }
                    }
                }
                rows.push(row("cosmosmesh sketch", sets, n, d, sums[0]));
                rows.push(row("negentropy", sets, n, d, sums[1]));
            }
        }
        chains(n, &all_d, &mut rows);
    }
    rows
}
