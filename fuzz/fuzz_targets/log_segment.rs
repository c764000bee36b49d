//! The reader of segments, on arbitrary bytes as the only, and as the first of two,
//! files of a store. Opening and repairing must not panic; what is repaired, and what is
//! pruned, must open.
#![no_main]

use std::collections::BTreeSet;

use cosmosmesh_log::store::{Access, FaultyDisk, SegmentStore, Store, repair, scan_segment};
use cosmosmesh_mission::ContractHash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let frames = scan_segment(bytes, 0);
    assert!(frames.end <= bytes.len());
    let contract = ContractHash([9; 32]);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for files in [vec![bytes], vec![first, second]] {
        let disk = FaultyDisk::new();
        for (number, file) in files.iter().enumerate() {
            disk.plant(&format!("{number:08}.seg"), file.to_vec());
        }
        let open = || SegmentStore::open(disk.clone(), contract, Access::Write);
        match open() {
            Ok(mut store) => {
                let mut all = BTreeSet::new();
                let read = store.replay(&mut |stored| {
                    all.insert(stored.id());
                    Ok(())
                });
                let before = store.len();
                if read.is_ok() {
                    store.prune(&all).expect("what can be read can be pruned");
                    assert_eq!(store.len(), before);
                    drop(store);
                    assert_eq!(open().expect("what is pruned opens").len(), before);
                }
            }
            Err(_) => {
                if let Ok(report) = repair(&disk, Some(contract)) {
                    let store = open().expect("what is repaired opens");
                    assert_eq!(store.len(), report.kept);
                }
            }
        }
    }
});
