//! The plan itself, free of any file form.

use serde::Serialize;
use std::collections::HashMap;

use crate::ranges::RangeIndex;
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

/// A part of a contact over which its light time does not change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Piece {
    /// Place in [`ContactPlan::contacts`].
    pub contact: usize,
    /// Start in the plan's time base.
    pub start_s: f64,
    /// End in the plan's time base.
    pub end_s: f64,
    /// One-way light time.
    pub owlt: Seconds,
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

    /// Each contact that routing uses, cut where its light time changes. Parts
    /// that no range covers are left out.
    pub fn pieces(&self) -> Vec<Piece> {
        let ranges = RangeIndex::new(self);
        let mut used = vec![true; self.contacts.len()];
        for anomaly in crate::check::anomalies(self) {
            used[anomaly.contact] = false;
        }
        let mut pieces = Vec::with_capacity(self.contacts.len());
        for (index, contact) in self.contacts.iter().enumerate() {
            if used[index] {
                pieces.extend(ranges.pieces(index, contact));
            }
        }
        pieces
    }
}
