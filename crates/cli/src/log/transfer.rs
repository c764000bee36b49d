//! `cosmosmesh log export` and `import`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cosmosmesh_log::store::{self, Access, MemoryStore, Store as _};
use cosmosmesh_log::{Log, Stored};

use super::{Failure, load, open, terms};

/// Write all entries to one file, to be carried across.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder.
    dir: PathBuf,
    /// The file; it must not be there.
    file: PathBuf,
}

/// Take in the entries of a file that `export` wrote.
///
/// Every signature is checked; of pruned entries, that they are in the past of a
/// checkpoint that a quorum sealed. Entries whose parents are in neither stay out, and
/// are counted.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The folder, with `terms.json`; a log is begun if it holds none.
    dir: PathBuf,
    /// The file.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn export(a: &ExportArgs) -> Result<ExitCode, Failure> {
    let (log, store) = load(&a.dir, false)?;
    let mut stored = Vec::new();
    let collect = &mut |one| {
        stored.push(one);
        Ok(())
    };
    store
        .replay(collect)
        .map_err(|error| Failure::at(&a.dir, error))?;
    let bytes = store::write_bundle(log.terms().contract_hash(), &stored);
    let bytes = bytes.map_err(|error| Failure::at(&a.file, error))?;
    create(&a.file, &bytes)?;
    let pruned = match log.pruned() {
        0 => String::new(),
        pruned => format!(", of {pruned} of them the header alone"),
    };
    crate::print(&format!(
        "{} entries{pruned}, {} bytes\n",
        stored.len(),
        bytes.len()
    ));
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Failure::at(path, error))
}

pub(crate) fn import(a: &ImportArgs) -> Result<ExitCode, Failure> {
    let at_dir = |error| Failure::at(&a.dir, error);
    let at_file = |error: String| Failure::at(&a.file, error);
    let terms = terms(&a.dir)?;
    let bytes = std::fs::read(&a.file).map_err(|error| at_file(error.to_string()))?;
    let name = a.file.display().to_string();
    let bundle = store::read_bundle(&name, &bytes).map_err(|error| Failure(error.to_string()))?;
    let (contract, entries) = bundle;
    if contract != terms.contract_hash() {
        let expected = terms.contract_hash();
        return Err(at_file(format!(
            "of contract {contract}, the log is of {expected}"
        )));
    }
    let brought = entries.len();
    let pruned = entries.iter().any(|one| matches!(one, Stored::Stub(_)));
    let mut store = open(&a.dir, &terms, Access::Write)?;
    let mut log = Log::new(terms.clone());
    log.load(&store, true).map_err(at_dir)?;
    let before = log.len();
    let mut refused = 0;
    let mut attached = Vec::new();
    // All of it is checked before anything is written.
    let nothing = |why: &dyn std::fmt::Display| at_file(format!("{why}; nothing was imported"));
    if pruned {
        // Headers are believed together with the votes that seal them: as one log.
        let mut brought = Log::new(terms);
        let together: MemoryStore = entries.into_iter().collect();
        let taken = brought.load(&together, false);
        taken.map_err(|error| nothing(&error))?;
        attached = log.absorb(&brought).attached;
    } else {
        let verified = entries.into_iter().filter_map(Stored::whole).map(|entry| {
            let id = entry.id();
            let checked = terms.verify(entry);
            checked.map_err(|refused| nothing(&format!("entry {id}: {refused}")))
        });
        for entry in verified.collect::<Result<Vec<_>, _>>()? {
            match log.insert(entry) {
                Ok(taken) => {
                    refused += taken.refused.len();
                    attached.extend(taken.attached);
                }
                Err(_) => refused += 1,
            }
        }
    }
    log.save(attached, &mut store).map_err(at_dir)?;
    let entries = store.commit().map_err(at_dir)?;
    let (new, waiting) = (log.len() - before, log.pending().0);
    if a.json {
        let report = serde_json::json!({
            "brought": brought,
            "new": new,
            "known": brought - new - waiting - refused,
            "without_parents": waiting,
            "refused": refused,
            "entries": entries,
        });
        crate::print(&format!("{report}\n"));
    } else {
        crate::print(&format!(
            "{new} of {brought} entries were new; {waiting} lack a parent, {refused} break a rule\n\
             the log has {entries} entries\n"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
