//! The contact plan reader on arbitrary bytes. It must not panic, strict reading
//! must accept no more than foreign reading, refusals must say what to do, and
//! whatever is read must not make a writer of any dialect panic.
#![no_main]

use cosmosmesh_contact::{Dialect, Mode, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let strict = read("fuzz", bytes, None, Mode::Strict);
    match read("fuzz", bytes, None, Mode::Foreign) {
        Ok(reading) => {
            for dialect in Dialect::ALL {
                let _ = write(&reading.plan, dialect);
            }
        }
        Err(error) => {
            assert!(strict.is_err(), "strict reading accepts more");
            assert!(!error.remedy.is_empty(), "no remedy: {error}");
        }
    }
});
