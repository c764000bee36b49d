//! The laws of the encoding, on random values: `decode ∘ encode = id`, and JSON
//! and CBOR hold the same value.

mod common;

use std::fmt::Debug;

use cosmosmesh_mission::{Canonical, TimeGrid, UtcSeconds, from_json, to_json};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn round_trips<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Canonical + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = value
        .to_cbor()
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let read = T::from_cbor(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&read, value);
    let text = to_json(value).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let from_text: T =
        from_json(&text).map_err(|error| TestCaseError::fail(format!("{error} in {text}")))?;
    prop_assert_eq!(&from_text, value);
    prop_assert_eq!(from_text.to_cbor().ok(), Some(bytes));
    Ok(())
}

macro_rules! laws {
    ($($name:ident)+) => {
        proptest! { $(
            #[test]
            fn $name(value in common::$name()) {
                round_trips(&value)?;
            }
        )+ }
    };
}

laws! {
    grid
    unit
    quantum
    wide
    finite
    local_problem
    shared_variables
    dual_variables
    plan_delta
    privacy_budget
    audit_log
    policy_block
    registry_entry
    envelope
}

proptest! {
    #[test]
    fn truncation_is_refused(value in common::envelope(), cut in any::<proptest::sample::Index>()) {
        let bytes = value.to_cbor().expect("generated valid");
        let kept = cut.index(bytes.len());
        prop_assert!(cosmosmesh_mission::Envelope::from_cbor(&bytes[..kept]).is_err());
    }

    #[test]
    fn a_message_id_names_one_message(one in common::envelope(), other in common::envelope()) {
        prop_assert_eq!(one == other, one.id().expect("valid") == other.id().expect("valid"));
    }

    #[test]
    fn a_grid_agrees_with_the_list_of_its_steps(grid in common::grid()) {
        let lengths: Vec<u32> = grid.lengths_s().collect();
        prop_assert_eq!(lengths.len(), grid.len());
        let mut time = grid.start();
        for (step, &length) in lengths.iter().enumerate() {
            prop_assert_eq!(grid.length_s(step), length);
            prop_assert_eq!(grid.step_start(step), time);
            prop_assert_eq!(grid.step_at(time), Some(step));
            time.0 += i64::from(length);
            prop_assert_eq!(grid.step_at(UtcSeconds(time.0 - 1)), Some(step));
            prop_assert_eq!(grid.step_end(step), time);
        }
        prop_assert_eq!(grid.end(), time);
        prop_assert_eq!(grid.step_at(time), None);
        prop_assert_eq!(TimeGrid::from_lengths(grid.start(), &lengths), Ok(grid));
    }
}
