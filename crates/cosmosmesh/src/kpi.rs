//! Key figures and plans as files: JSON for programs, CSV for spreadsheets.
//!
//! Nothing here writes to a disk: [`files`] gives names and texts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cosmosmesh_planning::model::Measure;
use cosmosmesh_planning::schedule::Kpis;
use serde_json::{Map, Value, json};

use crate::report::{self, Alone, AssetReport, ReportData};

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutFile {
    /// Its path under the directory of the run, with `/` between parts. Parts
    /// hold only ASCII letters, digits, `-`, `_` and `.`, and none begins with
    /// a dot.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// All files of a run: `report.html`, `kpis.json`, `kpis.csv`, `rounds.csv`,
/// `contacts.csv`, `plan/<asset>.csv` and `plan/couplings.csv`.
pub fn files(data: &ReportData) -> Vec<OutFile> {
    let mut files = Vec::new();
    let mut add = |path: String, text: String| files.push(OutFile { path, text });
    add("report.html".to_owned(), report::render(data));
    add("kpis.json".to_owned(), kpis_json(data));
    add("kpis.csv".to_owned(), kpis_csv(data));
    add("rounds.csv".to_owned(), rounds_csv(data));
    add("contacts.csv".to_owned(), contacts_csv(data));
    add("plan/couplings.csv".to_owned(), couplings_csv(data));
    let mut taken = BTreeSet::from(["couplings".to_owned()]);
    for asset in &data.assets {
        let name = file_name(&asset.name, &mut taken);
        add(format!("plan/{name}.csv"), asset_csv(data, asset));
    }
    files
}

/// A name that is safe as a file's on every system and is not taken yet, also
/// where upper and lower case are the same.
fn file_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    let stem: String = name.chars().take(80).map(safe).collect();
    let stem = if stem.is_empty() {
        "asset".to_owned()
    } else {
        stem
    };
    let mut candidate = stem.clone();
    let mut n = 1;
    while !taken.insert(candidate.to_ascii_lowercase()) {
        n += 1;
        candidate = format!("{stem}-{n}");
    }
    candidate
}

/// Key figures as quantity, value and unit, in a fixed order; no value where
/// there is none. `value_unit` is what costs are counted in.
pub fn figures(kpis: &Kpis, value_unit: &str) -> Vec<(&'static str, Option<f64>, String)> {
    let k = kpis;
    [
        ("cost", Some(k.cost_value), value_unit),
        ("served_energy", Some(k.served_kwh), "kWh"),
        ("unserved_energy", Some(k.unserved_kwh), "kWh"),
        ("driving_energy", Some(k.driving_kwh), "kWh"),
        ("science_energy", Some(k.science_kwh), "kWh"),
        ("generated_energy", Some(k.generated_kwh), "kWh"),
        ("curtailed_energy", Some(k.curtailed_kwh), "kWh"),
        ("battery_loss", Some(k.battery_loss_kwh), "kWh"),
        ("burnt_energy", Some(k.burnt_kwh), "kWh"),
        ("net_import", Some(k.net_import_kwh), "kWh"),
        ("least_charge", k.least_charge, "1"),
        ("oxygen_sold", Some(k.oxygen_kg), "kg"),
        ("returned_data", Some(k.returned_gbit), "Gbit"),
        ("lost_data", Some(k.lost_gbit), "Gbit"),
        ("relay_time", Some(k.relay_min), "min"),
        ("antenna_time", Some(k.antenna_min), "min"),
    ]
    .map(|(quantity, value, unit)| (quantity, value, unit.to_owned()))
    .into()
}

/// Figures of the run as quantity, value and unit.
fn run_figures(data: &ReportData) -> Vec<(&'static str, Option<f64>, String)> {
    let s = &data.summary;
    let unit = data.scenario.value_unit.as_str();
    [
        ("members", Some(f64::from(s.members)), "1"),
        ("steps", Some(data.steps() as f64), "1"),
        ("rounds", Some(f64::from(s.rounds)), "1"),
        ("certified_relative_gap", s.certified_relative_gap, "1"),
        ("central_relative_error", s.central_relative_error, "1"),
        ("lower_bound", s.lower_value, unit),
        ("upper_bound", s.upper_value, unit),
        (
            "coupling_violation_max",
            Some(s.coupling_violation_max as f64),
            "quanta",
        ),
        ("leases_granted_share", data.leases.granted_share, "1"),
        ("final_entries", Some(s.final_entries as f64), "1"),
        (
            "provisional_entries",
            Some(s.provisional_entries as f64),
            "1",
        ),
        ("physical_residual_max", Some(s.physical_residual_max), "1"),
        ("messages", Some(s.messages as f64), "1"),
        ("bytes_sent", Some(s.bytes_sent as f64), "B"),
        ("virtual_time", Some(s.virtual_time_s), "s"),
    ]
    .map(|(quantity, value, unit)| (quantity, value, unit.to_owned()))
    .into()
}

/// The key figures as one JSON object: `scenario`, `summary`, `leases`, `total`,
/// `assets` and `owners`, with units last in the names of the fields.
pub fn kpis_json(data: &ReportData) -> String {
    let assets: Map<String, Value> = data
        .assets
        .iter()
        .map(|a| {
            let value = json!({ "kind": a.kind, "owner": a.owner, "kpis": a.kpis });
            (a.name.clone(), value)
        })
        .collect();
    let owners: Vec<Value> = data
        .owners
        .iter()
        .map(|o| {
            let assets: Vec<Value> = o
                .assets
                .iter()
                .map(|a| {
                    let reason = match &a.alone {
                        Alone::Infeasible(reason) => Some(reason),
                        Alone::Cost(_) => None,
                    };
                    json!({
                        "asset": a.asset,
                        "alone_value": a.alone_value(),
                        "alone_infeasible": reason,
                        "cost_value": a.cost_value,
                        "payment_value": a.payment_value,
                        "agreed_value": a.agreed_value(),
                        "gain_value": a.gain_value(),
                    })
                })
                .collect();
            json!({
                "owner": o.name,
                "alone_value": o.alone_value(),
                "payment_value": o.payment_value(),
                "agreed_value": o.agreed_value(),
                "gain_value": o.gain_value(),
                "assets": assets,
            })
        })
        .collect();
    let all = json!({
        "format": "cosmosmesh-kpis/1",
        "scenario": data.scenario,
        "steps": data.steps(),
        "verdict": report::verdict(data),
        "summary": data.summary,
        "leases": data.leases,
        "total": data.total,
        "assets": assets,
        "owners": owners,
        "alone_means": data.alone_means,
    });
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

/// The key figures as a long table: scope (`run`, `total`, `asset`, `owner`),
/// name, quantity, value, unit. An empty value says that there is none.
pub fn kpis_csv(data: &ReportData) -> String {
    let unit = data.scenario.value_unit.as_str();
    let mut table = Csv::new(&["scope", "name", "quantity", "value", "unit"]);
    let mut add = |scope: &str, name: &str, figures: &[(&str, Option<f64>, String)]| {
        for (quantity, value, unit) in figures {
            table.row(&[
                Cell::Text(scope),
                Cell::Text(name),
                Cell::Text(quantity),
                Cell::Maybe(*value),
                Cell::Text(unit),
            ]);
        }
    };
    add("run", &data.scenario.name, &run_figures(data));
    add("total", "all", &figures(&data.total, unit));
    for a in &data.assets {
        add("asset", &a.name, &figures(&a.kpis, unit));
    }
    for o in &data.owners {
        let unit = unit.to_owned();
        add(
            "owner",
            &o.name,
            &[
                ("alone", o.alone_value(), unit.clone()),
                ("payment", Some(o.payment_value()), unit.clone()),
                ("agreed", Some(o.agreed_value()), unit.clone()),
                ("gain", o.gain_value(), unit),
            ],
        );
    }
    table.text
}

/// The rounds, one a row.
pub fn rounds_csv(data: &ReportData) -> String {
    let mut head: Vec<String> = [
        "round",
        "virtual_time_s",
        "lower_value",
        "upper_value",
        "relative_gap",
        "received",
        "members",
        "carried",
    ]
    .map(str::to_owned)
    .into();
    let imbalance = |c: &report::CouplingReport| format!("imbalance {} [{}]", c.name, c.unit);
    head.extend(data.couplings.iter().map(imbalance));
    let mut table = Csv::new(&head);
    for r in &data.rounds {
        let carried = r.carried.join(" ");
        let mut cells = vec![
            Cell::Number(f64::from(r.round)),
            Cell::Number(r.virtual_time_s),
            Cell::Maybe(r.lower_value),
            Cell::Maybe(r.upper_value),
            Cell::Maybe(r.relative_gap),
            Cell::Number(f64::from(r.received)),
            Cell::Number(f64::from(r.members)),
            Cell::Text(&carried),
        ];
        let of = |i: usize| Cell::Maybe(r.imbalance.get(i).copied());
        cells.extend((0..data.couplings.len()).map(of));
        table.row(&cells);
    }
    table.text
}

/// What each contact carried, one a row.
pub fn contacts_csv(data: &ReportData) -> String {
    let mut table = Csv::new(&["from", "to", "start_s", "end_s", "bytes", "messages"]);
    for c in &data.contacts {
        table.row(&[
            Cell::Text(&c.from),
            Cell::Text(&c.to),
            Cell::Number(c.start_s),
            Cell::Number(c.end_s),
            Cell::Count(c.bytes),
            Cell::Count(c.messages),
        ]);
    }
    table.text
}

/// The plan of one asset: a step a row, a series a column. Powers are means of
/// the step, minutes and losses its sums, states those at its end.
pub fn asset_csv(data: &ReportData, asset: &AssetReport) -> String {
    let mut head = step_head();
    let name = |m: Measure| {
        serde_json::to_value(m)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
    };
    head.extend(asset.series.iter().map(|s| {
        let measure = name(s.measure).unwrap_or_default();
        format!("{}.{measure} [{}]", s.device, s.unit)
    }));
    let columns: Vec<&[f64]> = asset.series.iter().map(|s| s.values.as_slice()).collect();
    steps_csv(data, &head, &columns)
}

/// Every coupling's price, capacity and allocations: a step a row.
pub fn couplings_csv(data: &ReportData) -> String {
    let mut head = step_head();
    let mut owned: Vec<Vec<f64>> = Vec::new();
    for c in &data.couplings {
        head.push(format!("{}.price [{}]", c.name, c.price_unit));
        owned.push(c.price.iter().map(|p| p.unwrap_or(f64::NAN)).collect());
        if let Some(capacity) = &c.capacity {
            head.push(format!("{}.capacity [{}]", c.name, c.unit));
            owned.push(capacity.clone());
        }
        for m in &c.members {
            head.push(format!("{}.{} [{}]", c.name, m.member, c.unit));
            owned.push(m.values.clone());
        }
    }
    let columns: Vec<&[f64]> = owned.iter().map(Vec::as_slice).collect();
    steps_csv(data, &head, &columns)
}

fn step_head() -> Vec<String> {
    ["step", "start_utc", "start_s", "length_s"]
        .map(str::to_owned)
        .into()
}

fn steps_csv(data: &ReportData, head: &[String], columns: &[&[f64]]) -> String {
    let mut table = Csv::new(head);
    for (t, edge) in data.edges_s.windows(2).enumerate() {
        let start = report::utc_iso(data.scenario.start_unix_s + edge[0]);
        let mut cells = vec![
            Cell::Number(t as f64),
            Cell::Text(&start),
            Cell::Number(edge[0] as f64),
            Cell::Number((edge[1] - edge[0]) as f64),
        ];
        cells.extend(columns.iter().map(|c| Cell::Maybe(c.get(t).copied())));
        table.row(&cells);
    }
    table.text
}

enum Cell<'a> {
    Text(&'a str),
    Number(f64),
    Count(u64),
    Maybe(Option<f64>),
}

/// A table after RFC 4180, with `\r\n` at the end of rows.
struct Csv {
    text: String,
}

impl Csv {
    fn new(head: &[impl AsRef<str>]) -> Self {
        let mut table = Self {
            text: String::new(),
        };
        let cells: Vec<_> = head.iter().map(|h| Cell::Text(h.as_ref())).collect();
        table.row(&cells);
        table
    }

    fn row(&mut self, cells: &[Cell<'_>]) {
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            match *cell {
                Cell::Text(text) => self.quoted(text),
                Cell::Count(n) => {
                    let _ = write!(self.text, "{n}");
                }
                Cell::Number(v) | Cell::Maybe(Some(v)) if v.is_finite() => {
                    // Adding 0 turns the negative zero into the other.
                    let _ = write!(self.text, "{}", v + 0.0);
                }
                Cell::Number(_) | Cell::Maybe(_) => {}
            }
        }
        self.text.push_str("\r\n");
    }

    /// Text, quoted where it must be. What a spreadsheet would take for a
    /// formula gets an apostrophe in front.
    fn quoted(&mut self, text: &str) {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let mark = if formula { "'" } else { "" };
        if text.contains([',', '"', '\n', '\r']) {
            let _ = write!(self.text, "\"{mark}{}\"", text.replace('"', "\"\""));
        } else {
            let _ = write!(self.text, "{mark}{text}");
        }
    }
}
