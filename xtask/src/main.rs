//! Generates what is checked in and proves it current.
//!
//! ```text
//! cargo run -p xtask              write everything
//! cargo run -p xtask -- schemas   write one kind
//! cargo run -p xtask -- --check   fail if anything is not current
//! ```

mod schemas;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// A file that is checked in and generated.
struct Generated {
    /// Its path from the root of the repository.
    path: PathBuf,
    /// What it must hold.
    text: String,
}

/// What one kind of generated files holds now.
type Generator = fn(&Path) -> Result<Vec<Generated>, String>;

/// The kinds of generated files.
const GENERATORS: &[(&str, Generator)] = &[
    ("schemas", |_| Ok(schemas::generate())),
    ("vectors", vectors::generate),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("the root of the repository is missing")?;
    let mut check = false;
    let mut kinds = Vec::new();
    for argument in env::args().skip(1) {
        if argument == "--check" {
            check = true;
        } else if GENERATORS.iter().any(|(kind, _)| *kind == argument) {
            kinds.push(argument);
        } else {
            let known: Vec<_> = GENERATORS.iter().map(|(kind, _)| *kind).collect();
            return Err(format!(
                "unknown argument {argument:?}; known: {} --check",
                known.join(" ")
            ));
        }
    }
    let mut stale = Vec::new();
    for (kind, generate) in GENERATORS {
        if !kinds.is_empty() && !kinds.iter().any(|wanted| wanted == kind) {
            continue;
        }
        for file in generate(root)? {
            let path = root.join(&file.path);
            if fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
                continue;
            }
            let shown = file.path.display();
            if check {
                stale.push(shown.to_string());
            } else {
                fs::write(&path, file.text).map_err(|error| format!("{shown}: {error}"))?;
                println!("wrote {shown}");
            }
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "not current: {}; run `cargo run -p xtask`",
            stale.join(", ")
        ))
    }
}
