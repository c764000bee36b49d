//! The scenario loader on arbitrary text. It must not panic, and every refusal
//! must name a place in the text and a remedy. Accepted inputs are rare from
//! nothing: start from the files in `scenarios`.
#![no_main]

use cosmosmesh_planning::scenario::Scenario;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Scenario::parse("fuzz", text) {
        assert!(error.line() <= text.matches('\n').count() + 1);
        assert!(error.line() > 0 && error.column() > 0);
        assert!(!error.message().is_empty(), "no message");
        assert!(!error.remedy().is_empty(), "no remedy: {error}");
    }
});
