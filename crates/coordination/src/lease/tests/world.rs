//! A small world: four members, four couplings, and an authority that can revoke.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::{Draft, Entry, EntryIx, Kind, Log, Revocation, Terms};
use cosmosmesh_mission::{
    AuthorId, BootEpoch, Canonical as _, ContractHash, ContractId, Delta, Epoch, FixedVec,
    MemberId, MessageId, PlanDelta, Seq, TimeGrid, UtcSeconds,
};

use super::super::fence::Fence;
use super::super::rules::{Rule, Rules};
use super::super::{CouplingKind, CouplingTerms, LeaseTerms, Leases, PoolTerms};

/// Splitmix64.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

pub(super) const STEPS: usize = 4;
pub(super) const AUTHORITY: usize = 4;
const CONTRACT: ContractHash = ContractHash([7; 32]);

pub(super) fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a name")
}

pub(super) fn list(values: &[i64]) -> FixedVec {
    FixedVec(values.to_vec())
}

pub(super) fn pool(owner: &str, amount: i64) -> PoolTerms {
    PoolTerms {
        owner: id(owner),
        amount: list(&[amount]),
        limit: list(&[amount]),
        reserve: list(&[0]),
        floors: BTreeMap::new(),
        weights: BTreeMap::new(),
    }
}

pub(super) fn coupling(name: &str, kind: CouplingKind, pools: Vec<PoolTerms>) -> CouplingTerms {
    CouplingTerms {
        id: id(name),
        members: ["a", "b", "c", "d"].map(id).into(),
        kind,
        pools,
        curtailment: vec![id("c"), id("d"), id("b")],
        priority: vec![id("d")],
        cap: None,
        quorum: 0,
    }
}

pub(super) fn couplings() -> Vec<CouplingTerms> {
    let mut link = coupling("link", CouplingKind::Capacity, vec![pool("a", 20)]);
    link.cap = Some(3);
    link.quorum = 2;
    link.pools[0].reserve = list(&[2]);
    link.pools[0].floors = ["a", "b", "c", "d"].map(|m| (id(m), list(&[1]))).into();
    link.pools[0].weights = [("a", 3), ("b", 2), ("c", 2), ("d", 1)]
        .map(|(m, w)| (id(m), w))
        .into();
    let mut one = pool("a", 6);
    one.limit = list(&[12]);
    one.reserve = list(&[1]);
    one.floors = [(id("b"), list(&[1]))].into();
    one.weights = [(id("a"), 1), (id("c"), 1)].into();
    let mut two = pool("d", 0);
    two.limit = list(&[5]);
    let bus = coupling("bus", CouplingKind::Balance, vec![one, two]);
    let dish = coupling("dish", CouplingKind::Capacity, vec![pool("b", 1)]);
    let mut values = pool("b", 10);
    (values.limit, values.reserve) = (list(&[]), list(&[]));
    let kind = CouplingKind::Agreement { tolerance: 4 };
    let freq = coupling("freq", kind, vec![values]);
    vec![link, bus, dish, freq]
}

pub(super) fn grid() -> TimeGrid {
    TimeGrid::uniform(UtcSeconds(1000), STEPS as u32, 100).expect("a grid")
}

pub(super) struct World {
    pub(super) terms: Arc<Terms>,
    pub(super) leases: Arc<LeaseTerms>,
    pub(super) names: Vec<AuthorId>,
    keys: Vec<SecretKey>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(couplings())
    }

    pub(super) fn with(couplings: Vec<CouplingTerms>) -> Self {
        let names: Vec<AuthorId> = ["a", "b", "c", "d", "z-authority"].map(id).into();
        let keys: Vec<SecretKey> = (0..5).map(|i| SecretKey::from_seed([i + 1; 32])).collect();
        let public = keys.iter().map(SecretKey::public);
        let by_name = names.iter().cloned().zip(public).collect();
        let authorities = BTreeSet::from([names[AUTHORITY].clone()]);
        let terms = Terms::new(CONTRACT, by_name, &authorities, &BTreeSet::new(), 0);
        Self {
            terms: Arc::new(terms.expect("terms")),
            leases: Arc::new(LeaseTerms::new(grid(), 20, couplings).expect("terms of leases")),
            names,
            keys,
        }
    }

    pub(super) fn node(self: &Arc<Self>, author: usize, without: Option<Rule>) -> Node {
        let mut leases = Leases::new(self.leases.clone(), id("contract"), &self.terms);
        leases.rules = Rules { without };
        Node {
            world: self.clone(),
            author,
            tip: None,
            log: Log::new(self.terms.clone()),
            leases,
            fence: Fence::OPEN,
            head: None,
            boot: 0,
        }
    }

    pub(super) fn entry(
        &self,
        author: usize,
        after: Option<&Entry>,
        boot: u64,
        deps: Vec<MessageId>,
        (kind, body): (Kind, Vec<u8>),
    ) -> Entry {
        let header = after.map(Entry::header);
        let same = header.is_some_and(|h| h.boot_epoch.0 == boot);
        let draft = Draft {
            author: self.names[author].clone(),
            boot_epoch: BootEpoch(boot),
            seq: Seq(header.filter(|_| same).map_or(0, |h| h.seq.0 + 1)),
            backlink: after.map(Entry::id),
            deps,
            time: UtcSeconds(0),
            contract_hash: CONTRACT,
            kind,
            body,
        };
        draft.sign(&self.keys[author]).expect("an entry")
    }

    pub(super) fn body(&self, author: usize, delta: Delta) -> (Kind, Vec<u8>) {
        let plan = PlanDelta {
            delta,
            timestamp: UtcSeconds(0),
            author: self.names[author].clone(),
            contract_id: id::<ContractId>("contract"),
            signature: None,
        };
        (Kind(2), plan.to_cbor().expect("a delta"))
    }
}

/// One node, or one face of a member that forks.
#[derive(Clone)]
pub(super) struct Node {
    world: Arc<World>,
    pub(super) author: usize,
    pub(super) tip: Option<Arc<Entry>>,
    pub(super) log: Log,
    pub(super) leases: Leases,
    pub(super) fence: Fence,
    /// What it has signed last, whatever it remembers.
    head: Option<MessageId>,
    boot: u64,
}

impl Node {
    pub(super) fn take(&mut self, entry: &Arc<Entry>) {
        let verified = self.world.terms.trust(Entry::clone(entry));
        let taken = self.log.insert(verified.expect("of the contract"));
        taken.expect("a good entry");
        self.leases.take(&self.log);
        if !self.fence.may_sign() && self.head.is_none_or(|head| self.log.find(&head).is_some()) {
            self.fence.head_returned();
            let entry = self.head.and_then(|head| self.log.find(&head));
            self.tip = entry.and_then(|ix| self.log.entry(ix).cloned());
        }
    }

    fn sign(&mut self, said: (Kind, Vec<u8>), deps: Vec<MessageId>) -> Arc<Entry> {
        assert!(self.fence.may_sign());
        let entry = self
            .world
            .entry(self.author, self.tip.as_deref(), self.boot, deps, said);
        let entry = Arc::new(entry);
        self.tip = Some(entry.clone());
        self.head = Some(entry.id());
        self.take(&entry);
        entry
    }

    fn heads(&self) -> Vec<MessageId> {
        self.log.heads().iter().copied().collect()
    }

    pub(super) fn say(&mut self, delta: Delta) -> Arc<Entry> {
        let said = self.world.body(self.author, delta);
        let heads = self.heads();
        self.sign(said, heads)
    }

    /// An entry that says nothing but what its author knows.
    pub(super) fn note(&mut self) -> Arc<Entry> {
        let heads = self.heads();
        self.sign((Kind(900), vec![0]), heads)
    }

    pub(super) fn revoke(&mut self, whom: usize, head: Option<MessageId>) -> Arc<Entry> {
        let author = self.world.names[whom].clone();
        let mut deps = self.heads();
        deps.extend(head);
        let said = Revocation { author, head }.to_cbor().expect("encoded");
        self.sign((Kind::REVOCATION, said), deps)
    }

    /// Comes back with what it has on disk: its own entries and their past.
    pub(super) fn crash(&mut self) {
        let own: Vec<EntryIx> = self
            .tip
            .iter()
            .filter_map(|e| self.log.find(&e.id()))
            .collect();
        self.log = self.log.at(&own);
        self.refold();
        self.boot += 1;
    }

    /// Comes back with what it had at an earlier time.
    pub(super) fn restore(&mut self, backup: &Node) {
        let head = self.head;
        let boot = self.boot + 1;
        *self = backup.clone();
        (self.head, self.boot) = (head, boot);
        self.fence.restored();
    }

    fn refold(&mut self) {
        let rules = self.leases.rules;
        self.leases = Leases::new(self.world.leases.clone(), id("contract"), &self.world.terms);
        self.leases.rules = rules;
        self.leases.take(&self.log);
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        let all = self.log.attached_since(0);
        all.filter_map(|ix| self.log.entry(ix).cloned()).collect()
    }
}

pub(super) fn transfer(
    coupling: &str,
    source: Option<&str>,
    to: &str,
    start: u32,
    quanta: &[i64],
) -> Delta {
    Delta::Transfer {
        coupling: id(coupling),
        epoch: Epoch(0),
        source: source.map(id::<MemberId>),
        to: id(to),
        start,
        quanta: list(quanta),
    }
}
