//! The golden vectors: what was written once is read for ever.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cosmosmesh_mission::{
    AuditLog, Canonical, DecodeError, DualVariables, Envelope, LocalProblem, PlanDelta,
    PolicyBlock, PrivacyBudget, RegistryEntry, SharedVariables, from_json, to_json,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const TYPES: [&str; 9] = [
    "audit_log",
    "dual_variables",
    "envelope",
    "local_problem",
    "plan_delta",
    "policy_block",
    "privacy_budget",
    "registry_entry",
    "shared_variables",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/v1")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| digit.to_digit(16).expect("hexadecimal") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4) | pair[1])
        .collect()
}

fn agree<T>(stem: &str) -> T
where
    T: Canonical + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let read = |extension| {
        let path = folder().join(format!("{stem}.{extension}"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (text, encoded) = (read("json"), bytes(&read("cbor")));
    let value: T = from_json(&text).unwrap_or_else(|error| panic!("{stem}: {error}"));
    assert_eq!(T::from_cbor(&encoded).as_ref(), Ok(&value), "{stem}");
    assert_eq!(value.to_cbor().as_ref(), Ok(&encoded), "{stem}");
    assert_eq!(to_json(&value).expect("valid"), text, "{stem}");
    value
}

#[test]
fn golden_vectors_are_read_and_written() {
    let mut met = BTreeSet::new();
    for entry in fs::read_dir(folder()).expect("the folder of vectors") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let Some(stem) = name.strip_suffix(".json") else {
            continue;
        };
        let kind = stem.split_once('-').map_or(stem, |(kind, _)| kind);
        match kind {
            "audit_log" => drop(agree::<AuditLog>(stem)),
            "dual_variables" => drop(agree::<DualVariables>(stem)),
            "envelope" => {
                let envelope = agree::<Envelope>(stem);
                let id = fs::read_to_string(folder().join(format!("{stem}.id"))).expect("an id");
                assert_eq!(
                    envelope.id().expect("valid").to_string(),
                    id.trim(),
                    "{stem}"
                );
            }
            "local_problem" => drop(agree::<LocalProblem>(stem)),
            "plan_delta" => drop(agree::<PlanDelta>(stem)),
            "policy_block" => drop(agree::<PolicyBlock>(stem)),
            "privacy_budget" => drop(agree::<PrivacyBudget>(stem)),
            "registry_entry" => drop(agree::<RegistryEntry>(stem)),
            "shared_variables" => drop(agree::<SharedVariables>(stem)),
            "refused" => continue,
            other => panic!("{name}: no type {other:?}"),
        }
        met.insert(kind.to_owned());
    }
    assert_eq!(
        met,
        TYPES.map(str::to_owned).into(),
        "every type has a vector"
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    r#type: String,
    hex: String,
    offset: usize,
    reason: String,
}

fn refusal<T: Canonical + Debug>(bytes: &[u8]) -> DecodeError {
    T::from_cbor(bytes).expect_err("must be refused")
}

#[test]
fn refused_vectors_are_refused_where_and_why_they_say() {
    let text = fs::read_to_string(folder().join("refused.json")).expect("the list");
    let list: Vec<Refused> = serde_json::from_str(&text).expect("the list");
    for case in list {
        let bytes = bytes(&case.hex);
        let error = match &*case.r#type {
            "dual_variables" => refusal::<DualVariables>(&bytes),
            "envelope" => refusal::<Envelope>(&bytes),
            "local_problem" => refusal::<LocalProblem>(&bytes),
            "policy_block" => refusal::<PolicyBlock>(&bytes),
            "registry_entry" => refusal::<RegistryEntry>(&bytes),
            "shared_variables" => refusal::<SharedVariables>(&bytes),
            other => panic!("{}: no type {other:?}", case.name),
        };
        let expected = format!("byte {}: {}", case.offset, case.reason);
        assert_eq!(error.to_string(), expected, "{}", case.name);
    }
}
