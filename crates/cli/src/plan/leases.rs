//! `cosmosmesh plan leases`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh::coordination::lease::{Holding, View};
use cosmosmesh_log::EntryIx;
use serde_json::{Value, json};

use super::{Opened, Place, amount};
use crate::log::Failure;

#[derive(Debug, Args)]
pub(super) struct LeasesArgs {
    #[command(flatten)]
    place: Place,
    /// Name the entries that made each lease what it is.
    #[arg(long)]
    why: bool,
}

pub(super) fn run(a: &LeasesArgs) -> Result<ExitCode, Failure> {
    let opened = a.place.read()?;
    let log = opened.ledger.log();
    let view = opened.leases.view(log);
    let last = opened.state.opened.last();
    let since = last.and_then(|opening| log.find(&opening.proposal));
    let all = view.holdings();
    let shown = all.iter().filter(|h| a.place.shows(&h.coupling));
    let faults: Vec<String> = view
        .faults()
        .iter()
        .map(|f| {
            format!(
                "entry {} of {} gives no right: {}",
                f.entry, f.author, f.reason
            )
        })
        .collect();
    if a.place.json {
        let holdings: Vec<Value> = shown
            .map(|h| describe(&opened, &view, h, since, a.why))
            .collect();
        let report = json!({
            "excess_quanta": view.excess(),
            "holdings": holdings,
            "refused": faults,
        });
        crate::print(&format!("{report}\n"));
    } else {
        let mut text = format!(
            "sums over all steps, in the coupling's unit times steps\n\
             {:<18} {:<16} {:<16} {:>12} {:>12} {:>12} {:>12}  firm\n",
            "coupling", "source", "member", "held", "usable", "promised", "missing"
        );
        for holding in shown {
            line(&mut text, &opened, &view, holding, since, a.why);
        }
        for fault in &faults {
            let _ = writeln!(text, "{fault}");
        }
        crate::print(&text);
    }
    Ok(if view.excess() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn is_firm(view: &View<'_>, holding: &Holding, since: Option<EntryIx>) -> bool {
    since.is_none_or(|since| view.is_firm(holding.source.as_ref(), since))
}

fn describe(
    opened: &Opened,
    view: &View<'_>,
    h: &Holding,
    since: Option<EntryIx>,
    why: bool,
) -> Value {
    let mut value = json!({
        "coupling": h.coupling,
        "source": h.source,
        "member": h.member,
        "quantum": opened.quantum(&h.coupling),
        "held_quanta": h.lease.held,
        "effective_quanta": h.lease.effective(),
        "usable_quanta": h.usable,
        "encumbered_quanta": h.lease.encumbered,
        "curtailed_quanta": h.lease.curtailed,
        "cut_quanta": h.lease.cut,
        "firm": is_firm(view, h, since),
    });
    if let Some(object) = value.as_object_mut().filter(|_| why) {
        let why = view.why(&h.coupling, h.source.as_ref(), &h.member);
        object.insert("why".to_owned(), json!(why));
    }
    value
}

fn line(
    text: &mut String,
    opened: &Opened,
    view: &View<'_>,
    h: &Holding,
    since: Option<EntryIx>,
    why: bool,
) {
    let Some(quantum) = opened.quantum(&h.coupling) else {
        return;
    };
    let sum = |quanta: &[i64]| amount(quanta.iter().sum(), quantum);
    let cuts = h.lease.cut.iter().zip(&h.lease.curtailed);
    let missing: Vec<i64> = cuts.map(|(a, b)| a + b).collect();
    let _ = writeln!(
        text,
        "{:<18} {:<16} {:<16} {:>12} {:>12} {:>12} {:>12}  {}",
        h.coupling.as_str(),
        h.source.as_ref().map_or("capacity", |s| s.as_str()),
        h.member.as_str(),
        sum(&h.lease.effective()),
        sum(&h.usable),
        sum(&h.lease.encumbered),
        sum(&missing),
        if is_firm(view, h, since) { "yes" } else { "no" },
    );
    if why {
        for id in view.why(&h.coupling, h.source.as_ref(), &h.member) {
            let _ = writeln!(text, "    {id}");
        }
    }
}
