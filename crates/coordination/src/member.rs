//! One member of an agreement: a state machine without clock or network.
//!
//! It takes messages and returns messages. Its problem stays inside its
//! [`Agent`]; what leaves it is an [`Envelope`].

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_mission::{
    AuthorId, BootEpoch, Commitment, CouplingId, Delta, DualVariables, EncodeError, Envelope,
    MessageId, Payload, PlanDelta, PricesId, Seq, UtcSeconds, Version,
};
use cosmosmesh_optimize::coupled::CoupledMember;
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{
    Agent, AgentError, AllotmentCost, Candidate, Exchange, Reply, fixed,
};

use crate::contract::{Contract, Refused};
use crate::progress::{Misfit, SETTLED, Said, asked, read};
use crate::wire::{ReplyHead, WireError, shared_from_reply};

/// A member.
#[derive(Debug)]
pub struct Member {
    contract: Arc<Contract>,
    author: AuthorId,
    agent: Agent,
    problem: Commitment,
    seq: u64,
    last: Option<MessageId>,
    /// Its last message that carried sensitivities.
    base: Option<MessageId>,
    prices: Option<PricesId>,
    newest: u32,
    /// The settlement that was asked for last, until it was answered.
    settle: Option<(u32, Candidate)>,
    /// The candidate that `others` belong to.
    settling: Option<Candidate>,
    answered: BTreeMap<Candidate, Vec<Envelope>>,
    /// Others' allocations of couplings whose rounding this member takes.
    others: BTreeMap<(usize, CouplingId), Vec<i64>>,
    exchange: Option<Exchange>,
}

/// Why a member could not act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// Its agent could not.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A message is not of the contract.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A message does not fit the contract.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A message has no encoding.
    #[error(transparent)]
    Encoding(#[from] EncodeError),
    /// The member's name cannot be an author.
    #[error("{0} cannot be an author")]
    Author(String),
}

impl Member {
    /// Member `index` of a contract, with its problem and the commitment to it.
    ///
    /// # Errors
    ///
    /// When its name cannot be an author's.
    ///
    /// # Panics
    ///
    /// If the contract has no member of that number, or the problem is of other
    /// rows than the contract's frame has for it.
    pub fn new(
        contract: Arc<Contract>,
        index: usize,
        member: &CoupledMember,
        problem: Commitment,
        solver: SolverName,
    ) -> Result<Self, MemberError> {
        let name = contract.members()[index].as_str();
        let author = AuthorId::new(name).map_err(|_| MemberError::Author(name.to_owned()))?;
        let frame = contract.frame().clone();
        let agent = Agent::new(frame, index, member, contract.method(), solver);
        Ok(Self {
            contract,
            author,
            agent,
            problem,
            seq: 0,
            last: None,
            base: None,
            prices: None,
            newest: 0,
            settle: None,
            settling: None,
            answered: BTreeMap::new(),
            others: BTreeMap::new(),
            exchange: None,
        })
    }

    /// Its place in the contract.
    pub fn index(&self) -> usize {
        self.agent.index()
    }

    /// The plan that it signed off last.
    pub fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    /// The newest prices that it has heard of.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Takes a message of another member.
    ///
    /// # Errors
    ///
    /// When it is not of the contract, or does not fit it. Then nothing has
    /// changed.
    pub fn hear(&mut self, envelope: &Envelope) -> Result<(), MemberError> {
        if let Payload::DualVariables(dual) = &envelope.payload {
            self.contract.admit(envelope)?;
            return self.hear_prices(dual);
        }
        match read(&self.contract, envelope) {
            Ok((i, Said::Allocation(coupling, quanta))) => {
                self.others.insert((i, coupling.clone()), quanta.to_vec());
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(Misfit::Refused(refused)) => Err(refused.into()),
            Err(Misfit::Wire(misfit)) => Err(misfit.into()),
        }
    }

    fn hear_prices(&mut self, dual: &DualVariables) -> Result<(), MemberError> {
        let (call, settle) = asked(&self.contract, dual)?;
        let prices = dual.id()?;
        if call.round > self.newest {
            self.newest = call.round;
            self.prices = Some(prices);
            if let Some(at) = settle
                && self.settling != Some(at)
            {
                self.others.clear();
                self.settling = Some(at);
            }
            self.settle = settle.map(|at| (call.round, at));
        }
        // A settlement repeats the call of its round; it asks for nothing new.
        if settle.is_none() {
            self.agent.hear(&call);
        }
        Ok(())
    }

    /// What it has to say now, given the time on its clock.
    ///
    /// # Errors
    ///
    /// When it cannot answer.
    pub fn act(&mut self, now: UtcSeconds) -> Result<Vec<Envelope>, MemberError> {
        if let Some((round, at)) = self.settle {
            if let Some(said) = self.answered.get(&at) {
                self.settle = None;
                return Ok(said.clone());
            }
            let Some(allotment) = self.settled_allotment(at) else {
                return Ok(Vec::new());
            };
            self.settle = None;
            let said = self.answer_settlement(round, at, &allotment, now)?;
            self.answered.insert(at, said.clone());
            return Ok(said);
        }
        if !self.agent.owes() {
            return Ok(Vec::new());
        }
        let reply = self.agent.reply()?;
        let envelope = self.say_reply(&reply, now)?;
        self.base = self.last;
        Ok(vec![envelope])
    }

    /// The allotment to settle on. A member that takes the rounding of a
    /// coupling waits for the allocations of the others there.
    fn settled_allotment(&self, at: Candidate) -> Option<Vec<i64>> {
        let me = self.index();
        let frame = self.contract.frame();
        let own = &frame.members[me];
        let mut allotment = self.agent.allotment(at)?.to_vec();
        for (coupling, rows) in &self.contract.names().couplings {
            let takes = |r: &usize| {
                frame.rows[*r].slack == me
                    && frame.rows[*r].kind == cosmosmesh_optimize::coupled::RowKind::Equal
            };
            if !rows.iter().any(takes) {
                continue;
            }
            let mut left: BTreeMap<usize, i128> = rows
                .iter()
                .filter(|r| takes(r))
                .map(|r| (*r, frame.rows[*r].rhs.into()))
                .collect();
            for (i, m) in frame.members.iter().enumerate() {
                let theirs: Vec<usize> = rows
                    .iter()
                    .copied()
                    .filter(|r| m.rows.binary_search(r).is_ok())
                    .collect();
                if i == me || theirs.is_empty() {
                    continue;
                }
                let quanta = self.others.get(&(i, coupling.clone()))?;
                for (r, v) in theirs.iter().zip(quanta) {
                    if let Some(left) = left.get_mut(r) {
                        *left -= i128::from(*v);
                    }
                }
            }
            for (r, v) in left {
                if let Ok(place) = own.rows.binary_search(&r) {
                    // What does not fit cannot be kept to either.
                    let end = if v < 0 { i64::MIN } else { i64::MAX };
                    allotment[place] = i64::try_from(v).unwrap_or(end);
                }
            }
        }
        Some(allotment)
    }

    fn answer_settlement(
        &mut self,
        round: u32,
        at: Candidate,
        allotment: &[i64],
        now: UtcSeconds,
    ) -> Result<Vec<Envelope>, MemberError> {
        let (exchange, value) = match self.agent.settle(allotment) {
            Ok(e) => {
                let cost = e.cost;
                (Some(e), Some(cost))
            }
            Err(AgentError::Unkept { .. }) => (None, None),
            Err(other) => return Err(other.into()),
        };
        let reply = Reply {
            round,
            terms: Vec::new(),
            duals: Vec::new(),
            costs: vec![AllotmentCost {
                round: at.round,
                candidate: SETTLED,
                value,
            }],
            barrier_weight: 0,
            barrier_total: 0,
        };
        let mut said = vec![self.say_reply(&reply, now)?];
        if exchange.is_some() {
            let frame = self.contract.frame().clone();
            let own = &frame.members[self.index()];
            let contract = self.contract.clone();
            for (coupling, places) in contract.names().places(&own.rows)? {
                let quanta: Vec<i64> = places.iter().map(|&place| allotment[place]).collect();
                let delta = Delta::Allocation {
                    coupling: coupling.clone(),
                    epoch: self.contract.epoch(),
                    quanta: quanta.into(),
                };
                let payload = Payload::PlanDelta(PlanDelta {
                    delta,
                    timestamp: now,
                    author: self.author.clone(),
                    contract_id: self.contract.id().clone(),
                    signature: None,
                });
                said.push(self.envelope(payload, now)?);
            }
            self.exchange = exchange;
        }
        Ok(said)
    }

    fn say_reply(&mut self, reply: &Reply, now: UtcSeconds) -> Result<Envelope, MemberError> {
        let head = ReplyHead {
            contract_id: self.contract.id().clone(),
            epoch: self.contract.epoch(),
            base: self.base,
            prices: self.prices,
            problem: self.problem,
        };
        let c = self.contract.clone();
        let shared = shared_from_reply(c.names(), c.frame(), self.index(), reply, &head)?;
        self.envelope(Payload::SharedVariables(shared), now)
    }

    /// Signs nothing yet, but chains: every message names the one before.
    ///
    /// # Errors
    ///
    /// When the payload breaks a rule.
    pub fn envelope(&mut self, payload: Payload, now: UtcSeconds) -> Result<Envelope, MemberError> {
        let envelope = Envelope {
            version: Version::V1,
            contract_hash: self.contract.hash(),
            author: self.author.clone(),
            boot_epoch: BootEpoch(0),
            seq: Seq(self.seq),
            backlink: self.last,
            time: now,
            payload,
        };
        self.last = Some(envelope.id()?);
        self.seq += 1;
        Ok(envelope)
    }

    /// The cost of the plan that it signed off, in cost units.
    pub fn cost(&self) -> Option<f64> {
        self.exchange
            .as_ref()
            .map(|e| fixed::from_quanta(e.cost, fixed::COST))
    }
}
