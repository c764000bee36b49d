//! What a foreign plan may hold and a plan of ours may not.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::plan::ContactPlan;
use crate::ranges::RangeIndex;

/// Why a contact is not used in routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// It ends at or before its start.
    Backwards,
    /// It starts before an earlier contact of the same direction has ended.
    Overlapping,
    /// Its sender is its receiver.
    Loop,
    /// No range says how far the receiver is, during any part of it.
    NoRange,
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backwards => "ends at or before its start",
            Self::Overlapping => "overlaps an earlier contact of the same direction",
            Self::Loop => "goes from a node to itself",
            Self::NoRange => "has no range that states its light time",
        })
    }
}

/// A contact that routing passes over, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Anomaly {
    /// Place in [`ContactPlan::contacts`].
    pub contact: usize,
    /// Why.
    pub kind: AnomalyKind,
}

/// All contacts that routing passes over, by place in the plan.
///
/// Of overlapping contacts of one direction the one that starts first stands
/// (ties: the one that is written first) and those that start before its end
/// are named.
pub fn anomalies(plan: &ContactPlan) -> Vec<Anomaly> {
    let mut kinds: Vec<Option<AnomalyKind>> = plan
        .contacts
        .iter()
        .map(|contact| {
            if contact.end_s <= contact.start_s {
                Some(AnomalyKind::Backwards)
            } else if contact.from == contact.to {
                Some(AnomalyKind::Loop)
            } else {
                None
            }
        })
        .collect();
    let mut pairs: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, contact) in plan.contacts.iter().enumerate() {
        if kinds[index].is_none() {
            pairs
                .entry((contact.from, contact.to))
                .or_default()
                .push(index);
        }
    }
    for contacts in pairs.values_mut() {
        contacts.sort_by(|&a, &b| {
            plan.contacts[a]
                .start_s
                .total_cmp(&plan.contacts[b].start_s)
                .then(a.cmp(&b))
        });
        let mut busy_until = f64::NEG_INFINITY;
        for &index in contacts.iter() {
            if plan.contacts[index].start_s < busy_until {
                kinds[index] = Some(AnomalyKind::Overlapping);
            } else {
                busy_until = plan.contacts[index].end_s;
            }
        }
    }
    let ranges = RangeIndex::new(plan);
    let ranged = |index: usize| ranges.pieces(index, &plan.contacts[index]).next().is_some();
    kinds
        .into_iter()
        .enumerate()
        .filter_map(|(contact, kind)| {
            let kind = kind.or((!ranged(contact)).then_some(AnomalyKind::NoRange))?;
            Some(Anomaly { contact, kind })
        })
        .collect()
}
