//! `cosmosmesh plan show`.

use std::fmt::Write as _;
use std::process::ExitCode;

use cosmosmesh_mission::CouplingId;
use serde_json::{Value, json};

use super::{Opened, Place, amount};
use crate::log::Failure;

pub(super) fn run(a: &Place) -> Result<ExitCode, Failure> {
    let opened = a.read()?;
    let terms = opened.leases.terms().clone();
    let shown = terms.couplings().map(|c| &c.id).filter(|id| a.shows(id));
    if a.json {
        let couplings: Vec<Value> = shown.map(|id| describe(&opened, id)).collect();
        let report = json!({
            "plan": opened.standing(),
            "certified_relative_gap": opened.state.progress.plan().and_then(|p| p.gap),
            "couplings": couplings,
        });
        crate::print(&format!("{report}\n"));
    } else {
        let mut text = format!("the plan is {}\n", words(opened.standing()));
        for id in shown {
            table(&mut text, &opened, id);
        }
        crate::print(&text);
    }
    Ok(ExitCode::SUCCESS)
}

fn words(standing: &str) -> &'static str {
    match standing {
        "final" => "final: a quorum of closers has certified that all signed it off",
        "provisional" => "provisional: some members have signed allotments, nobody certified them",
        _ => "not there: nobody has signed allotments; the leases stand",
    }
}

fn describe(opened: &Opened, id: &CouplingId) -> Value {
    let targets = opened.targets.get(id);
    let members: Vec<Value> = opened
        .held(id)
        .iter()
        .map(|(member, (held, committed))| {
            json!({
                "member": member,
                "allotted_quanta": targets.and_then(|t| t.get(member)),
                "held_quanta": held,
                "committed_quanta": committed,
            })
        })
        .collect();
    json!({ "coupling": id, "quantum": opened.quantum(id), "members": members })
}

/// By step and member what it is allotted, and behind it what it holds or, as a supplier,
/// is committed to.
fn table(text: &mut String, opened: &Opened, id: &CouplingId) {
    let Some(quantum) = opened.quantum(id) else {
        return;
    };
    let held = opened.held(id);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n{id}: allotted (held, or supplied -)\n{:>5}",
        "step"
    );
    for member in held.keys() {
        let _ = write!(text, "  {:>26}", member.as_str());
    }
    text.push('\n');
    let targets = opened.targets.get(id);
    for step in 0..opened.leases.terms().steps() {
        let _ = write!(text, "{step:>5}");
        for (member, (held, committed)) in &held {
            let target = targets.and_then(|t| t.get(member)?.get(step).copied());
            let allotted = target.map_or_else(|| "-".to_owned(), |v| amount(v, quantum));
            let net = held.get(step).copied().unwrap_or(0);
            let given = committed.get(step).copied().unwrap_or(0);
            let cell = format!("{allotted} ({})", amount(net - given, quantum));
            let _ = write!(text, "  {cell:>26}");
        }
        text.push('\n');
    }
}
