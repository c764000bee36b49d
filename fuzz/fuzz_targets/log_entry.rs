//! The decoders of entries, their headers, and of what the log itself says, on arbitrary bytes.
//! They must not panic, and whatever they accept must encode to the same bytes.
#![no_main]

use cosmosmesh_log::{Checkpoint, LogState, Revocation, Status, Stored, Vote};
use cosmosmesh_mission::Canonical;
use libfuzzer_sys::fuzz_target;

fn round_trip<T: Canonical>(bytes: &[u8]) {
    if let Ok(value) = T::from_cbor(bytes) {
        assert_eq!(value.to_cbor().as_deref(), Ok(bytes));
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stored) = Stored::from_bytes(bytes) {
        assert_eq!(stored.to_bytes(), bytes);
        if let Some(entry) = stored.whole() {
            let _ = entry.envelope();
        }
    }
    round_trip::<Revocation>(bytes);
    round_trip::<Checkpoint>(bytes);
    round_trip::<LogState>(bytes);
    round_trip::<Vote>(bytes);
    round_trip::<Status>(bytes);
});
