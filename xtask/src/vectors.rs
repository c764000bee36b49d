//! Golden vectors: the JSON is written by hand and put in its normal form here;
//! the CBOR and the message ids follow from it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use cosmosmesh_mission as mission;
use mission::{Canonical, Envelope, from_json, to_json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Generated;

const FOLDER: &str = "vectors/v1";

/// All vectors. The file name up to the first `-` says the type.
pub(crate) fn generate(root: &Path) -> Result<Vec<Generated>, String> {
    let folder = fs::read_dir(root.join(FOLDER)).map_err(|error| format!("{FOLDER}: {error}"))?;
    let mut stems = Vec::new();
    for entry in folder {
        let entry = entry.map_err(|error| format!("{FOLDER}: {error}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".json")
            && stem != "refused"
        {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();
    let mut files = Vec::new();
    for stem in stems {
        let kind = stem.split_once('-').map_or(&*stem, |(kind, _)| kind);
        let vector = match kind {
            "audit_log" => vector::<mission::AuditLog>,
            "dual_variables" => vector::<mission::DualVariables>,
            "envelope" => envelope,
            "local_problem" => vector::<mission::LocalProblem>,
            "plan_delta" => vector::<mission::PlanDelta>,
            "policy_block" => vector::<mission::PolicyBlock>,
            "privacy_budget" => vector::<mission::PrivacyBudget>,
            "registry_entry" => vector::<mission::RegistryEntry>,
            "shared_variables" => vector::<mission::SharedVariables>,
            _ => return Err(format!("{FOLDER}/{stem}.json: no type {kind:?}")),
        };
        files.extend(vector(root, &stem)?);
    }
    Ok(files)
}

fn vector<T>(root: &Path, stem: &str) -> Result<Vec<Generated>, String>
where
    T: Canonical + DeserializeOwned + Serialize,
{
    let value: T = read(root, stem)?;
    let text = to_json(&value).map_err(|error| format!("{stem}: {error}"))?;
    let bytes = value
        .to_cbor()
        .map_err(|error| format!("{stem}: {error}"))?;
    Ok(vec![
        generated(stem, "json", text),
        generated(stem, "cbor", hex(&bytes)),
    ])
}

fn envelope(root: &Path, stem: &str) -> Result<Vec<Generated>, String> {
    let mut files = vector::<Envelope>(root, stem)?;
    let value: Envelope = read(root, stem)?;
    let id = value.id().map_err(|error| format!("{stem}: {error}"))?;
    files.push(generated(stem, "id", format!("{id}\n")));
    Ok(files)
}

fn read<T: Canonical + DeserializeOwned>(root: &Path, stem: &str) -> Result<T, String> {
    let path = format!("{FOLDER}/{stem}.json");
    let text = fs::read_to_string(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
    from_json(&text).map_err(|error| format!("{path}: {error}"))
}

fn generated(stem: &str, extension: &str, text: String) -> Generated {
    Generated {
        path: PathBuf::from(format!("{FOLDER}/{stem}.{extension}")),
        text,
    }
}

/// Lowercase hexadecimal, 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + bytes.len() / 32 + 1);
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a string takes every character");
        }
        text.push('\n');
    }
    text
}
