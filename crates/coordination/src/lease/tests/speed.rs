//! The fold takes many entries in well under a second.

use std::sync::Arc;

use cosmosmesh_log::Log;

use super::super::Leases;
use super::world::{World, id, transfer};

#[test]
fn a_long_history_is_folded_in_one_go() {
    let world = Arc::new(World::new());
    let (mut log, mut entries) = (Log::new(world.terms.clone()), Vec::new());
    let names = ["a", "b", "c", "d"];
    let mut last = None;
    for at in 0..20_000_usize {
        let who = at % 4;
        let before = entries.len().checked_sub(4).map(|at: usize| &entries[at]);
        let delta = transfer("link", None, names[(who + 1) % 4], 0, &[1; 4]);
        let said = world.body(who, delta);
        let entry = world.entry(who, before, 0, last.into_iter().collect(), said);
        last = Some(entry.id());
        let verified = world.terms.trust(entry.clone()).expect("of the contract");
        log.insert(verified).expect("good");
        entries.push(entry);
    }
    let mut leases = Leases::new(world.leases.clone(), id("contract"), &world.terms);
    leases.take(&log);
    assert!(leases.faults().is_empty());
    // One round trip of every quantum leaves all as it was.
    let view = leases.view(&log);
    let held = view
        .lease(&id("link"), None, &id("b"))
        .expect("a lease")
        .held;
    assert_eq!(held, [4; 4]);
}
