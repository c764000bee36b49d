//! The node: a member, its closer where it is one, and a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_coordination::closing::ask::Ask;
use cosmosmesh_coordination::closing::closer::{self, Closer};
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::lease::fence::Fence;
use cosmosmesh_coordination::member::{Member, MemberError, Voice};
use cosmosmesh_coordination::progress::Progress;
use cosmosmesh_log::store::{Access, Disk, SegmentStore, Store, StoreError};
use cosmosmesh_log::{Entry, Verified};
use cosmosmesh_mission::{Canonical, Delta, MessageId, Payload, UtcSeconds};

use crate::frame::Frame;

/// Whether a node has run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Its key has never signed anything.
    First,
    /// It has run: its store is to be taken up, and may be older than what others have.
    Again,
}

/// What happens to a node.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// It begins. Comes once, before all others.
    Start,
    /// A frame arrived.
    Arrived {
        /// From whom, as the link says.
        from: usize,
        /// Its bytes, whoever wrote them.
        frame: &'e [u8],
    },
    /// A timer has passed.
    Passed(Timer),
    /// A contact with a member has opened.
    LinkUp(usize),
}

/// What a node waits for. How long is for its driver to say, by the contact plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The time that it takes to answer.
    Think,
    /// A member that is no closer has heard nothing new since it knew of a round. Wait for
    /// two rounds, and twice as long each time.
    Silence {
        /// The round.
        round: u32,
        /// How often it has asked already.
        tries: u32,
    },
    /// One of its closer's.
    Closer(closer::Timer),
    /// What others hold of it, before it says anything again. Wait for a trip there and
    /// back, and twice as long each time.
    Heads {
        /// How often it has asked already.
        tries: u32,
    },
}

/// What a driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a frame to a member.
    Send {
        /// To whom.
        to: usize,
        /// Its bytes.
        frame: Vec<u8>,
    },
    /// Come back when the time has passed.
    Wait(Timer),
}

/// Why a node has stopped. What it holds durably it still holds: it can be opened again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Halted {
    /// Its member cannot go on.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Its disk has failed, or is full.
    #[error("its store failed: {0}; mend the disk, and start the node again")]
    Store(#[from] StoreError),
    /// Others hold something that it signed and does not hold.
    #[error(
        "others hold {0}, which this node signed and its store does not have: the store was \
         restored from a backup; start the node again as one that has run before"
    )]
    Behind(MessageId),
    /// It has stopped before.
    #[error("it has stopped before; start it again")]
    Before,
}

/// A node. See the [module](self).
pub struct Node<D: Disk> {
    contract: Arc<Contract>,
    member: Member,
    closer: Option<Closer>,
    store: SegmentStore<D>,
    /// How many entries of the log are durable.
    saved: usize,
    thinking: bool,
    fence: Fence,
    /// Who has said what it holds of this node, and it is here.
    heads: BTreeSet<usize>,
    halted: bool,
    actions: Vec<Action>,
}

impl<D: Disk> std::fmt::Debug for Node<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Node");
        shown.field("member", &self.member).finish_non_exhaustive()
    }
}

impl<D: Disk> Node<D> {
    /// The node of a member that was just made, with the store on a disk.
    ///
    /// # Errors
    /// The store cannot be opened, or holds what no log takes.
    pub fn open(
        contract: Arc<Contract>,
        mut member: Member,
        disk: D,
        life: Life,
    ) -> Result<Self, StoreError> {
        let store = SegmentStore::open(disk, contract.hash(), Access::Write)?;
        member.load(&store)?;
        let mut fence = Fence::OPEN;
        if life == Life::Again || !member.log().is_empty() {
            fence.restored();
        }
        let me = member.index();
        let is_closer = contract.closers().contains(&me);
        Ok(Self {
            closer: is_closer.then(|| Closer::new(contract.clone(), me)),
            saved: member.log().len(),
            contract,
            member,
            store,
            thinking: false,
            fence,
            heads: BTreeSet::new(),
            halted: false,
            actions: Vec::new(),
        })
    }

    /// Its member.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Its closer, if it is one.
    pub fn closer(&self) -> Option<&Closer> {
        self.closer.as_ref()
    }

    /// Where the agreement stands, as its closer knows.
    pub fn progress(&self) -> Option<&Arc<Progress>> {
        self.closer.as_ref()?.progress()
    }

    /// What it must not trust of itself.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Takes note of what happened, given the time on its clock, and says what is to be
    /// done. What it said and heard is durable when this returns.
    ///
    /// Frames that cannot be read, and entries that break a rule, are passed over.
    ///
    /// # Errors
    /// It has stopped; nothing of what it was about to send may be sent.
    pub fn handle(&mut self, event: Event<'_>, now: UtcSeconds) -> Result<Vec<Action>, Halted> {
        self.handle_in(event, now, &mut |payload| vec![payload])
    }

    /// The same in another voice: for members that do not say what they should.
    ///
    /// # Errors
    /// As [`Self::handle`].
    pub fn handle_in(
        &mut self,
        event: Event<'_>,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Action>, Halted> {
        if self.halted {
            return Err(Halted::Before);
        }
        let done = self.step(event, now, voice);
        match done.and_then(|()| self.save()) {
            Ok(()) => Ok(std::mem::take(&mut self.actions)),
            Err(why) => {
                self.halted = true;
                Err(why)
            }
        }
    }

    /// Takes entries into its log and its store, and says nothing about them. Those that
    /// break a rule are passed over.
    ///
    /// # Errors
    /// Its store fails.
    pub fn hold(&mut self, entries: Vec<Entry>) -> Result<(), Halted> {
        for verified in self.verified(entries) {
            // What the log does not take nobody does.
            let _ = self.member.hear(&verified);
        }
        self.save()
    }

    /// Signs what brings leases to the agreed plan, once it is final and unless the node
    /// may not sign.
    ///
    /// # Errors
    /// Its store fails, or its member cannot go on.
    pub fn grant(&mut self, now: UtcSeconds, voice: &mut Voice<'_>) -> Result<(), Halted> {
        if self.fence.may_sign() {
            self.member.grant(now, voice)?;
        }
        self.save()
    }

    /// Whether it has signed what it was to, or may not sign at all.
    pub fn has_granted(&self) -> bool {
        !self.fence.may_sign() || self.member.has_granted()
    }

    /// Makes what is new in the log durable.
    fn save(&mut self) -> Result<(), Halted> {
        let log = self.member.log();
        if log.len() > self.saved {
            log.save(log.attached_since(self.saved), &mut self.store)?;
            self.store.commit()?;
            self.saved = log.len();
        }
        Ok(())
    }

    /// What of entries is new and bears the signature of its author.
    fn verified(&self, entries: Vec<Entry>) -> Vec<Verified> {
        let log = self.member.log();
        let new = entries.into_iter().filter(|e| log.find(&e.id()).is_none());
        new.filter_map(|e| log.terms().verify(e).ok()).collect()
    }

    fn step(
        &mut self,
        event: Event<'_>,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<(), Halted> {
        match event {
            Event::Start if self.fence.may_sign() => self.begin(now, voice),
            Event::Start => {
                self.ask_heads(0);
                self.unfence(now, voice)
            }
            Event::Arrived { from, frame } => match Frame::from_cbor(frame) {
                Ok(frame) => self.take(from, frame, now, voice),
                // Links are not trusted.
                Err(_) => Ok(()),
            },
            Event::Passed(Timer::Heads { tries }) => {
                if !self.fence.may_sign() {
                    self.ask_heads(tries + 1);
                }
                Ok(())
            }
            _ if !self.fence.may_sign() => Ok(()),
            Event::Passed(Timer::Think) => {
                self.thinking = false;
                let said = self.member.act_in(now, voice)?;
                self.send_out(&said);
                self.prompt(None, now, voice)
            }
            Event::Passed(Timer::Closer(timer)) => self.prompt(Some(timer), now, voice),
            Event::Passed(Timer::Silence { round, tries }) => {
                if self.member.newest() == round && !self.member.is_final() {
                    let closers = self.contract.closers();
                    let to = closers[(self.member.index() + tries as usize) % closers.len()];
                    self.send(to, &Frame::Ask(self.member.ask()));
                    self.await_calls(tries + 1);
                }
                Ok(())
            }
            Event::LinkUp(to) => {
                self.offer(to);
                Ok(())
            }
        }
    }

    fn begin(&mut self, now: UtcSeconds, voice: &mut Voice<'_>) -> Result<(), Halted> {
        if let Some(closer) = &mut self.closer {
            let actions = closer.start(&mut self.member, now, voice)?;
            self.perform(actions);
            self.think();
        }
        self.await_calls(0);
        Ok(())
    }

    fn take(
        &mut self,
        from: usize,
        frame: Frame,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<(), Halted> {
        if from >= self.contract.members().len() {
            return Ok(());
        }
        let open = self.fence.may_sign();
        match frame {
            Frame::Entries(entries) => {
                let entries = entries.iter().filter_map(|b| Entry::from_bytes(b).ok());
                let entries = self.verified(entries.collect());
                if open {
                    self.hear(&entries, now, voice)?;
                } else {
                    for entry in entries {
                        let _ = self.member.hold(entry);
                    }
                }
            }
            Frame::Ask(ask) => {
                if let Some(closer) = self.closer.as_ref().filter(|_| open) {
                    let entries = closer.answer(from, &ask, self.member.log());
                    self.send_entries(from, &entries);
                }
            }
            Frame::HeadAsked(ask) => {
                let log = self.member.log();
                let tip = log.tip(self.contract.author(from));
                let entries = ask.answer(log, tip);
                let head = Frame::Head(tip.map(|ix| log.id(ix)));
                self.send_entries(from, &entries);
                self.send(from, &head);
            }
            Frame::Head(head) => {
                let log = self.member.log();
                let here = head.is_none_or(|id| log.find(&id).is_some());
                if !open && here {
                    self.heads.insert(from);
                    self.unfence(now, voice)?;
                }
            }
        }
        Ok(())
    }

    fn hear(
        &mut self,
        entries: &[Verified],
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<(), Halted> {
        let before = self.member.newest();
        let me = self
            .contract
            .terms()
            .author(self.contract.author(self.member.index()));
        for e in entries {
            if Some(&e.entry().header().author) == me {
                return Err(Halted::Behind(e.entry().id()));
            }
            // A member passes over what does not fit. It is among what the ledger
            // leaves out.
            let _ = self.member.hear(e);
        }
        if self.member.newest() > before {
            self.await_calls(0);
        }
        self.prompt(None, now, voice)?;
        self.think();
        Ok(())
    }

    /// A closer looks at what is new, or at a timer that has passed.
    fn prompt(
        &mut self,
        timer: Option<closer::Timer>,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<(), Halted> {
        let Some(closer) = &mut self.closer else {
            return Ok(());
        };
        let actions = match timer {
            Some(timer) => closer.passed(timer, &mut self.member, now, voice),
            None => closer.heard(&mut self.member, now, voice),
        };
        self.perform(actions?);
        // What it says itself it may have to answer.
        self.think();
        Ok(())
    }

    fn perform(&mut self, actions: Vec<closer::Action>) {
        for action in actions {
            match action {
                closer::Action::Send { to, entries } => self.send_entries(to, &entries),
                closer::Action::Ask { to, ask } => self.send(to, &Frame::Ask(ask)),
                closer::Action::Wait(timer) => {
                    self.actions.push(Action::Wait(Timer::Closer(timer)));
                }
            }
        }
    }

    fn think(&mut self) {
        if !self.thinking {
            self.thinking = true;
            self.actions.push(Action::Wait(Timer::Think));
        }
    }

    /// A member that is no closer asks when it hears nothing new for long.
    fn await_calls(&mut self, tries: u32) {
        if self.closer.is_none() && !self.member.is_final() {
            let round = self.member.newest();
            self.actions
                .push(Action::Wait(Timer::Silence { round, tries }));
        }
    }

    fn send(&mut self, to: usize, frame: &Frame) {
        // What has no encoding is too large for any link, and is asked for in parts.
        if let Ok(frame) = frame.to_cbor() {
            self.actions.push(Action::Send { to, frame });
        }
    }

    fn send_entries(&mut self, to: usize, entries: &[Verified]) {
        for frame in Frame::of_entries(entries) {
            self.send(to, &frame);
        }
    }

    /// Sends what its member says, and what that said and nobody has closed with yet.
    /// Everything goes to the closers; allocations to all members of the coupling as
    /// well. Messages for one receiver travel together.
    fn send_out(&mut self, said: &[Verified]) {
        if said.is_empty() {
            return;
        }
        let mut bundles: BTreeMap<usize, Vec<Verified>> = BTreeMap::new();
        for e in said {
            let Ok(envelope) = e.entry().envelope() else {
                continue;
            };
            if let Payload::PlanDelta(plan) = &envelope.payload
                && let Delta::Allocation { coupling, .. } = &plan.delta
            {
                for to in self.touching(coupling.as_str()) {
                    bundles.entry(to).or_default().push(e.clone());
                }
            }
        }
        let unheard: Vec<Verified> = self.member.unheard().cloned().collect();
        let ids: BTreeSet<_> = unheard.iter().map(|e| e.entry().id()).collect();
        for c in self.contract.closers() {
            let bundle = bundles.entry(*c).or_default();
            bundle.retain(|e| !ids.contains(&e.entry().id()));
            bundle.splice(..0, unheard.iter().cloned());
        }
        bundles.remove(&self.member.index());
        for (to, bundle) in bundles {
            self.send_entries(to, &bundle);
        }
    }

    /// Offers a closer what nobody has closed with yet, and asks it for calls.
    fn offer(&mut self, to: usize) {
        if to == self.member.index() || !self.contract.closers().contains(&to) {
            return;
        }
        let unheard: Vec<Verified> = self.member.unheard().cloned().collect();
        self.send_entries(to, &unheard);
        if self.closer.is_none() && !self.member.is_final() {
            self.send(to, &Frame::Ask(self.member.ask()));
        }
    }

    fn touching(&self, coupling: &str) -> Vec<usize> {
        let frame = self.contract.frame();
        let touches = |i: &usize| {
            let mut rows = frame.members[*i].rows.iter();
            rows.any(|&r| frame.rows[r].coupling.as_str() == coupling)
        };
        (0..frame.members.len()).filter(touches).collect()
    }

    /// Whom it asks what they hold of it, and how many of them must have said so: the
    /// other closers, and what makes a quorum with itself; where it is the only closer,
    /// the members, and the greater half of them.
    fn witnesses(&self) -> (Vec<usize>, usize) {
        let me = self.member.index();
        let closers = self.contract.closers();
        let others: Vec<usize> = closers.iter().copied().filter(|c| *c != me).collect();
        if others.is_empty() {
            let members: Vec<usize> = (0..self.contract.members().len())
                .filter(|i| *i != me)
                .collect();
            let enough = members.len() / 2 + usize::from(!members.is_empty());
            return (members, enough);
        }
        let quorum = self.contract.rules().quorum();
        let enough = quorum - usize::from(self.closer.is_some());
        (others, enough.max(1))
    }

    fn ask_heads(&mut self, tries: u32) {
        let ask = Ask::of(self.member.log(), 0, false);
        let due = self.witnesses().0.into_iter();
        for to in due
            .filter(|to| !self.heads.contains(to))
            .collect::<Vec<_>>()
        {
            self.send(to, &Frame::HeadAsked(ask.clone()));
        }
        self.actions.push(Action::Wait(Timer::Heads { tries }));
    }

    /// Begins again once enough others have said what they hold of it, and all that is
    /// here.
    fn unfence(&mut self, now: UtcSeconds, voice: &mut Voice<'_>) -> Result<(), Halted> {
        let (witnesses, enough) = self.witnesses();
        let heard = witnesses.iter().filter(|w| self.heads.contains(w)).count();
        if heard < enough {
            return Ok(());
        }
        self.fence.head_returned();
        self.member.resume();
        if let Some(closer) = &mut self.closer {
            closer.resume(self.member.log());
        }
        self.begin(now, voice)?;
        for to in self.contract.closers().to_vec() {
            self.offer(to);
        }
        self.think();
        Ok(())
    }
}
