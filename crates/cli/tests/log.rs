//! `cosmosmesh log` from end to end, on folders made here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::store::{Access, RealDisk, SegmentStore, Store as _};
use cosmosmesh_log::{Draft, Entry, Kind, Log, Terms};
use cosmosmesh_mission::{AuthorId, BootEpoch, ContractHash, Seq, UtcSeconds};

const CONTRACT: ContractHash = ContractHash([4; 32]);

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("log")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn say(author: &str, seq: u64, after: Option<&Entry>, body: u8) -> Entry {
    let draft = Draft {
        author: author.parse().expect("a name"),
        boot_epoch: BootEpoch(0),
        seq: Seq(seq),
        backlink: after.map(Entry::id),
        deps: Vec::new(),
        time: UtcSeconds(1_800_000_000),
        contract_hash: CONTRACT,
        kind: Kind(1000),
        body: vec![body; 300],
    };
    draft.sign(&key(author)).expect("an entry")
}

fn key(author: &str) -> SecretKey {
    SecretKey::from_seed([author.as_bytes()[0]; 32])
}

fn terms() -> Arc<Terms> {
    let keys: BTreeMap<AuthorId, _> = ["habitat", "rover"]
        .map(|name| (name.parse().expect("a name"), key(name).public()))
        .into();
    let none = BTreeSet::new();
    Arc::new(Terms::new(CONTRACT, keys, &none, &none, 0).expect("terms"))
}

fn fill(dir: &Path, entries: &[Entry]) {
    std::fs::write(dir.join("terms.json"), terms().to_json()).expect("written");
    let disk = RealDisk::create(dir).expect("a folder");
    let mut store = SegmentStore::open(disk, CONTRACT, Access::Write).expect("opened");
    for entry in entries {
        store.append(entry).expect("added");
        store.commit().expect("durable");
    }
}

fn history() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for seq in 0..10 {
        let entry = say("rover", seq, entries.last(), 1);
        entries.push(entry);
    }
    entries
}

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_cosmosmesh");
    Command::new(program)
        .arg("log")
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(dir: &Path) -> String {
    dir.to_str().expect("Unicode").to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn shown_verified_and_carried_across() {
    let (here, there) = (folder("here"), folder("there"));
    let entries = history();
    fill(&here, &entries);
    fill(&there, &entries[..4]);
    let shown = run(&["show", &text(&here)]);
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    assert_eq!(said(&shown).lines().count(), 10);
    let id = entries[3].id().to_string();
    let one = run(&["show", &text(&here), "--id", &id[..12], "--json"]);
    assert!(said(&one).contains(&id), "{}", said(&one));
    let none = run(&["show", &text(&here), "--id", "zzz"]);
    assert_eq!(none.status.code(), Some(2));
    let verified = run(&["verify", &text(&here)]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert!(
        said(&verified).contains("10 entries"),
        "{}",
        said(&verified)
    );
    let file = folder("carried").join("log.bundle");
    let exported = run(&["export", &text(&here), &text(&file)]);
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    assert_eq!(
        run(&["export", &text(&here), &text(&file)]).status.code(),
        Some(2)
    );
    for (new, known) in [(6, 4), (0, 10)] {
        let imported = run(&["import", &text(&there), &text(&file), "--json"]);
        assert_eq!(imported.status.code(), Some(0), "{}", said(&imported));
        assert!(
            said(&imported).contains(&format!("\"new\":{new},")),
            "{}",
            said(&imported)
        );
        assert!(
            said(&imported).contains(&format!("\"known\":{known},")),
            "{}",
            said(&imported)
        );
    }
    let digest = |dir: &Path| {
        let text = said(&run(&["verify", &text(dir)]));
        text.lines().nth(1).expect("a digest").to_owned()
    };
    assert_eq!(digest(&here), digest(&there));
    let mut bytes = std::fs::read(&file).expect("read");
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&file, bytes).expect("written");
    let cut = run(&["import", &text(&there), &text(&file)]);
    assert_eq!(cut.status.code(), Some(2));
    assert!(said(&cut).contains("damaged from byte"), "{}", said(&cut));
}

#[test]
fn a_fork_is_named_and_costs_an_exit_code() {
    let dir = folder("forked");
    let mut entries = history();
    entries.push(say("rover", 5, Some(&entries[4]), 2));
    fill(&dir, &entries);
    let verified = run(&["verify", &text(&dir), "--json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
    assert!(
        said(&verified).contains("\"counted\":5"),
        "{}",
        said(&verified)
    );
    assert!(said(&run(&["verify", &text(&dir)])).contains("rover forked"));
}

#[test]
fn damage_is_named_and_repaired() {
    let dir = folder("damaged");
    fill(&dir, &history());
    let segment = dir.join("00000000.seg");
    let mut bytes = std::fs::read(&segment).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let broken = run(&["verify", &text(&dir)]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        said(&broken).contains("damaged from byte"),
        "{}",
        said(&broken)
    );
    assert_eq!(
        std::fs::read(&segment).expect("read"),
        bytes,
        "nothing was changed"
    );
    let repaired = run(&["repair", &text(&dir)]);
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    let verified = run(&["verify", &text(&dir)]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert_eq!(
        std::fs::read(dir.join("00000000.seg.damaged0")).expect("kept"),
        bytes
    );
    assert!(said(&run(&["repair", &text(&dir)])).contains("nothing to repair"));
    // No log, no folder, no terms.
    assert_eq!(run(&["verify", "/nowhere/at/all"]).status.code(), Some(2));
    std::fs::remove_file(dir.join("terms.json")).expect("removed");
    let bare = run(&["show", &text(&dir)]);
    assert!(said(&bare).contains("needs its terms"), "{}", said(&bare));
}

#[test]
fn a_sealed_log_is_pruned_and_still_shown_verified_and_carried() {
    let dir = folder("sealed");
    let closers: BTreeSet<AuthorId> = BTreeSet::from(["habitat".parse().expect("a name")]);
    let keys: BTreeMap<AuthorId, _> = ["habitat", "rover"]
        .map(|name| (name.parse().expect("a name"), key(name).public()))
        .into();
    let terms = Terms::new(CONTRACT, keys, &BTreeSet::new(), &closers, 1).expect("terms");
    let terms = Arc::new(terms);
    let mut entries = history();
    let mut log = Log::new(terms.clone());
    for entry in &entries {
        log.insert(terms.verify(entry.clone()).expect("signed"))
            .expect("valid");
    }
    fill(&dir, &entries);
    std::fs::write(dir.join("terms.json"), terms.to_json()).expect("written");
    let early = run(&["prune", &text(&dir)]);
    assert_eq!(early.status.code(), Some(2));
    assert!(
        said(&early).contains("nothing was pruned"),
        "{}",
        said(&early)
    );
    let head = log.find(&entries[9].id()).expect("attached");
    let checkpoint = log.checkpoint(&[head], [0; 32]).expect("a checkpoint");
    let mut vote = Draft {
        author: "habitat".parse().expect("a name"),
        boot_epoch: BootEpoch(0),
        seq: Seq(0),
        backlink: None,
        deps: Vec::new(),
        time: UtcSeconds(1_800_000_000),
        contract_hash: CONTRACT,
        kind: Kind(0),
        body: Vec::new(),
    };
    checkpoint.say(&mut vote).expect("said");
    entries.push(vote.sign(&key("habitat")).expect("signed"));
    std::fs::remove_dir_all(&dir).expect("removed");
    std::fs::create_dir_all(&dir).expect("made");
    fill(&dir, &entries);
    std::fs::write(dir.join("terms.json"), terms.to_json()).expect("written");
    let digest = || {
        let text = said(&run(&["verify", &text(&dir)]));
        text.lines().nth(1).expect("a digest").to_owned()
    };
    let before = digest();
    let size = || {
        std::fs::metadata(dir.join("00000000.seg"))
            .expect("there")
            .len()
    };
    let was = size();
    let pruned = run(&["prune", &text(&dir), "--json"]);
    assert_eq!(pruned.status.code(), Some(0), "{}", said(&pruned));
    assert!(
        said(&pruned).contains("\"pruned_now\":9"),
        "{}",
        said(&pruned)
    );
    assert!(size() + 9 * 300 < was, "{} of {was}", size());
    assert_eq!(digest(), before);
    let verified = run(&["verify", &text(&dir)]);
    assert!(
        said(&verified).contains("of 9 of them the header alone"),
        "{}",
        said(&verified)
    );
    let shown = said(&run(&["show", &text(&dir)]));
    assert_eq!(shown.matches("pruned").count(), 9, "{shown}");
    let again = run(&["prune", &text(&dir)]);
    assert!(said(&again).contains(": 0 freed"), "{}", said(&again));
    let replayed = run(&["replay", &text(&dir)]);
    assert_eq!(replayed.status.code(), Some(2));
    assert!(
        said(&replayed).contains("they were pruned"),
        "{}",
        said(&replayed)
    );
    // A newcomer begins from what was carried to it.
    let (there, file) = (folder("newcomer"), folder("pruned").join("log.bundle"));
    std::fs::write(there.join("terms.json"), terms.to_json()).expect("written");
    let exported = run(&["export", &text(&dir), &text(&file)]);
    assert!(
        said(&exported).contains("of 9 of them"),
        "{}",
        said(&exported)
    );
    let imported = run(&["import", &text(&there), &text(&file), "--json"]);
    assert!(
        said(&imported).contains("\"new\":11"),
        "{}",
        said(&imported)
    );
    let verified = said(&run(&["verify", &text(&there)]));
    assert!(verified.contains(&before), "{verified}");
}
