//! From an agreed plan to grants: what a member signs so that leases come to the plan.
//!
//! Every member computes the same matching from the past of the proposal that says that
//! all is agreed, and signs its own part. Whoever is silent signs nothing; what others
//! sign is valid all the same, because each gives only what it holds itself.

use std::collections::BTreeSet;

use cosmosmesh_log::{Entry, Log, Verified};
use cosmosmesh_mission::{MemberId, MessageId, Payload, PlanDelta, UtcSeconds};

use super::{Member, MemberError, Voice};
use crate::contract::Contract;
use crate::lease::{Leases, Matching, Targets};
use crate::progress::{Said, read};

/// What the entries of a cohort take of each coupling, by step of the contract's terms of
/// leases: of each member's allocations the last in its chain.
pub fn targets(contract: &Contract, log: &Log, cohort: &BTreeSet<MessageId>) -> Targets {
    let steps = contract.leases().steps();
    let frame = contract.frame();
    let entries = cohort.iter().filter_map(|id| log.entry(log.find(id)?));
    let mut in_order: Vec<&Entry> = entries.map(AsRef::as_ref).collect();
    in_order.sort_by_key(|entry| {
        let header = entry.header();
        (&header.author, header.boot_epoch, header.seq, entry.id())
    });
    let mut targets = Targets::new();
    for entry in in_order {
        let Ok((i, Said::Allocation(coupling, quanta))) = read(contract, entry) else {
            continue;
        };
        let rows = frame.members[i].rows.iter().map(|r| &frame.rows[*r]);
        let rows = rows.filter(|row| row.coupling.as_str() == coupling.as_str());
        let mut by_step = vec![0; steps];
        for (row, quanta) in rows.zip(quanta) {
            if let Some(at) = by_step.get_mut(row.step as usize) {
                *at = quanta;
            }
        }
        let of_coupling = targets.entry(coupling).or_default();
        of_coupling.insert(contract.members()[i].clone(), by_step);
    }
    targets
}

/// What each member is to sign after an agreement: the targets that the proposal's cohort
/// names against the leases that follow from the proposal's past. None while the proposal
/// is not in the log.
pub fn asked_of(contract: &Contract, log: &Log, agreed: &MessageId) -> Option<Matching> {
    let proposal = log.find(agreed)?;
    let Ok((_, Said::Opening(dual))) = read(contract, log.entry(proposal)?) else {
        return None;
    };
    let past = log.at(&[proposal]);
    let targets = targets(contract, &past, &dual.cohort);
    let leases = Leases::of(contract, &past);
    Some(leases.view(&past).matching(contract.epoch(), 0, &targets))
}

impl Member {
    /// What it signs after an agreement of which it holds a certificate and all that the
    /// agreement follows from: its part of the matching, once.
    ///
    /// # Errors
    ///
    /// When it cannot sign.
    pub fn grant(
        &mut self,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Verified>, MemberError> {
        let agreed = self.calls.agreed();
        let Some(agreed) = agreed.filter(|id| self.granted != Some(*id)) else {
            return Ok(Vec::new());
        };
        let Some(mut matching) = asked_of(&self.contract, &self.log, &agreed) else {
            return Ok(Vec::new());
        };
        self.granted = Some(agreed);
        let name: &MemberId = &self.contract.members()[self.index()];
        let due = matching.remove(name).unwrap_or_default();
        let mut said = Vec::new();
        for delta in due {
            let payload = Payload::PlanDelta(PlanDelta {
                delta,
                timestamp: now,
                author: self.author.clone(),
                contract_id: self.contract.id().clone(),
                signature: None,
            });
            for payload in voice(payload) {
                match self.say(payload, vec![agreed], now) {
                    Ok(entry) => said.push(entry),
                    Err(MemberError::Encoding(_)) => self.unsaid += 1,
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(said)
    }

    /// Whether it has signed what the last agreement asks of it.
    pub fn has_granted(&self) -> bool {
        self.granted.is_some() && self.granted == self.calls.agreed()
    }
}
