//! The plan itself, free of any file form.

use serde::Serialize;
use std::collections::HashMap;

use crate::units::{BitRate, Seconds};

/// Which instant second zero of a plan's times is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeBase {
    /// POSIX seconds UTC (1970-01-01T00:00:00 is 0; leap seconds not counted).
    Posix,
    /// Seconds after a reference that the file does not name (ION's `+N`
    /// without an absolute `@`, HDTN, A-SABR).
    Relative,
}

/// A node's place in [`ContactPlan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    pub(crate) fn at(self) -> usize {
        self.0 as usize
    }
}

/// One directed transmission opportunity.
///
/// Times are those of the sender: what is sent in `[start_s, end_s]` arrives
/// one light time later (CCSDS 734.3-B-1 §2.3). A foreign plan may hold
/// `end_s <= start_s`; see [`anomalies`](crate::anomalies).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contact {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver.
    pub to: NodeIndex,
    /// First second of transmission, in the plan's time base.
    pub start_s: f64,
    /// End of transmission, in the plan's time base.
    pub end_s: f64,
    /// Rate while it lasts.
    pub rate: BitRate,
    /// One-way light time, if the contact itself states it; otherwise a
    /// [`Range`] does.
    pub owlt: Option<Seconds>,
    /// Probability that the contact takes place, in `[0, 1]`.
    pub confidence: f64,
    /// The number that the file gave the contact, if it gave one (HDTN).
    pub id: Option<u64>,
}

impl Contact {
    /// Bits that fit between start and end; 0 for a backwards contact.
    pub fn volume_bit(&self) -> f64 {
        (self.end_s - self.start_s).max(0.0) * self.rate.bit_per_s()
    }
}

/// A statement of distance, for dialects that keep it apart from contacts (ION).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Range {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver.
    pub to: NodeIndex,
    /// Valid from, in the plan's time base.
    pub start_s: f64,
    /// Valid until, in the plan's time base.
    pub end_s: f64,
    /// One-way light time.
    pub owlt: Seconds,
    /// Also holds from `to` to `from`, unless a range in that direction
    /// overrides it (ionrc(5): the first node number is the smaller one).
    pub both_ways: bool,
}

/// Nodes, contacts and ranges of a network over some time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContactPlan {
    /// What second zero means.
    pub time_base: TimeBase,
    /// Names, or numbers in decimal; each once.
    nodes: Vec<String>,
    #[serde(skip)]
    by_name: HashMap<String, NodeIndex>,
    /// In the order of the file or of construction.
    pub contacts: Vec<Contact>,
    /// In the order of the file or of construction.
    pub ranges: Vec<Range>,
    /// ION commands that are no contacts or ranges (`m …` and the like),
    /// without comments, in their order.
    pub metadata: Vec<String>,
}

impl ContactPlan {
    /// An empty plan.
    pub fn new(time_base: TimeBase) -> Self {
        Self {
            time_base,
            nodes: Vec::new(),
            by_name: HashMap::new(),
            contacts: Vec::new(),
            ranges: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// The node of that name, added at the end if it is new.
    pub fn add_node(&mut self, name: &str) -> NodeIndex {
        if let Some(&known) = self.by_name.get(name) {
            return known;
        }
        let index = NodeIndex(self.nodes.len() as u32);
        self.nodes.push(name.to_owned());
        self.by_name.insert(name.to_owned(), index);
        index
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<NodeIndex> {
        self.by_name.get(name).copied()
    }

    /// A node's name.
    ///
    /// # Panics
    /// If the index is of another plan and too large for this one.
    pub fn name(&self, node: NodeIndex) -> &str {
        &self.nodes[node.at()]
    }

    /// All names, by index.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Each contact cut where the light time changes: `(contact, start_s,
    /// end_s, light time)`. A contact that states its own light time is one
    /// piece. Stretches that no range covers are left out; backwards contacts
    /// that state none are left out too.
    ///
    /// Where ranges of one direction overlap, the earliest in the file counts.
    pub fn pieces(&self) -> Vec<(usize, f64, f64, Seconds)> {
        let mut explicit: HashMap<(NodeIndex, NodeIndex), Vec<usize>> = HashMap::new();
        let mut implied: HashMap<(NodeIndex, NodeIndex), Vec<usize>> = HashMap::new();
        for (index, range) in self.ranges.iter().enumerate() {
            explicit
                .entry((range.from, range.to))
                .or_default()
                .push(index);
            if range.both_ways {
                implied
                    .entry((range.to, range.from))
                    .or_default()
                    .push(index);
            }
        }
        let mut pieces = Vec::with_capacity(self.contacts.len());
        for (index, contact) in self.contacts.iter().enumerate() {
            if let Some(owlt) = contact.owlt {
                pieces.push((index, contact.start_s, contact.end_s, owlt));
                continue;
            }
            let pair = (contact.from, contact.to);
            let ranges = explicit.get(&pair).or_else(|| implied.get(&pair));
            let first_piece = pieces.len();
            let mut open = vec![(contact.start_s, contact.end_s)];
            for &range in ranges.into_iter().flatten() {
                let range = &self.ranges[range];
                let mut rest = Vec::new();
                for (start_s, end_s) in open {
                    let lo = start_s.max(range.start_s);
                    let hi = end_s.min(range.end_s);
                    if lo < hi {
                        pieces.push((index, lo, hi, range.owlt));
                        if start_s < lo {
                            rest.push((start_s, lo));
                        }
                        if hi < end_s {
                            rest.push((hi, end_s));
                        }
                    } else {
                        rest.push((start_s, end_s));
                    }
                }
                open = rest;
                if open.is_empty() {
                    break;
                }
            }
            pieces[first_piece..].sort_by(|a, b| a.1.total_cmp(&b.1));
        }
        pieces
    }
}
