//! Requests for things that cannot be divided.

use cosmosmesh_mission::{CouplingId, MemberId, MessageId};

use super::agreement::id_of;
use super::fold::What;
use super::view::View;

/// One member's request for a step, not taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub member: MemberId,
    /// The entry in which it does.
    pub entry: MessageId,
    /// Whether it holds the right.
    pub served: bool,
}

/// Several members ask for one right. Rights never collide: there is one holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The coupling.
    pub coupling: CouplingId,
    /// The step.
    pub step: u32,
    /// Who holds the right; nobody while it is missing.
    pub holder: Option<MemberId>,
    /// Who asks: the winner first, by declared priority and then in canonical order.
    pub requests: Vec<Request>,
}

impl Conflict {
    /// Whom the holder should give the right to.
    pub fn winner(&self) -> &MemberId {
        &self.requests[0].member
    }
}

impl View<'_> {
    /// The rights that two or more members ask for.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let all = self.requests();
        all.into_iter().filter(|c| c.requests.len() > 1).collect()
    }

    /// All that is asked for, by coupling and step, also by one member alone.
    pub fn requests(&self) -> Vec<Conflict> {
        let terms = self.leases().terms();
        let ops = self.in_order();
        let withdrawn = |node: u32| {
            let mut ops = ops.iter();
            ops.any(|op| matches!(op.what, What::Withdrawal { of } if of == node))
        };
        // Coupling, step, rank, place in canonical order, member, entry.
        let mut asked: Vec<(usize, usize, usize, usize, usize, u32)> = Vec::new();
        for (order, op) in ops.iter().enumerate() {
            let What::Request {
                coupling,
                start,
                count,
            } = op.what
            else {
                continue;
            };
            if withdrawn(op.node) {
                continue;
            }
            let priority = &terms.couplings[coupling].terms.priority;
            let member = &terms.members()[op.member];
            let rank = priority.iter().position(|m| m == member);
            let rank = rank.unwrap_or(priority.len());
            for step in start..start + count {
                let again = |a: &&(usize, usize, usize, usize, usize, u32)| {
                    (a.0, a.1, a.4) == (coupling, step, op.member)
                };
                if asked.iter().find(again).is_none() {
                    asked.push((coupling, step, rank, order, op.member, op.node));
                }
            }
        }
        asked.sort_unstable();
        let mut conflicts: Vec<(usize, Conflict)> = Vec::new();
        for (coupling, step, _, _, member, node) in asked {
            let pool = terms.couplings[coupling].pools[0];
            let holds = |member: usize| self.lease_at(pool, member).effective()[step] > 0;
            let request = Request {
                member: terms.members()[member].clone(),
                entry: id_of(self.log(), node),
                served: holds(member),
            };
            match conflicts.last_mut() {
                Some((at, c)) if *at == coupling && c.step as usize == step => {
                    c.requests.push(request);
                }
                _ => {
                    let holder = (0..terms.members().len()).find(|m| holds(*m));
                    let conflict = Conflict {
                        coupling: terms.couplings[coupling].terms.id.clone(),
                        step: step as u32,
                        holder: holder.map(|m| terms.members()[m].clone()),
                        requests: vec![request],
                    };
                    conflicts.push((coupling, conflict));
                }
            }
        }
        conflicts
            .into_iter()
            .map(|(_, conflict)| conflict)
            .collect()
    }
}
