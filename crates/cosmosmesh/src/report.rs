//! What a run found, and one HTML file that shows it.
//!
//! [`ReportData`] is plain data: whoever ran the agreement fills it
//! ([`fill`] reads most of it from a mission and a solution). [`render`] makes
//! one self-contained page of it: no external resource, no network, no
//! framework. The same data give the same bytes.
//!
//! Words, figures and tables are written here; timelines and curves are drawn
//! by a script in the page, from the data that the page carries. Both escape
//! whatever text they are given: names cannot break out of the page.

pub mod fill;
mod words;

use std::fmt::Write as _;

use cosmosmesh_planning::model::Measure;
use cosmosmesh_planning::scenario::{CouplingKind, Kind, Resource};
use cosmosmesh_planning::schedule::Kpis;
use cosmosmesh_planning::time::Span;
use serde::Serialize;

use crate::leases::LeaseFigures;
use words::{escape, percent};

/// Everything that a report shows. Times are in seconds from the mission's
/// start, costs in the mission's value unit, and less cost is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportData {
    /// Which mission, and when.
    pub scenario: ScenarioInfo,
    /// Edges of the steps, in seconds from the start, ascending: one more than
    /// there are steps. Steps may have unequal lengths.
    pub edges_s: Vec<i64>,
    /// How the agreement went.
    pub summary: Summary,
    /// One for each asset, in the order in which they are shown.
    pub assets: Vec<AssetReport>,
    /// What is shared.
    pub couplings: Vec<CouplingReport>,
    /// Who may use how much of it.
    pub leases: LeaseFigures,
    /// The rounds, in order.
    pub rounds: Vec<RoundReport>,
    /// What each contact carried.
    pub contacts: Vec<ContactUse>,
    /// What each owner gains.
    pub owners: Vec<OwnerReport>,
    /// What "alone" means in `owners`, as one or two sentences. For
    /// [`AssetModel::alone`](cosmosmesh_planning::mission::AssetModel::alone)
    /// say [`fill::ALONE_BY_ASSET`].
    pub alone_means: String,
    /// The key figures of all assets together.
    pub total: Kpis,
}

/// Which mission, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioInfo {
    /// Its name.
    pub name: String,
    /// What it is about, in a sentence or two.
    pub description: String,
    /// What costs are counted in.
    pub value_unit: String,
    /// Start of the first step, in seconds since 1970, leap seconds not
    /// counted.
    pub start_unix_s: i64,
}

/// What the lower bound is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundKind {
    /// Every member's exact value at one set of prices is in it.
    Certified,
    /// It holds for the members present, others as they were.
    Conditional,
    /// There is none.
    None,
}

/// How the agreement went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The method, by its name.
    pub method: String,
    /// The seed of the run.
    pub seed: u64,
    /// How many members took part.
    pub members: u32,
    /// Rounds of messages until the end.
    pub rounds: u32,
    /// The largest relative gap that the run was told to accept.
    pub gap_wanted: f64,
    /// The share of messages that were lost on purpose, from 0 to 1.
    pub loss_share: f64,
    /// Whether the members hold one plan that all of them signed off.
    pub agreed: bool,
    /// Whether every member that can be reached holds a certificate of that: then nothing
    /// that comes later changes the plan.
    pub plan_final: bool,
    /// Entries of the log that are final.
    pub final_entries: u64,
    /// Entries that were said and are part of nothing yet.
    pub provisional_entries: u64,
    /// What the lower bound is worth.
    pub bound: BoundKind,
    /// Why it is worth that, as a phrase that follows a colon.
    pub bound_reason: String,
    /// No plan costs less: the lower bound on the cost, in the value unit.
    pub lower_value: Option<f64>,
    /// The cost of the agreed plan, in the value unit.
    pub upper_value: Option<f64>,
    /// `(upper − lower) / |upper|`, if there is a bound.
    pub certified_relative_gap: Option<f64>,
    /// How far the plan's cost is from that of a planner who knows
    /// everything, relative; only if that was computed.
    pub central_relative_error: Option<f64>,
    /// By how many quanta allocations exceed what there is, at most: 0, or the
    /// plan is wrong.
    pub coupling_violation_max: u64,
    /// The worst residual of a re-simulation, relative to the size of what it
    /// is a residual of.
    pub physical_residual_max: f64,
    /// Everything that the plan violates, as sentences; empty for a sound
    /// plan.
    pub violations: Vec<String>,
    /// Messages sent.
    pub messages: u64,
    /// Bytes sent, overheads included.
    pub bytes_sent: u64,
    /// How long the agreement took in the mission's time, in seconds.
    pub virtual_time_s: f64,
    /// The digest of the final state, as text.
    pub state_digest: String,
}

/// One asset: what it does, and whom it can reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssetReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Who owns it.
    pub owner: String,
    /// What its devices do.
    pub series: Vec<SeriesReport>,
    /// Night, eclipse and shadow.
    pub dark: Vec<Span>,
    /// When it can talk to whom.
    pub contacts: Vec<ContactWindows>,
    /// Its key figures.
    pub kpis: Kpis,
}

/// One quantity of one device over the steps. The measure says how it is
/// drawn, and whether a value is the mean of the step, its sum, or the state
/// at its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesReport {
    /// The device.
    pub device: String,
    /// What is measured.
    pub measure: Measure,
    /// The unit of the values and of the next three.
    pub unit: String,
    /// For a state: what it is at the start of the first step.
    pub initial: Option<f64>,
    /// For a state: what must always be left.
    pub floor: Option<f64>,
    /// For a state: what it can be at most.
    pub ceiling: Option<f64>,
    /// One value a step.
    pub values: Vec<f64>,
}

/// When an asset can talk to one peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContactWindows {
    /// The peer: an asset or a place.
    pub peer: String,
    /// The spans of contact.
    pub spans: Vec<Span>,
    /// One-way delay at most, in seconds.
    pub delay_s: f64,
    /// Rate in bits per second.
    pub rate_bit_per_s: f64,
}

/// One contract: what is shared, who gets what, and at what price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CouplingReport {
    /// Its name.
    pub name: String,
    /// What it is about. Power is the mean of the step, minutes are its sum.
    pub resource: Resource,
    /// Whether it must be met exactly or not be exceeded.
    pub kind: CouplingKind,
    /// The unit of capacity and allocations.
    pub unit: String,
    /// What there is in each step; `None` for a balance.
    pub capacity: Option<Vec<f64>>,
    /// The unit of the prices, such as `value per kWh`.
    pub price_unit: String,
    /// The price of each step: what one more unit would be worth to all
    /// together. Whoever draws pays it, whoever supplies gets it. `None` where
    /// nobody can draw.
    pub price: Vec<Option<f64>>,
    /// Who holds how much.
    pub members: Vec<Allocation>,
}

/// What one member holds of a coupling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Allocation {
    /// The member: an asset's name.
    pub member: String,
    /// What it draws in each step, in the coupling's unit; negative: supplies.
    pub values: Vec<f64>,
}

/// One round of the agreement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundReport {
    /// Its number.
    pub round: u32,
    /// When it closed, in seconds from the start.
    pub virtual_time_s: f64,
    /// The best lower bound on the cost so far, in the value unit.
    pub lower_value: Option<f64>,
    /// The least cost of a feasible plan so far, in the value unit.
    pub upper_value: Option<f64>,
    /// `(upper − lower) / |upper|`, certified.
    pub relative_gap: Option<f64>,
    /// The largest imbalance of each coupling, in its unit, in the order of
    /// [`ReportData::couplings`].
    pub imbalance: Vec<f64>,
    /// How many members were heard.
    pub received: u32,
    /// How many there are.
    pub members: u32,
    /// Who was not, and was carried forward: assets' names.
    pub carried: Vec<String>,
}

/// One contact and what it carried, one way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContactUse {
    /// Who sent.
    pub from: String,
    /// Who received.
    pub to: String,
    /// When the contact began, in seconds from the start.
    pub start_s: f64,
    /// When it ended, in seconds from the start.
    pub end_s: f64,
    /// Bytes carried, overheads included.
    pub bytes: u64,
    /// Messages carried.
    pub messages: u64,
}

/// What an asset could do without the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alone {
    /// The least cost, in the value unit.
    Cost(f64),
    /// Nothing: why, as a phrase such as `3.2 kWh short to survive the nights`.
    Infeasible(String),
}

/// What one owner gains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnerReport {
    /// Its name.
    pub name: String,
    /// Each of its assets.
    pub assets: Vec<AssetGain>,
}

/// What one asset gains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssetGain {
    /// Its name.
    pub asset: String,
    /// What it could do without the others.
    pub alone: Alone,
    /// The cost of its own part of the agreed plan, in the value unit:
    /// negative when that is worth more than it spends.
    pub cost_value: f64,
    /// What it pays the others at the agreed prices, in the value unit;
    /// negative: what it gets.
    pub payment_value: f64,
}

impl AssetGain {
    /// What the agreed plan is worth to it after payments, in the value unit.
    pub fn agreed_value(&self) -> f64 {
        -self.cost_value - self.payment_value
    }

    /// What its own best plan is worth, in the value unit; `None` if it has
    /// none.
    pub fn alone_value(&self) -> Option<f64> {
        match self.alone {
            Alone::Cost(cost) => Some(-cost),
            Alone::Infeasible(_) => None,
        }
    }

    /// What it gains over its own best plan, in the value unit; `None` if it
    /// has none.
    pub fn gain_value(&self) -> Option<f64> {
        self.alone_value().map(|alone| self.agreed_value() - alone)
    }
}

impl OwnerReport {
    /// What the agreed plan is worth to it after payments, in the value unit.
    pub fn agreed_value(&self) -> f64 {
        self.assets.iter().map(AssetGain::agreed_value).sum()
    }

    /// What it pays the others, in the value unit; negative: what it gets.
    pub fn payment_value(&self) -> f64 {
        self.assets.iter().map(|a| a.payment_value).sum()
    }

    /// What going alone is worth, in the value unit; `None` if one of its
    /// assets cannot.
    pub fn alone_value(&self) -> Option<f64> {
        self.assets.iter().map(AssetGain::alone_value).sum()
    }

    /// What it gains over going alone, in the value unit; `None` if one of its
    /// assets cannot.
    pub fn gain_value(&self) -> Option<f64> {
        self.alone_value().map(|alone| self.agreed_value() - alone)
    }
}

impl ReportData {
    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.edges_s.len().saturating_sub(1)
    }
}

/// The page's style.
const STYLE: &str = include_str!("report/report.css");
/// The page's script.
const SCRIPT: &str = include_str!("report/report.js");

/// One HTML page that needs nothing but itself.
pub fn render(data: &ReportData) -> String {
    let mut page = String::with_capacity(1 << 19);
    let title = escape(&data.scenario.name);
    // The policy refuses every resource from outside, and every script but the
    // page's own: whatever a name might smuggle in, it could not run.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'nonce-report'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · CosmosMesh plan report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    words::body(&mut page, data);
    let _ = write!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>\n\
         <script nonce=\"report\">\n{SCRIPT}</script>\n</body>\n</html>\n",
        embedded(data)
    );
    page
}

/// The data as JSON that is safe inside a script element: no `<`, `>` or `&`
/// is left, and no line separator. Series are rounded to what can be seen.
fn embedded(data: &ReportData) -> String {
    let mut value = serde_json::to_value(data).unwrap_or_default();
    shorten(&mut value);
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Rounds the numbers of lists to six significant digits.
fn shorten(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Number(n) if n.is_f64() => {
                        let v = n.as_f64().unwrap_or(0.0);
                        *item = round_six(v);
                    }
                    _ => shorten(item),
                }
            }
        }
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

fn round_six(v: f64) -> serde_json::Value {
    let short: f64 = format!("{v:.5e}").parse().unwrap_or(v);
    if short == short.trunc() && short.abs() < 1e15 {
        return (short as i64).into();
    }
    short.into()
}

/// A time as `2026-11-01T00:00:00Z`.
pub(crate) fn utc_iso(unix_s: i64) -> String {
    let (year, month, day) = words::civil(unix_s.div_euclid(86_400));
    let s = unix_s.rem_euclid(86_400);
    let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// In one sentence, what the plan is worth: the heading of the report, and fit
/// for the last line of a run.
pub fn verdict(data: &ReportData) -> String {
    let s = &data.summary;
    if !s.violations.is_empty() || s.coupling_violation_max > 0 {
        return "This plan is not sound and must not be used".to_owned();
    }
    if !s.agreed {
        return "The assets have not agreed".to_owned();
    }
    match (s.bound, s.certified_relative_gap) {
        (BoundKind::Certified, Some(gap)) => {
            format!(
                "Agreed, and certified to be within {} of the best possible plan",
                percent(gap)
            )
        }
        (BoundKind::Conditional, Some(gap)) => format!(
            "Agreed; within {} of the best possible plan on a condition",
            percent(gap)
        ),
        _ => "Agreed, but how good the plan is cannot be said".to_owned(),
    }
}
