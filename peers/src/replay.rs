//! How fast is a history read back?

use std::collections::HashMap;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, Change, ROOT};
use cosmosmesh_log::{Entry, Log, Verified};
use loro::{ExportMode, LoroDoc};
use p2panda_core::cbor::decode_cbor;
use p2panda_core::{
    Body, Hash, Header, Operation, SigningKey, validate_backlink, validate_operation,
};
use serde::Serialize;

use crate::clock;
use crate::history::{Cast, Rng};

const AUTHORS: usize = 64;

#[derive(Debug, Serialize)]
pub struct Row {
    pub of: &'static str,
    pub what: &'static str,
    pub entries: usize,
    pub per_s: f64,
}

fn row(of: &'static str, what: &'static str, entries: usize, s: f64) -> Row {
    Row {
        of,
        what,
        entries,
        per_s: entries as f64 / s,
    }
}

fn ours(entries: usize, rows: &mut Vec<Row>) {
    let mut cast = Cast::new(AUTHORS, 1);
    let history = cast.history(entries);
    let encoded: Vec<Vec<u8>> = history.iter().map(Entry::to_bytes).collect();
    let verified: Vec<Verified> = history
        .into_iter()
        .map(|entry| cast.terms.verify(entry).expect("signed"))
        .collect();
    let start = clock();
    let mut log = Log::new(cast.terms.clone());
    for entry in verified {
        log.insert(entry).expect("valid");
    }
    let state = log.state();
    let s = start.elapsed().as_secs_f64();
    rows.push(row(
        "cosmosmesh",
        "attach checked entries, order, state",
        entries,
        s,
    ));
    for checked in [false, true] {
        let start = clock();
        let mut log = Log::new(cast.terms.clone());
        for bytes in &encoded {
            let entry = Entry::from_bytes(bytes).expect("just written");
            let verified = if checked {
                cast.terms.verify(entry)
            } else {
                cast.terms.trust(entry)
            };
            log.insert(verified.expect("signed")).expect("valid");
        }
        assert_eq!(log.state(), state);
        let s = start.elapsed().as_secs_f64();
        let what = if checked {
            "from bytes, hashes and signatures checked, order, state"
        } else {
            "from bytes, hashes checked, order, state"
        };
        rows.push(row("cosmosmesh", what, entries, s));
    }
}

fn automerge(entries: usize, rows: &mut Vec<Row>) {
    let mut rng = Rng(1);
    let mut docs: Vec<AutoCommit> = (0..AUTHORS)
        .map(|at| AutoCommit::new().with_actor(ActorId::from([at as u8; 16])))
        .collect();
    let mut encoded = Vec::new();
    for _ in 0..entries {
        let doc = &mut docs[rng.below(AUTHORS)];
        let key = format!("key{}", rng.below(1000));
        doc.put(ROOT, key, vec![rng.next() as u8; 100])
            .expect("put");
        doc.commit();
        let change = doc.get_last_local_change().expect("just said");
        encoded.push(change.raw_bytes().to_vec());
    }
    drop(docs);
    let start = clock();
    let changes: Vec<Change> = encoded
        .into_iter()
        .map(|bytes| Change::from_bytes(bytes).expect("a change"))
        .collect();
    let mut doc = AutoCommit::new();
    doc.apply_changes(changes).expect("applied");
    let s = start.elapsed().as_secs_f64();
    rows.push(row(
        "automerge",
        "from bytes of each change, applied at once; unsigned",
        entries,
        s,
    ));
    let saved = doc.save();
    let start = clock();
    AutoCommit::load(&saved).expect("loaded");
    let s = start.elapsed().as_secs_f64();
    rows.push(row(
        "automerge",
        "load of one saved document; unsigned",
        entries,
        s,
    ));
}

fn loro(entries: usize, rows: &mut Vec<Row>) {
    let mut rng = Rng(1);
    let docs: Vec<LoroDoc> = (0..AUTHORS as u64)
        .map(|at| {
            let doc = LoroDoc::new();
            doc.set_peer_id(at + 1).expect("a peer");
            doc
        })
        .collect();
    let mut encoded = Vec::new();
    for _ in 0..entries {
        let doc = &docs[rng.below(AUTHORS)];
        let before = doc.oplog_vv();
        let key = format!("key{}", rng.below(1000));
        let value = vec![rng.next() as u8; 100];
        doc.get_map("root").insert(&key, value).expect("put");
        doc.commit();
        encoded.push(doc.export(ExportMode::updates(&before)).expect("exported"));
    }
    drop(docs);
    let start = clock();
    let doc = LoroDoc::new();
    doc.import_batch(&encoded).expect("imported");
    let s = start.elapsed().as_secs_f64();
    rows.push(row(
        "loro",
        "a batch of updates of one entry each; unsigned",
        entries,
        s,
    ));
    let all = doc.export(ExportMode::all_updates()).expect("exported");
    let start = clock();
    LoroDoc::new().import(&all).expect("imported");
    let s = start.elapsed().as_secs_f64();
    rows.push(row(
        "loro",
        "one update with all entries; unsigned",
        entries,
        s,
    ));
}

fn p2panda(entries: usize, rows: &mut Vec<Row>) {
    let mut rng = Rng(1);
    let keys: Vec<SigningKey> = (0..AUTHORS)
        .map(|at| SigningKey::from_bytes(&[at as u8 + 1; 32]))
        .collect();
    let mut last: Vec<Option<(Hash, u64)>> = vec![None; AUTHORS];
    let mut encoded = Vec::new();
    for _ in 0..entries {
        let at = rng.below(AUTHORS);
        let body = Body::new(&[rng.next() as u8; 100]);
        let mut header: Header<()> = Header {
            verifying_key: keys[at].verifying_key(),
            payload_size: body.size(),
            payload_hash: Some(body.hash()),
            seq_num: last[at].map_or(0, |(_, seq)| seq + 1),
            backlink: last[at].map(|(hash, _)| hash),
            ..Header::default()
        };
        header.sign(&keys[at]);
        last[at] = Some((header.hash(), header.seq_num));
        encoded.push((header.to_bytes(), body.to_bytes()));
    }
    let start = clock();
    let mut heads: HashMap<[u8; 32], Header<()>> = HashMap::new();
    for (header, body) in &encoded {
        let header: Header<()> = decode_cbor(&header[..]).expect("a header");
        let operation = Operation {
            hash: header.hash(),
            header: header.clone(),
            body: Some(Body::new(body)),
        };
        validate_operation(&operation).expect("valid");
        let author = *header.verifying_key.as_bytes();
        if let Some(before) = heads.get(&author) {
            validate_backlink(before, &header).expect("it follows");
        }
        heads.insert(author, header);
    }
    let s = start.elapsed().as_secs_f64();
    assert!(heads.len() <= AUTHORS);
    rows.push(row(
        "p2panda-core",
        "from bytes, hashes, signatures and links checked; no state",
        entries,
        s,
    ));
}

pub fn rows(entries: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for of in [ours, p2panda, automerge, loro] {
        of(entries, &mut rows);
    }
    rows
}
