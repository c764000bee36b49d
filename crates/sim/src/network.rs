//! Links in virtual time: a message leaves in a contact window, takes the
//! window's rate to send and light time to arrive, and may be lost.

use std::collections::BTreeMap;

use cosmosmesh_contact::{ContactPlan, NodeIndex, Router};
use cosmosmesh_optimize::seeded::Seeded;

/// What one contact carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Messages.
    pub messages: u64,
    /// Bytes, overheads included.
    pub bytes: u64,
}

/// The links between the members.
#[derive(Debug)]
pub struct Network {
    router: Router,
    nodes: Vec<NodeIndex>,
    overhead_bytes: u64,
    loss: f64,
    chance: Seeded,
    carried: BTreeMap<usize, Carried>,
    sent: Carried,
}

/// A member that the contact plan does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no node of the contact plan")]
pub struct UnknownNode(pub String);

impl Network {
    /// The links of a contact plan between nodes of these names.
    ///
    /// # Errors
    ///
    /// When a name is no node of the plan.
    pub fn new(
        plan: &ContactPlan,
        members: &[String],
        overhead_bytes: u64,
        loss: f64,
        seed: u64,
    ) -> Result<Self, UnknownNode> {
        let nodes = members
            .iter()
            .map(|m| plan.node(m).ok_or_else(|| UnknownNode(m.clone())))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            router: Router::new(plan),
            nodes,
            overhead_bytes,
            loss,
            chance: Seeded::new(seed),
            carried: BTreeMap::new(),
            sent: Carried::default(),
        })
    }

    /// Sends `bytes` at `now_s`; returns when they arrive, or `None` when they
    /// are lost or no contact ever carries them. Nothing is counted for a
    /// message that has no way.
    pub fn send(&mut self, from: usize, to: usize, bytes: u64, now_s: f64) -> Option<f64> {
        let bytes = bytes + self.overhead_bytes;
        let route =
            self.router
                .route(self.nodes[from], self.nodes[to], now_s, bytes as f64 * 8.0)?;
        self.router.book(&route);
        for hop in &route.hops {
            let c = self.carried.entry(hop.contact).or_default();
            c.messages += 1;
            c.bytes += bytes;
        }
        self.sent.messages += 1;
        self.sent.bytes += bytes;
        // A lost message has used its contacts all the same.
        let lost = self.loss > 0.0 && self.chance.uniform(0.0, 1.0) < self.loss;
        (!lost).then_some(route.arrival_s)
    }

    /// When `bytes` sent now would arrive, if nothing else is sent.
    pub fn expect(&self, from: usize, to: usize, bytes: u64, now_s: f64) -> Option<f64> {
        let bits = (bytes + self.overhead_bytes) as f64 * 8.0;
        self.router
            .route(self.nodes[from], self.nodes[to], now_s, bits)
            .map(|r| r.arrival_s)
    }

    /// What each contact carried, by its place in the plan.
    pub fn carried(&self) -> &BTreeMap<usize, Carried> {
        &self.carried
    }

    /// Everything that was sent, end to end.
    pub fn sent(&self) -> Carried {
        self.sent
    }
}
