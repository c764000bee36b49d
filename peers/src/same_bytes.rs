//! Do nodes that were given the same have the same bytes?
//!
//! Each delivery gives one history to 3 to 16 nodes, to each in its own order, a third
//! of it twice, in pieces of one to five. What a node then holds is written out: of
//! ours the encoded state, of the others the snapshot that they save. *Differing* is a
//! delivery after which two nodes' bytes differ; *values* one after which what a reader
//! sees differs.

use std::collections::BTreeSet;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, AutoSerde, Change, ROOT};
use cosmosmesh_log::{Log, Verified};
use cosmosmesh_mission::Canonical as _;
use loro::{ExportMode, LoroDoc};
use serde::Serialize;

use crate::history::{Cast, Rng};

const SAYINGS: usize = 24;
const AUTHORS: usize = 4;

#[derive(Debug, Serialize)]
pub struct Row {
    pub of: &'static str,
    pub deliveries: usize,
    pub nodes: usize,
    pub differing_bytes: usize,
    pub differing_values: usize,
}

fn count<T: Clone>(
    of: &'static str,
    deliveries: usize,
    history: impl Fn(u64) -> Vec<T>,
    node: impl Fn(u64, Vec<Vec<T>>) -> (Vec<u8>, String),
) -> Row {
    let mut row = Row {
        of,
        deliveries,
        nodes: 0,
        differing_bytes: 0,
        differing_values: 0,
    };
    for seed in 0..deliveries as u64 {
        let mut rng = Rng(seed ^ 0xb17e);
        let items = history(seed);
        let (mut bytes, mut values) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..3 + rng.below(14) {
            row.nodes += 1;
            let (written, seen) = node(seed, rng.delivery(&items));
            bytes.insert(written);
            values.insert(seen);
        }
        row.differing_bytes += usize::from(bytes.len() > 1);
        row.differing_values += usize::from(values.len() > 1);
    }
    row
}

fn ours(deliveries: usize) -> Row {
    let casts: Vec<Cast> = (0..1).map(|_| Cast::new(AUTHORS, 1)).collect();
    let terms = casts[0].terms.clone();
    let history = |seed| {
        let entries = Cast::new(AUTHORS, seed).history(SAYINGS);
        let verified = entries.into_iter().map(|entry| terms.verify(entry));
        verified
            .collect::<Result<Vec<Verified>, _>>()
            .expect("signed")
    };
    count("cosmosmesh", deliveries, history, |_, pieces| {
        let mut log = Log::new(terms.clone());
        for verified in pieces.into_iter().flatten() {
            log.insert(verified).expect("valid");
        }
        assert_eq!(log.len(), SAYINGS);
        let order: Vec<_> = log.counted().map(|ix| log.id(ix).to_string()).collect();
        (log.state().to_cbor().expect("encodable"), order.join(" "))
    })
}

fn automerge_history(seed: u64) -> Vec<Change> {
    let mut rng = Rng(seed);
    let actor = |at: usize| ActorId::from([at as u8; 16]);
    let mut docs: Vec<AutoCommit> = (0..AUTHORS)
        .map(|at| AutoCommit::new().with_actor(actor(at)))
        .collect();
    let mut all = Vec::new();
    for _ in 0..SAYINGS {
        let at = rng.below(AUTHORS);
        if rng.below(3) == 0 {
            let other = rng.below(AUTHORS);
            let theirs = docs[other].get_changes(&[]);
            docs[at].apply_changes(theirs).expect("applied");
        }
        let key = format!("key{}", rng.below(6));
        docs[at].put(ROOT, key, rng.next() as i64).expect("put");
        docs[at].commit();
        all.push(docs[at].get_last_local_change().expect("just said"));
    }
    all
}

fn automerge(deliveries: usize) -> Row {
    count("automerge", deliveries, automerge_history, |_, pieces| {
        let mut doc = AutoCommit::new();
        for piece in pieces {
            doc.apply_changes(piece).expect("applied");
        }
        let seen = serde_json::to_string(&AutoSerde::from(&doc)).expect("JSON");
        (doc.save(), seen)
    })
}

fn loro_history(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng(seed);
    let docs: Vec<LoroDoc> = (0..AUTHORS as u64)
        .map(|at| {
            let doc = LoroDoc::new();
            doc.set_peer_id(at + 1).expect("a peer");
            doc
        })
        .collect();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for _ in 0..SAYINGS {
        let at = rng.below(AUTHORS);
        if rng.below(3) == 0 {
            let other = docs[rng.below(AUTHORS)].export(ExportMode::all_updates());
            docs[at]
                .import(&other.expect("exported"))
                .expect("imported");
        }
        let before = docs[at].oplog_vv();
        let key = format!("key{}", rng.below(6));
        let map = docs[at].get_map("root");
        map.insert(&key, rng.next() as i64).expect("put");
        docs[at].commit();
        let said = docs[at].export(ExportMode::updates(&before));
        all.push(said.expect("exported"));
    }
    all
}

fn loro(deliveries: usize) -> Row {
    count("loro", deliveries, loro_history, |_, pieces| {
        let doc = LoroDoc::new();
        for bytes in pieces.into_iter().flatten() {
            doc.import(&bytes).expect("imported");
        }
        let map = doc.get_map("root").get_deep_value();
        let map = map.into_map().expect("a map");
        let mut seen: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        seen.sort_unstable();
        let snapshot = doc.export(ExportMode::Snapshot).expect("exported");
        (snapshot, seen.join(" "))
    })
}

pub fn rows(deliveries: usize) -> Vec<Row> {
    let of: [fn(usize) -> Row; 3] = [ours, automerge, loro];
    std::thread::scope(|scope| {
        let all = of.map(|of| scope.spawn(move || of(deliveries)));
        all.map(|row| row.join().expect("measured")).into()
    })
}
