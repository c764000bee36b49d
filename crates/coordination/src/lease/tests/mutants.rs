//! Each rule, left out, is missed by the properties.

use std::sync::Arc;

use super::super::rules::Rule;
use super::history::{Trouble, run};
use super::world::World;

#[test]
fn every_rule_that_is_left_out_is_missed() {
    let world = Arc::new(World::new());
    let rules = [
        Rule::Holder,
        Rule::Floor,
        Rule::PastOnly,
        Rule::Encumbered,
        Rule::ClaimOnce,
        Rule::ClaimBehind,
        Rule::FenceEarlier,
        Rule::CommitHeld,
        Rule::ForkPaid,
        Rule::Cap,
        Rule::ReceiptKnowsNoFork,
        Rule::RevokedFrozen,
        Rule::Fence,
        Rule::Tolerance,
        Rule::Consent,
        Rule::ConsentBinds,
        Rule::Derate,
    ];
    let mut missed = Vec::new();
    for rule in rules {
        let trouble = Trouble {
            fork: matches!(rule, Rule::ForkPaid | Rule::Cap | Rule::ReceiptKnowsNoFork),
            revoke: rule == Rule::RevokedFrozen,
        };
        let caught =
            (0..3000).find_map(|seed| Some((seed, run(&world, seed, trouble, Some(rule)).err()?)));
        match caught {
            Some((seed, why)) => println!("{rule:?}: seed {seed}, {why}"),
            None => missed.push(rule),
        }
    }
    assert!(missed.is_empty(), "not caught in 3000 seeds: {missed:?}");
}
