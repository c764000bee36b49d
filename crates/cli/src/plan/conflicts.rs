//! `cosmosmesh plan conflicts`.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Place;
use crate::log::Failure;

pub(super) fn run(a: &Place) -> Result<ExitCode, Failure> {
    let opened = a.read()?;
    let view = opened.leases.view(opened.ledger.log());
    let conflicts = view.conflicts();
    let shown: Vec<_> = conflicts.iter().filter(|c| a.shows(&c.coupling)).collect();
    if a.json {
        let conflicts: Vec<Value> = shown
            .iter()
            .map(|c| {
                let requests = c
                    .requests
                    .iter()
                    .map(|r| json!({ "member": r.member, "entry": r.entry, "served": r.served }));
                json!({
                    "coupling": c.coupling,
                    "step": c.step,
                    "holder": c.holder,
                    "winner": c.winner(),
                    "requests": requests.collect::<Vec<Value>>(),
                })
            })
            .collect();
        crate::print(&format!("{}\n", json!({ "conflicts": conflicts })));
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    if shown.is_empty() {
        text.push_str("no requests collide\n");
    }
    for c in shown {
        let holder = c.holder.as_ref().map_or("nobody", |m| m.as_str());
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} step {}: {holder} holds it, {} should have it",
            c.coupling,
            c.step,
            c.winner()
        );
        for request in &c.requests {
            let served = if request.served { ", served" } else { "" };
            let _ = writeln!(
                text,
                "    {} asks in {}{served}",
                request.member, request.entry
            );
        }
    }
    crate::print(&text);
    Ok(ExitCode::SUCCESS)
}
