//! Plans and windows in a few figures for each directed pair.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::asset::{Asset, one_way_light_time_s};
use crate::check::{Anomaly, anomalies};
use crate::ephemeris::Ephemeris;
use crate::error::ContactError;
use crate::interval::{Span, Window, complement, total_s};
use crate::plan::{ContactPlan, NodeIndex, TimeBase};
use crate::time::format_utc;
use crate::windows::link_windows;

/// The contacts of one direction between two nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairSummary {
    /// Sender's name.
    pub from: String,
    /// Receiver's name.
    pub to: String,
    /// Usable contacts.
    pub contacts: usize,
    /// Their lengths together, in seconds.
    pub total_s: f64,
    /// Longest time between two of them, in seconds; 0 if there is one.
    pub longest_gap_s: f64,
    /// Their volume together, in bit.
    pub volume_bit: f64,
}

/// A plan at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanSummary {
    /// What second zero means.
    pub time_base: TimeBase,
    /// How many nodes.
    pub nodes: usize,
    /// How many contacts, anomalous ones included.
    pub contacts: usize,
    /// How many ranges.
    pub ranges: usize,
    /// Earliest start of a usable contact.
    pub start_s: Option<f64>,
    /// Latest end of a usable contact.
    pub end_s: Option<f64>,
    /// By sender and receiver, in the order of nodes.
    pub pairs: Vec<PairSummary>,
    /// Contacts that routing passes over.
    pub anomalies: Vec<Anomaly>,
}

/// Figures of a plan. Anomalous contacts are named and left out of the sums.
pub fn summarise(plan: &ContactPlan) -> PlanSummary {
    let anomalies = anomalies(plan);
    let mut used = vec![true; plan.contacts.len()];
    for anomaly in &anomalies {
        used[anomaly.contact] = false;
    }
    let mut groups: BTreeMap<(NodeIndex, NodeIndex), Vec<usize>> = BTreeMap::new();
    for (index, contact) in plan.contacts.iter().enumerate() {
        if used[index] {
            groups
                .entry((contact.from, contact.to))
                .or_default()
                .push(index);
        }
    }
    let mut pairs = Vec::with_capacity(groups.len());
    let (mut start_s, mut end_s) = (f64::INFINITY, f64::NEG_INFINITY);
    for ((from, to), mut contacts) in groups {
        contacts.sort_by(|&a, &b| {
            plan.contacts[a]
                .start_s
                .total_cmp(&plan.contacts[b].start_s)
        });
        let mut pair = PairSummary {
            from: plan.name(from).to_owned(),
            to: plan.name(to).to_owned(),
            contacts: contacts.len(),
            total_s: 0.0,
            longest_gap_s: 0.0,
            volume_bit: 0.0,
        };
        let mut last_end_s = None;
        for &index in &contacts {
            let contact = &plan.contacts[index];
            pair.total_s += contact.end_s - contact.start_s;
            pair.volume_bit += contact.volume_bit();
            if let Some(last_s) = last_end_s {
                pair.longest_gap_s = pair.longest_gap_s.max(contact.start_s - last_s);
            }
            last_end_s = Some(contact.end_s);
            start_s = start_s.min(contact.start_s);
            end_s = end_s.max(contact.end_s);
        }
        pairs.push(pair);
    }
    PlanSummary {
        time_base: plan.time_base,
        nodes: plan.nodes().len(),
        contacts: plan.contacts.len(),
        ranges: plan.ranges.len(),
        start_s: start_s.is_finite().then_some(start_s),
        end_s: end_s.is_finite().then_some(end_s),
        pairs,
        anomalies,
    }
}

/// The windows of one direction over a span, with their figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowReport {
    /// Sender's name.
    pub from: String,
    /// Receiver's name.
    pub to: String,
    /// Start of the span, UTC.
    pub start: String,
    /// End of the span, UTC.
    pub end: String,
    /// In the sender's POSIX seconds.
    pub windows: Vec<Window>,
    /// One-way light time at the start of each window, in seconds.
    pub light_time_s: Vec<f64>,
    /// Lengths together, in seconds.
    pub total_s: i64,
    /// Share of the span, in `[0, 1]`.
    pub share: f64,
    /// Longest time without contact, in seconds, ends of the span included.
    pub longest_gap_s: i64,
}

/// Windows between two assets, with their figures.
///
/// # Errors
/// As [`link_windows`].
pub fn window_report(
    ephemeris: &Ephemeris,
    from: &Asset,
    to: &Asset,
    span: Span,
) -> Result<WindowReport, ContactError> {
    let windows = link_windows(ephemeris, from, to, span)?;
    let light_time_s = windows
        .iter()
        .map(|window| one_way_light_time_s(ephemeris, from, to, window.start_s as f64))
        .collect::<Result<_, _>>()?;
    let total = total_s(&windows);
    Ok(WindowReport {
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        start: format_utc(span.start_s()),
        end: format_utc(span.end_s()),
        share: total as f64 / span.window().duration_s() as f64,
        longest_gap_s: complement(&windows, span)
            .iter()
            .map(Window::duration_s)
            .max()
            .unwrap_or(0),
        total_s: total,
        light_time_s,
        windows,
    })
}
