//! One meeting, as one side sees it.

use std::collections::{BTreeSet, VecDeque};

use cosmosmesh_mission::{Canonical as _, ContractHash, DecodeError};
use thiserror::Error;

use super::message::{Hello, MAX_ENTRIES_BYTES, Message, Progress, Scope, Step};
use super::outline::Intake;
use super::plan::{Priority, history_last, lacking, ordered};
use super::repair::Asked;
use super::sketch::Salt;
use super::vector::Vector;
use crate::entry::{Entry, EntryError};
use crate::log::{EntryIx, Log};

/// How many earlier vectors of a peer are remembered.
const MAX_BEFORE: usize = 8;

/// How many hellos of the other side one meeting takes: each costs a look at every
/// author and every entry that is missing.
const MAX_HELLOS: u32 = 8;

/// What one side remembers of the other between meetings. To lose it costs bytes,
/// nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerRecord {
    /// What the peer said that it has.
    pub theirs: Option<Vector>,
    /// Earlier vectors of the peer that `theirs` follows from.
    pub before: VecDeque<[u8; 8]>,
    /// What this side said last.
    pub said: Option<Vector>,
    /// What this side said and the peer acknowledged.
    pub acked: Option<Vector>,
    /// What came of the past of a checkpoint, as far as it came: at most the headers of
    /// that past.
    pub outline: Option<Box<Intake>>,
}

/// How a meeting is to go.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many bytes of entries and sketches this side may send.
    pub budget_bytes: usize,
    /// About how many bytes of entries go into one message.
    pub message_bytes: usize,
    /// What goes first.
    pub priority: Priority,
    /// Random bytes, fresh for each meeting and unknown to others before it.
    pub salt: Salt,
}

impl Options {
    /// Sixteen megabytes, in messages of 64 kB, history last.
    pub fn new(salt: Salt) -> Self {
        Self {
            budget_bytes: 16 << 20,
            message_bytes: 64 << 10,
            priority: history_last,
            salt,
        }
    }
}

/// How a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Open,
    /// Both sides have the same, as far as this one can tell.
    Same,
    /// A budget kept something back: meet again.
    Cut,
    /// Something is missing that this meeting did not find, or that was pruned and
    /// is behind no checkpoint that the peer could take: meet again, or meet others.
    Differ,
}

/// Why a peer's message is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// It is no message.
    #[error("no sync message: {0}")]
    Decode(#[from] DecodeError),
    /// It holds something that is no entry.
    #[error("no entry in a sync message: {0}")]
    Entry(#[from] EntryError),
    /// The peer holds another contract.
    #[error("the peer syncs contract {actual}, this side {expected}")]
    Contract {
        /// This side's.
        expected: ContractHash,
        /// The peer's.
        actual: ContractHash,
    },
    /// The peer sent what was not asked for, or too often.
    #[error("unexpected message: {0}")]
    Unexpected(&'static str),
}

/// Who began, and whether it had to say all of it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Opener,
    OpenerAgain,
    Answerer,
}

/// One meeting. Feed it what comes with [`receive`](Self::receive), put the
/// entries into log and store, call [`advance`](Self::advance), and send what
/// [`poll`](Self::poll) gives.
#[derive(Debug)]
pub struct Session {
    pub(super) options: Options,
    role: Role,
    record: PeerRecord,
    pub(super) left_bytes: usize,
    pub(super) out: VecDeque<Message>,
    inbox: VecDeque<Message>,
    /// The peer's last hello, and how many messages with entries it announced.
    hello: Option<(Hello, u32)>,
    pub(super) cut: bool,
    pruned: bool,
    hellos: u32,
    pub(super) sketches: u32,
    pub(super) asked: Option<Asked>,
    pub(super) their_progress: Option<Progress>,
    pub(super) resumed: Option<Log>,
    outcome: Outcome,
}

impl Session {
    /// Begins a meeting.
    pub fn open(log: &Log, record: PeerRecord, options: Options) -> Self {
        let mut session = Self::new(Role::Opener, record, options);
        session.send_open(log);
        session
    }

    /// Waits for the other side to begin one.
    pub fn answer(record: PeerRecord, options: Options) -> Self {
        Self::new(Role::Answerer, record, options)
    }

    fn new(role: Role, record: PeerRecord, options: Options) -> Self {
        Self {
            left_bytes: options.budget_bytes,
            options,
            role,
            record,
            out: VecDeque::new(),
            inbox: VecDeque::new(),
            hello: None,
            cut: false,
            pruned: false,
            hellos: 0,
            sketches: 0,
            asked: None,
            their_progress: None,
            resumed: None,
            outcome: Outcome::Open,
        }
    }

    /// What to remember until the next meeting. Good at any time.
    pub fn record(&self) -> &PeerRecord {
        &self.record
    }

    pub(super) fn record_mut(&mut self) -> &mut PeerRecord {
        &mut self.record
    }

    /// How the meeting stands.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The next message to send.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        let message = self.out.pop_front()?;
        Some(
            message
                .to_cbor()
                .expect("messages are made within the limits"),
        )
    }

    /// Takes a message; gives the entries in it. They are well formed and not
    /// verified: [`Terms::verify`](crate::Terms::verify) them, insert them, write
    /// what is attached to the store, and then [`advance`](Self::advance), and look
    /// whether the meeting [resumed](Self::resumed) from a checkpoint.
    ///
    /// # Errors
    /// The message is not understood. The session is as it was.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Entry>, SyncError> {
        match Message::from_cbor(bytes)? {
            Message::Entries(encoded) => {
                let entries = encoded.iter().map(|bytes| Entry::from_bytes(bytes));
                let entries = entries.collect::<Result<_, _>>()?;
                self.announced();
                Ok(entries)
            }
            // One message is answered before the next is taken.
            _ if self.inbox.len() > 4 => Err(SyncError::Unexpected("too many at once")),
            message => {
                self.inbox.push_back(message);
                Ok(Vec::new())
            }
        }
    }

    /// Goes on with what was received, after its entries went into `log`.
    ///
    /// # Errors
    /// The peer holds another contract, or breaks the protocol.
    pub fn advance(&mut self, log: &Log) -> Result<(), SyncError> {
        while let Some(message) = self.inbox.pop_front() {
            match message {
                Message::Hello(hello) => self.take_hello(log, hello)?,
                Message::Estimate(salt, scope, counters) => {
                    self.serve_estimate(log, salt, scope, &counters)?;
                }
                Message::More(salt, scope, from) => {
                    let from = from as usize;
                    self.serve_sketch(log, salt, scope, from, 2 * from.max(64))?;
                }
                Message::Sketch(_, scope, from, symbols) => {
                    self.take_sketch(log, &scope, from as usize, symbols)?;
                }
                Message::Want(salt, scope, wanted) => {
                    self.serve_want(log, salt, &scope, &wanted)?;
                }
                Message::Checkpoint(votes) => {
                    self.announced();
                    self.take_votes(log, &votes)?;
                }
                Message::Outline(checkpoint, after, items) => {
                    self.announced();
                    self.take_outline(log, checkpoint, after, &items)?;
                }
                Message::Entries(_) => {}
            }
        }
        if self.resumed.is_some() {
            return Ok(());
        }
        if let Some((hello, 0)) = &self.hello {
            let hello = hello.clone();
            self.hello = None;
            self.end_of_flight(log, &hello);
        }
        self.end_of_repair(log);
        Ok(())
    }

    /// One of the messages that a hello announced has come.
    fn announced(&mut self) {
        if let Some((_, left)) = &mut self.hello {
            *left = left.saturating_sub(1);
        }
    }

    fn send_open(&mut self, log: &Log) {
        let lacks = self
            .record
            .theirs
            .as_ref()
            .map(|theirs| lacking(log, theirs).0);
        self.send_hello(log, Step::Open, &lacks.unwrap_or_default(), false);
    }

    /// A hello and the entries that belong to it.
    fn send_hello(&mut self, log: &Log, step: Step, lacks: &BTreeSet<EntryIx>, asks: bool) {
        let mut entries = Vec::new();
        if lacks.iter().any(|ix| log.is_pruned(*ix)) {
            // How far the peer got before stands in its hello.
            if step != Step::Open {
                let (outline, rest) = self.outline(log, lacks);
                entries = outline;
                if !self.cut {
                    entries.extend(self.within_budget(log, &rest));
                }
            }
        } else {
            entries = self.within_budget(log, lacks);
        }
        let vector = Vector::of(log);
        let base = self.record.acked.as_ref();
        let claims = base.map_or_else(|| vector.clone(), |base| vector.since(base));
        self.out.push_back(Message::Hello(Hello {
            contract_hash: log.terms().contract_hash(),
            step,
            base: base.map(Vector::digest),
            saw: self.record.theirs.as_ref().map(Vector::digest),
            claims,
            digest: log.digest(),
            follow: entries.len() as u32,
            cut: self.cut,
            asks,
            progress: self.record.outline.as_ref().and_then(|it| it.progress()),
        }));
        self.out.extend(entries);
        self.record.said = Some(vector);
    }

    /// Messages with as many entries as the budget has room for.
    pub(super) fn within_budget(&mut self, log: &Log, lacks: &BTreeSet<EntryIx>) -> Vec<Message> {
        let mut messages = Vec::new();
        let (mut message, mut size) = (Vec::new(), 0);
        let limit = self.options.message_bytes.clamp(1, MAX_ENTRIES_BYTES);
        for ix in ordered(log, lacks, self.options.priority) {
            let Some(entry) = log.entry(ix) else {
                self.pruned = true;
                continue;
            };
            let bytes = entry.to_bytes();
            if bytes.len() > self.left_bytes {
                self.cut = true;
                break;
            }
            self.left_bytes -= bytes.len();
            if size + bytes.len() > limit && !message.is_empty() {
                messages.push(Message::Entries(std::mem::take(&mut message)));
                size = 0;
            }
            size += bytes.len();
            message.push(bytes);
        }
        if !message.is_empty() {
            messages.push(Message::Entries(message));
        }
        messages
    }

    fn take_hello(&mut self, log: &Log, hello: Hello) -> Result<(), SyncError> {
        let expected = log.terms().contract_hash();
        if hello.contract_hash != expected {
            return Err(SyncError::Contract {
                expected,
                actual: hello.contract_hash,
            });
        }
        self.hellos += 1;
        if self.hellos > MAX_HELLOS {
            return Err(SyncError::Unexpected("greets too often"));
        }
        if (self.role == Role::Answerer) == (hello.step == Step::Reply) {
            return Err(SyncError::Unexpected("a hello of the wrong step"));
        }
        let record = &mut self.record;
        let knows = |vector: &Option<Vector>| {
            hello.saw.is_some() && vector.as_ref().map(Vector::digest) == hello.saw
        };
        if knows(&record.said) {
            record.acked = record.said.clone();
        } else if !knows(&record.acked) {
            record.acked = None;
        }
        match (hello.base, &mut record.theirs) {
            (None, theirs) => {
                *theirs = Some(hello.claims.clone());
                record.before.clear();
            }
            // Claims change whatever follows from their base: the last word holds.
            (Some(base), Some(theirs))
                if theirs.digest() == base || record.before.contains(&base) =>
            {
                record.before.push_back(theirs.digest());
                if record.before.len() > MAX_BEFORE {
                    record.before.pop_front();
                }
                theirs.apply(&hello.claims);
            }
            // What the claims change is not known here: it has to say it all.
            (Some(_), theirs) => *theirs = None,
        }
        let follow = hello.follow;
        self.their_progress.clone_from(&hello.progress);
        self.hello = Some((hello, follow));
        Ok(())
    }

    fn end_of_flight(&mut self, log: &Log, hello: &Hello) {
        let Some(theirs) = self.record.theirs.clone() else {
            if hello.step == Step::Open {
                self.send_hello(log, Step::Reply, &BTreeSet::new(), false);
            }
            return;
        };
        let (lacks, conflicts) = lacking(log, &theirs);
        match hello.step {
            Step::Open => {
                let asks = !conflicts.is_empty();
                self.send_hello(log, Step::Reply, &lacks, asks);
                if asks {
                    self.ask(log, Scope(conflicts));
                }
            }
            Step::Reply if hello.saw.is_none() && self.role == Role::Opener => {
                // The peer could not read what changed: begin again, in full.
                self.role = Role::OpenerAgain;
                self.record.acked = None;
                self.send_open(log);
            }
            Step::Reply => {
                let same = hello.digest == log.digest();
                let hidden = !same && lacks.is_empty() && !hello.cut;
                let unclear = !conflicts.is_empty() || hidden;
                let asks = unclear && !hello.asks && !self.cut;
                self.send_hello(log, Step::Close, &lacks, asks);
                if asks {
                    self.ask(log, Scope(conflicts));
                } else if !hello.asks {
                    self.settle(same || !unclear, hello.cut);
                }
            }
            Step::Close => {
                let same = hello.digest == log.digest();
                if !same && !hello.asks && !hello.cut && !self.cut && self.asked.is_none() {
                    self.ask(log, Scope(conflicts));
                } else if same || !hello.asks {
                    self.settle(same, hello.cut);
                }
            }
        }
    }

    pub(super) fn settle(&mut self, same: bool, cut: bool) {
        self.outcome = match (self.cut || cut, same && !self.pruned) {
            (true, _) => Outcome::Cut,
            (false, true) => Outcome::Same,
            (false, false) => Outcome::Differ,
        };
    }
}
