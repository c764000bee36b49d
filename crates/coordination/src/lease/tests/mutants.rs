//! Each rule, left out, is missed by the properties.

use std::sync::Arc;

use super::super::rules::Rule;
use super::cases::{CASES, outcome};
use super::history::{Trouble, run};
use super::world::World;

/// How many histories a mutant may survive.
const SEEDS: u64 = 300;

#[test]
fn every_rule_that_is_left_out_is_missed() {
    let world = Arc::new(World::new());
    let mut missed = Vec::new();
    for (rule, case) in CASES {
        match outcome(&world, case, Some(rule)) {
            Err(why) => println!("{rule:?}: its case, {why}"),
            Ok(()) => missed.push(rule),
        }
    }
    for rule in [
        Rule::Holder,
        Rule::Floor,
        Rule::PastOnly,
        Rule::CommitHeld,
        Rule::ForkPaid,
        Rule::RevokedFrozen,
        Rule::Fence,
        Rule::Tolerance,
        Rule::Derate,
    ] {
        let trouble = Trouble {
            fork: rule == Rule::ForkPaid,
            revoke: rule == Rule::RevokedFrozen,
        };
        let seeds = 0..SEEDS;
        let caught = seeds.map(|seed| (seed, run(&world, seed, trouble, Some(rule))));
        let mut caught = caught.filter_map(|(seed, outcome)| Some((seed, outcome.err()?)));
        match caught.next() {
            Some((seed, why)) => println!("{rule:?}: seed {seed}, {why}"),
            None => missed.push(rule),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
