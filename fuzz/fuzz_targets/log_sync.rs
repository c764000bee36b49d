//! Sync messages from a peer that sends anything. The decoder must not panic, and
//! whatever it accepts must encode to the same bytes; a session that is fed with
//! them, one after the other, must neither panic nor grow.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Message, Options, PeerRecord, Session};
use cosmosmesh_log::{Draft, Kind, Log, Terms};
use cosmosmesh_mission::{AuthorId, BootEpoch, Canonical, ContractHash, Seq, UtcSeconds};
use libfuzzer_sys::fuzz_target;

/// A log of ten entries, the last two a fork, whose author is the one closer.
fn log() -> Log {
    let key = SecretKey::from_seed([1; 32]);
    let author: AuthorId = "a".parse().expect("a name");
    let keys = BTreeMap::from([(author.clone(), key.public())]);
    let contract_hash = ContractHash([0; 32]);
    let closers = BTreeSet::from([author.clone()]);
    let terms = Terms::new(contract_hash, keys, &BTreeSet::new(), &closers, 1).expect("terms");
    let mut log = Log::new(Arc::new(terms));
    let mut backlink = None;
    for at in 0..10_u64 {
        let entry = Draft {
            author: author.clone(),
            boot_epoch: BootEpoch(0),
            seq: Seq(at.min(8)),
            backlink,
            deps: Vec::new(),
            time: UtcSeconds(0),
            contract_hash,
            kind: Kind(9),
            body: vec![at as u8],
        };
        let entry = entry.sign(&key).expect("an entry");
        if at < 8 {
            backlink = Some(entry.id());
        }
        let verified = log.terms().trust(entry).expect("of this contract");
        log.insert(verified).expect("attached");
    }
    log
}

thread_local!(static LOG: Log = log());

fuzz_target!(|bytes: &[u8]| {
    let options = Options::new(Salt([7; 16]));
    LOG.with(|log| {
        let mut sides = [
            Session::open(log, PeerRecord::default(), options),
            Session::answer(PeerRecord::default(), options),
        ];
        // Messages one after the other, each behind its length in two bytes.
        let mut rest = bytes;
        while let [low, high, behind @ ..] = rest {
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
            let (message, behind) = behind.split_at(length);
            rest = behind;
            if let Ok(decoded) = Message::from_cbor(message) {
                assert_eq!(decoded.to_cbor().as_deref(), Ok(message));
            }
            for side in &mut sides {
                if side.receive(message).is_ok() {
                    let _ = side.advance(log);
                    if let Some(grown) = side.resumed() {
                        assert!(grown.len() >= log.len());
                    }
                }
                while side.poll().is_some() {}
            }
        }
    });
});
