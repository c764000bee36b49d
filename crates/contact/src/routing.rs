//! Earliest arrival over a contact plan.
//!
//! CCSDS 734.3-B-1, *Schedule-Aware Bundle Routing*, §3.2.4 and annex: Dijkstra
//! over contacts, each hop with its first-byte and last-byte times. A message
//! is stored until it is complete and then forwarded, so arriving earlier is
//! never worse, and one label for each node is exact. Left out of the
//! standard: the margin for moving nodes, priorities, and overbooking.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;

use crate::check::anomalies;
use crate::plan::{ContactPlan, NodeIndex};
use crate::ranges::order_bits;

/// One hop of a route. Times in seconds of the plan's time base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hop {
    /// Place in [`ContactPlan::contacts`].
    pub contact: usize,
    /// Sender.
    pub from: NodeIndex,
    /// Receiver.
    pub to: NodeIndex,
    /// The first bit leaves.
    pub first_bit_s: f64,
    /// The last bit leaves.
    pub last_bit_s: f64,
    /// The last bit arrives.
    pub arrival_s: f64,
}

/// A way from sender to receiver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// From first to last; empty if the sender is the receiver.
    pub hops: Vec<Hop>,
    /// When the last bit arrives at the receiver.
    pub arrival_s: f64,
    /// Product of the confidences along the way.
    pub confidence: f64,
}

/// One node's entry of a one-to-all search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Arrival {
    /// When the last bit can be there.
    pub arrival_s: f64,
    /// In how many hops.
    pub hops: u32,
    /// The last hop; `None` at the sender itself.
    last: Option<Hop>,
}

/// A contact plan indexed for routing.
///
/// Build it once and ask it often: a query visits each contact at most once.
/// Anomalous contacts (see [`anomalies`]) are left out. A contact whose light
/// time changes is cut into pieces, and one message must fit into one piece.
#[derive(Debug, Clone)]
pub struct Router {
    nodes: usize,
    /// Edges by sender, sorted by (receiver, start, contact).
    edges: Vec<Edge>,
    /// First edge of each (sender, receiver) group, with an end mark.
    groups: Vec<usize>,
    /// First group of each sender, with an end mark.
    senders: Vec<usize>,
    /// By contact of the plan.
    confidences: Vec<f64>,
    ignored: usize,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    contact: usize,
    from: NodeIndex,
    to: NodeIndex,
    start_s: f64,
    end_s: f64,
    /// Taken by booked routes up to this time.
    free_from_s: f64,
    /// Latest end of this and all earlier edges of the group.
    latest_end_s: f64,
    bit_per_s: f64,
    owlt_s: f64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    /// Order-preserving bits of the arrival time.
    arrival: u64,
    hops: u32,
    node: NodeIndex,
}

impl Router {
    /// Indexes a plan.
    pub fn new(plan: &ContactPlan) -> Self {
        let mut edges: Vec<Edge> = plan
            .pieces()
            .into_iter()
            .map(|piece| {
                let contact = &plan.contacts[piece.contact];
                Edge {
                    contact: piece.contact,
                    from: contact.from,
                    to: contact.to,
                    start_s: piece.start_s,
                    end_s: piece.end_s,
                    free_from_s: piece.start_s,
                    latest_end_s: piece.end_s,
                    bit_per_s: contact.rate.bit_per_s(),
                    owlt_s: piece.owlt.get(),
                }
            })
            .collect();
        edges.sort_by(|a, b| {
            (a.from, a.to)
                .cmp(&(b.from, b.to))
                .then(a.start_s.total_cmp(&b.start_s))
                .then(a.contact.cmp(&b.contact))
        });
        let nodes = plan.nodes().len();
        let mut groups = Vec::new();
        let mut senders = vec![0; nodes + 1];
        for index in 0..edges.len() {
            let edge = edges[index];
            let previous = index.checked_sub(1).map(|p| edges[p]);
            match previous {
                Some(p) if (p.from, p.to) == (edge.from, edge.to) => {
                    edges[index].latest_end_s = edge.end_s.max(p.latest_end_s);
                }
                _ => {
                    groups.push(index);
                    senders[edge.from.at() + 1] += 1;
                }
            }
        }
        groups.push(edges.len());
        for node in 0..nodes {
            senders[node + 1] += senders[node];
        }
        Self {
            nodes,
            edges,
            groups,
            senders,
            confidences: plan
                .contacts
                .iter()
                .map(|contact| contact.confidence)
                .collect(),
            ignored: anomalies(plan).len(),
        }
    }

    /// How many contacts of the plan are left out as anomalous.
    pub fn ignored_contacts(&self) -> usize {
        self.ignored
    }

    /// Earliest arrival of a message of `size_bit` that is ready at `from` at
    /// `ready_s`, at every node; `None` where it cannot come. Empty if `from`
    /// is no node of the plan, or a number is not finite, or the size is
    /// negative.
    ///
    /// Among equally early ways to a node, the one whose last sender was itself
    /// reached in fewer hops is taken, then the sender that was settled first,
    /// then the earlier contact: the same on every machine.
    pub fn arrivals(&self, from: NodeIndex, ready_s: f64, size_bit: f64) -> Vec<Option<Arrival>> {
        self.search(from, None, ready_s, size_bit)
    }

    /// The earliest arrival at one node, with the way; see [`Router::arrivals`].
    pub fn route(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        ready_s: f64,
        size_bit: f64,
    ) -> Option<Route> {
        let arrivals = self.search(from, Some(to), ready_s, size_bit);
        self.trace(&arrivals, to)
    }

    /// The way to one node out of a one-to-all search of this router.
    pub fn trace(&self, arrivals: &[Option<Arrival>], to: NodeIndex) -> Option<Route> {
        let end = arrivals.get(to.at()).copied().flatten()?;
        let mut hops = Vec::new();
        let mut label = end;
        while let Some(hop) = label.last {
            hops.push(hop);
            // Labels form a tree rooted in the sender; guard against others.
            if hops.len() > self.nodes {
                return None;
            }
            label = arrivals.get(hop.from.at()).copied().flatten()?;
        }
        hops.reverse();
        let confidence = hops
            .iter()
            .map(|hop| self.confidences[hop.contact])
            .product();
        Some(Route {
            hops,
            arrival_s: end.arrival_s,
            confidence,
        })
    }

    /// Takes a route's transmissions out of its contacts: later questions find
    /// each of them busy until the route's last bit has left. Time before its
    /// first bit is given up too, as behind a queue.
    pub fn book(&mut self, route: &Route) {
        for hop in &route.hops {
            for edge in &mut self.edges {
                let carries = edge.contact == hop.contact
                    && edge.start_s <= hop.first_bit_s
                    && hop.last_bit_s <= edge.end_s;
                if carries {
                    edge.free_from_s = edge.free_from_s.max(hop.last_bit_s);
                }
            }
        }
    }

    fn search(
        &self,
        from: NodeIndex,
        to: Option<NodeIndex>,
        ready_s: f64,
        size_bit: f64,
    ) -> Vec<Option<Arrival>> {
        if from.at() >= self.nodes
            || !ready_s.is_finite()
            || !(size_bit.is_finite() && size_bit >= 0.0)
        {
            return Vec::new();
        }
        let mut labels: Vec<Option<Arrival>> = vec![None; self.nodes];
        let mut settled = vec![false; self.nodes];
        let mut queue = BinaryHeap::new();
        labels[from.at()] = Some(Arrival {
            arrival_s: ready_s,
            hops: 0,
            last: None,
        });
        queue.push(Reverse(Label {
            arrival: order_bits(ready_s),
            hops: 0,
            node: from,
        }));
        while let Some(Reverse(Label { node, .. })) = queue.pop() {
            if std::mem::replace(&mut settled[node.at()], true) {
                continue;
            }
            if to == Some(node) {
                break;
            }
            let here = labels[node.at()].expect("a node is queued after it gets its label");
            for group in self.senders[node.at()]..self.senders[node.at() + 1] {
                let edges = &self.edges[self.groups[group]..self.groups[group + 1]];
                let next = edges[0].to;
                if settled[next.at()] {
                    continue;
                }
                let first = edges.partition_point(|edge| edge.latest_end_s < here.arrival_s);
                for edge in &edges[first..] {
                    let known = labels[next.at()].map_or(f64::INFINITY, |label| label.arrival_s);
                    if edge.start_s > known {
                        break;
                    }
                    let first_bit_s = here.arrival_s.max(edge.free_from_s);
                    let last_bit_s = if size_bit > 0.0 {
                        first_bit_s + size_bit / edge.bit_per_s
                    } else {
                        first_bit_s
                    };
                    if last_bit_s > edge.end_s {
                        continue;
                    }
                    let arrival_s = last_bit_s + edge.owlt_s;
                    let better = match labels[next.at()] {
                        None => true,
                        Some(label) => {
                            arrival_s < label.arrival_s
                                || (arrival_s == label.arrival_s && here.hops + 1 < label.hops)
                        }
                    };
                    if better {
                        let hop = Hop {
                            contact: edge.contact,
                            from: node,
                            to: next,
                            first_bit_s,
                            last_bit_s,
                            arrival_s,
                        };
                        labels[next.at()] = Some(Arrival {
                            arrival_s,
                            hops: here.hops + 1,
                            last: Some(hop),
                        });
                        queue.push(Reverse(Label {
                            arrival: order_bits(arrival_s),
                            hops: here.hops + 1,
                            node: next,
                        }));
                    }
                }
            }
        }
        labels
    }
}

/// Earliest arrival over a plan, for a single question; for many build one
/// [`Router`].
pub fn earliest_arrival(
    plan: &ContactPlan,
    from: NodeIndex,
    to: NodeIndex,
    ready_s: f64,
    size_bit: f64,
) -> Option<Route> {
    Router::new(plan).route(from, to, ready_s, size_bit)
}

/// Earliest arrival at every node, by node index; `None` where there is no way.
pub fn earliest_arrivals(
    plan: &ContactPlan,
    from: NodeIndex,
    ready_s: f64,
    size_bit: f64,
) -> Vec<Option<f64>> {
    Router::new(plan)
        .arrivals(from, ready_s, size_bit)
        .into_iter()
        .map(|arrival| arrival.map(|a| a.arrival_s))
        .collect()
}
