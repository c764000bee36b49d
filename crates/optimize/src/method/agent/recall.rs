//! What a member that starts again takes back of its memory: its answers, as it said
//! them.

use super::Agent;
use crate::method::{Call, Candidate, Counted, MethodName, Reply};

impl Agent {
    /// Takes a call, and what it answered to it in an earlier life. What it understood of
    /// that then follows from the two; it is not answered again.
    pub fn recall(&mut self, call: &Call, reply: &Reply) {
        self.hear(call);
        self.weigh(call);
        let aladin = self.method == MethodName::Aladin;
        for (at, (terms, point)) in reply.terms.iter().zip(&call.points).enumerate() {
            let price = self.local(&point.price);
            let record = self.packing.understood(terms, price, point.mu, aladin);
            let at = Counted {
                round: call.round,
                point: at as u32,
            };
            self.records.insert(at, record);
        }
        for (c, recipe) in call.candidates.iter().enumerate() {
            let at = Candidate {
                round: call.round,
                index: c as u32,
            };
            let allotment = self.make_allotment(call, *recipe).unwrap_or_default();
            self.allotments.insert(at, allotment);
        }
        let duals = reply.duals.iter();
        self.duals
            .extend(duals.map(|d| ((d.round, d.point), d.value)));
        let costs = reply.costs.iter();
        self.costs.extend(costs.map(|c| {
            let (round, index) = (c.round, c.candidate);
            (Candidate { round, index }, c.value)
        }));
        self.replied = self.replied.max(Some(call.round));
        self.forget(call.round);
    }
}
