//! The shared sample plans, which are not part of the project.

use std::path::PathBuf;

/// `(file name, content)` of every sample; empty, with a note, if they are absent.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let dir = std::env::var_os("COSMOSMESH_SHARED_DATA")
        .map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
            PathBuf::from,
        )
        .join("contact-plans");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!(
            "skipped: no sample plans at {} (set COSMOSMESH_SHARED_DATA)",
            dir.display()
        );
        return Vec::new();
    };
    let mut samples: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    samples.sort();
    samples
}
