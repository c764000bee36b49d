//! Agreements: values that all go by, and that never may be far apart.
//!
//! Members hear of a new value at different times, so old and new are in use beside
//! each other. A *move* is safe in any such mixture: no two values that may be in use
//! are further apart than the tolerance. Anything else takes a *proposal*, everybody's
//! *consent*, by which it ceases to use the old values, and then the *switch*.

use cosmosmesh_log::Log;
use cosmosmesh_mission::{CouplingId, FixedVec, MessageId};

use super::causal::Clock;
use super::fault::Reason;
use super::fold::{Account, Leases, Span, What};
use super::rules::Rule;
use super::terms::{CouplingKind, MAX_QUANTA};

/// The id of the entry that was attached at a place.
pub(crate) fn id_of(log: &Log, node: u32) -> MessageId {
    let mut at = log.attached_since(node as usize);
    log.id(at.next().expect("a place is of an attached entry"))
}

/// One change of the values of an agreement.
pub(crate) struct Change<'l> {
    pub(crate) node: u32,
    pub(crate) span: &'l Span,
    /// Whether everybody had ceased to use the values before.
    switch: bool,
}

impl Leases {
    /// The coupling, if it is an agreement of the member's, and values in range.
    pub(crate) fn values(
        &self,
        member: usize,
        id: &CouplingId,
        start: u32,
        quanta: FixedVec,
    ) -> Result<(usize, Span), Reason> {
        let coupling = self.coupling(id, member)?;
        let terms = &self.terms.couplings[coupling];
        if terms.has_rights() {
            return Err(Reason::Kind(id.clone()));
        }
        self.owned(terms.pools[0], member)?;
        let span = self.span(start, quanta, -MAX_QUANTA, MAX_QUANTA)?;
        Ok((coupling, span))
    }

    fn owner(&self, coupling: usize) -> usize {
        self.terms.pools[self.terms.couplings[coupling].pools[0]].owner
    }

    fn proposal(&self, node: u32) -> Option<(usize, &Span)> {
        match &self.ops[*self.op_at.get(&node)?].what {
            What::Proposal { coupling, span } => Some((*coupling, span)),
            _ => None,
        }
    }

    /// The changes of a coupling among the owner's entries, in order.
    pub(crate) fn changes<'l>(
        &'l self,
        said: impl IntoIterator<Item = &'l usize>,
        coupling: usize,
    ) -> Vec<Change<'l>> {
        let said = said.into_iter().map(|op| &self.ops[*op]);
        let change = |op: &'l super::fold::Op| {
            let (of, span, switch) = match &op.what {
                What::Move { coupling, span } => (*coupling, span, false),
                What::Switch { proposal } => {
                    let (of, span) = self.proposal(*proposal)?;
                    (of, span, true)
                }
                _ => return None,
            };
            let node = op.node;
            (of == coupling).then_some(Change { node, span, switch })
        };
        said.filter_map(change).collect()
    }

    /// Whether one of these entries concludes a proposal.
    fn concludes(&self, said: &[usize], proposal: u32, known: impl Fn(u32) -> bool) -> bool {
        let mut said = said.iter().map(|op| &self.ops[*op]);
        said.any(|op| {
            let of = match op.what {
                What::Switch { proposal } => proposal,
                What::Withdrawal { of } => of,
                _ => return false,
            };
            of == proposal && known(op.node)
        })
    }

    /// Checks that no proposal for these steps is open on the branch.
    pub(crate) fn check_free(
        &self,
        log: &Log,
        account: &Account,
        coupling: usize,
        span: &Span,
    ) -> Result<(), Reason> {
        for op in account.said.iter().map(|op| &self.ops[*op]) {
            if let What::Proposal {
                coupling: of,
                span: other,
            } = &op.what
                && *of == coupling
                && other.overlaps(span)
                && !self.concludes(&account.said, op.node, |_| true)
            {
                return Err(Reason::Open(id_of(log, op.node)));
            }
        }
        Ok(())
    }

    /// Whether all members but the owner are known to hold an entry.
    fn is_known_to_all(&self, coupling: usize, node: u32, clock: Clock<'_>) -> bool {
        let owner = self.owner(coupling);
        let members = self.terms.couplings[coupling].members.iter();
        members.filter(|m| **m != owner).all(|member| {
            let author = self.author[*member];
            let last = author.and_then(|author| self.causal.last(clock, author));
            last.is_some_and(|last| self.causal.holds(self.causal.clock(last), node))
        })
    }

    /// Checks that no two values that may be in use are too far apart.
    pub(crate) fn check_move(
        &self,
        log: &Log,
        node: u32,
        account: &Account,
        coupling: usize,
        span: &Span,
    ) -> Result<(), Reason> {
        self.check_free(log, account, coupling, span)?;
        let terms = &self.terms.couplings[coupling];
        let CouplingKind::Agreement { tolerance } = terms.terms.kind else {
            return Err(Reason::Kind(terms.terms.id.clone()));
        };
        let clock = self.causal.clock(node);
        // What is known to all, and all behind it, can be in use; nothing before.
        let mut changes = self.changes(&account.said, coupling);
        changes.reverse();
        let last = |change: &Change<'_>| {
            change.switch || self.is_known_to_all(coupling, change.node, clock)
        };
        let ends: Vec<bool> = changes.iter().map(last).collect();
        for (step, value) in span.iter() {
            let (mut least, mut most) = (value, value);
            let mut first = true;
            for (change, end) in changes.iter().zip(&ends) {
                if change.span.iter().all(|(at, _)| at != step) {
                    continue;
                }
                let used = change.span.at(step);
                (least, most) = (least.min(used), most.max(used));
                if *end {
                    first = false;
                    break;
                }
            }
            if first {
                let used = self.terms.pools[terms.pools[0]].amount(step);
                (least, most) = (least.min(used), most.max(used));
            }
            let spread = i128::from(most) - i128::from(least);
            if spread > i128::from(tolerance) && self.rules.keeps(Rule::Tolerance) {
                return Err(Reason::Tolerance {
                    step,
                    spread,
                    tolerance,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn consent(
        &self,
        log: &Log,
        node: u32,
        member: usize,
        id: MessageId,
    ) -> Result<What, Reason> {
        let op = self.past(log, node, id)?;
        let What::Proposal { coupling, .. } = op.what else {
            return Err(Reason::Refers(id));
        };
        let proposal = op.node;
        self.coupling(&self.terms.couplings[coupling].terms.id, member)?;
        let owner = self.owner(coupling);
        if owner == member {
            return Err(Reason::Self_);
        }
        let clock = self.causal.clock(node);
        let author = self.causal.spot(proposal).author;
        if self.causal.knows_fork(clock, author) {
            return Err(Reason::Forked(self.terms.members()[owner].clone()));
        }
        let known = |node| self.causal.holds(clock, node);
        if self.concludes(&self.said[owner], proposal, known) {
            return Err(Reason::Concluded(id));
        }
        Ok(What::Consent { proposal })
    }

    pub(crate) fn switch(
        &self,
        log: &Log,
        node: u32,
        member: usize,
        account: &Account,
        id: MessageId,
    ) -> Result<What, Reason> {
        let op = self.past(log, node, id)?;
        let What::Proposal { coupling, .. } = op.what else {
            return Err(Reason::Refers(id));
        };
        let proposal = op.node;
        self.owned(self.terms.couplings[coupling].pools[0], member)?;
        if !self.causal.on_chain(node, proposal) {
            return Err(Reason::Refers(id));
        }
        if self.concludes(&account.said, proposal, |_| true) {
            return Err(Reason::Concluded(id));
        }
        let clock = self.causal.clock(node);
        for other in &self.terms.couplings[coupling].members {
            let mut said = self.said[*other].iter().map(|op| &self.ops[*op]);
            let consents = said.any(|op| {
                let of = matches!(op.what, What::Consent { proposal: of } if of == proposal);
                of && self.causal.holds(clock, op.node)
            });
            if *other != member && !consents && self.rules.keeps(Rule::Consent) {
                return Err(Reason::NoConsent(self.terms.members()[*other].clone()));
            }
        }
        Ok(What::Switch { proposal })
    }

    /// Takes back an own request, or an own proposal that is open on the branch.
    pub(crate) fn withdraw(
        &self,
        log: &Log,
        node: u32,
        member: usize,
        account: &Account,
        id: MessageId,
    ) -> Result<What, Reason> {
        let op = self.past(log, node, id)?;
        let of = op.node;
        if op.member != member || !self.causal.on_chain(node, of) {
            return Err(Reason::Refers(id));
        }
        match op.what {
            What::Proposal { .. } if self.concludes(&account.said, of, |_| true) => {
                Err(Reason::Concluded(id))
            }
            What::Request { .. } | What::Proposal { .. } => Ok(What::Withdrawal { of }),
            _ => Err(Reason::Refers(id)),
        }
    }

    /// Whether a member has consented to a proposal for the step that, as far as
    /// all entries here say, is not concluded.
    pub(crate) fn is_between(&self, coupling: usize, member: usize, step: usize) -> bool {
        if !self.rules.keeps(Rule::ConsentBinds) {
            return false;
        }
        let owner = self.owner(coupling);
        let mut said = self.said[member].iter().map(|op| &self.ops[*op]);
        said.any(|op| {
            let What::Consent { proposal } = op.what else {
                return false;
            };
            let Some((of, span)) = self.proposal(proposal) else {
                return false;
            };
            let concerns = of == coupling && span.iter().any(|(at, _)| at == step);
            concerns && !self.concludes(&self.said[owner], proposal, |_| true)
        })
    }
}
