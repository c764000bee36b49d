//! The envelope decoder on arbitrary bytes. It must not panic, and whatever it
//! accepts must encode to the same bytes and survive JSON. Accepted inputs are
//! rare from nothing: start from the encodings in `vectors/v1`.
#![no_main]

use cosmosmesh_mission::{Canonical, Envelope, from_json, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::from_cbor(bytes) {
        assert_eq!(envelope.to_cbor().as_deref(), Ok(bytes));
        let text = to_json(&envelope).expect("what is accepted has a JSON text");
        let again: Envelope = from_json(&text).expect("its JSON text is accepted");
        assert_eq!(again, envelope);
    }
});
