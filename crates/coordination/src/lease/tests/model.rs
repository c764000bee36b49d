//! Every state of a small world, by exhaustive search: three members, a few transfers,
//! loss, duplication, delay, a crash, a restored backup, and one member with two
//! faces. Entries, validity and use are those of the code that is shipped.
//!
//! Messages need no place in the state: an entry that has been said can reach a
//! node at any later time, or never.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use cosmosmesh_log::{Entry, Kind, Log};
use cosmosmesh_mission::MessageId;
use stateright::{Checker as _, Model, Property};

use super::super::CouplingKind;
use super::super::Leases;
use super::super::fence::Fence;
use super::world::{STEPS, World, coupling, id, list, pool, transfer};

const CAPACITY: i64 = 6;
/// Who may have two faces.
const LIAR: usize = 0;

/// What one node, or one face, remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Local {
    author: usize,
    known: BTreeSet<usize>,
    tip: Option<usize>,
    /// What it has signed last, whatever it remembers.
    head: Option<usize>,
    boot: u64,
    backup: Option<(BTreeSet<usize>, Option<usize>)>,
}

impl Local {
    /// Whether it was restored and has not got its head back.
    fn fenced(&self) -> bool {
        self.tip != self.head
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    nodes: Vec<Local>,
    /// What the liar held when it began to lie.
    at_fork: Option<i64>,
    gives: u8,
    notes: u8,
    troubles: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Give(usize, usize),
    Note(usize),
    Deliver(usize, usize),
    Crash(usize),
    Backup(usize),
    Restore(usize),
    Fork,
}

/// What a set of entries amounts to.
#[derive(Clone, Debug)]
struct Amounts {
    effective: i64,
    held: [i64; 3],
    usable: [i64; 3],
}

#[derive(Default)]
struct Memo {
    entries: Vec<Arc<Entry>>,
    parents: Vec<Vec<usize>>,
    places: HashMap<MessageId, usize>,
    /// What a node signs for a receiver.
    signed: HashMap<(Local, Option<usize>), usize>,
    amounts: HashMap<BTreeSet<usize>, Amounts>,
}

struct Islands {
    world: World,
    cap: Option<u64>,
    most_gives: u8,
    most_notes: u8,
    most_troubles: u8,
    memo: Mutex<Memo>,
}

impl Islands {
    fn new(cap: Option<u64>, most_gives: u8, most_notes: u8, most_troubles: u8) -> Self {
        let mut link = coupling("link", CouplingKind::Capacity, vec![pool("a", CAPACITY)]);
        link.members.remove(&id("d"));
        link.curtailment = vec![id("c"), id("b")];
        link.priority.clear();
        (link.cap, link.quorum) = (cap, 2);
        link.pools[0].weights = ["a", "b", "c"].map(|m| (id(m), 1)).into();
        link.pools[0].amount = list(&[CAPACITY]);
        Self {
            world: World::with(vec![link]),
            cap,
            most_gives,
            most_notes,
            most_troubles,
            memo: Mutex::default(),
        }
    }

    fn memo(&self) -> std::sync::MutexGuard<'_, Memo> {
        self.memo.lock().expect("no thread fails")
    }

    /// The entry that a node signs now; the same one for the same memory.
    fn sign(&self, node: &Local, to: Option<usize>) -> usize {
        let mut memo = self.memo();
        let key = (node.clone(), to);
        if let Some(place) = memo.signed.get(&key) {
            return *place;
        }
        let names = ["a", "b", "c"];
        let said = match to {
            None => (Kind(900), vec![0]),
            Some(to) => {
                let delta = transfer("link", None, names[to], 0, &[2; STEPS]);
                self.world.body(node.author, delta)
            }
        };
        let followed: BTreeSet<usize> = node
            .known
            .iter()
            .flat_map(|e| memo.parents[*e].clone())
            .collect();
        let heads = node.known.difference(&followed);
        let deps: Vec<_> = heads.map(|e| memo.entries[*e].id()).collect();
        let after = node.tip.map(|tip| memo.entries[tip].clone());
        let entry = self
            .world
            .entry(node.author, after.as_deref(), node.boot, deps, said);
        let known = memo.places.get(&entry.id()).copied();
        let place = known.unwrap_or(memo.entries.len());
        if known.is_none() {
            let parents = entry.header().parents();
            let parents = parents.map(|id| memo.places[id]).collect();
            memo.places.insert(entry.id(), place);
            memo.parents.push(parents);
            memo.entries.push(Arc::new(entry));
        }
        memo.signed.insert(key, place);
        place
    }

    fn amounts(&self, known: &BTreeSet<usize>) -> Amounts {
        let mut memo = self.memo();
        if let Some(amounts) = memo.amounts.get(known) {
            return amounts.clone();
        }
        let mut log = Log::new(self.world.terms.clone());
        // Last first, and all of it twice.
        for entry in known.iter().rev().chain(known) {
            let verified = self.world.terms.trust(Entry::clone(&memo.entries[*entry]));
            log.insert(verified.expect("of the contract"))
                .expect("good");
        }
        assert_eq!(log.len(), known.len());
        let mut leases = Leases::new(self.world.leases.clone(), id("contract"), &self.world.terms);
        leases.take(&log);
        let view = leases.view(&log);
        let own = |m: usize| view.lease_at(0, m);
        let amounts = Amounts {
            effective: (0..3).map(|m| own(m).effective()[0]).sum(),
            held: [0, 1, 2].map(|m| own(m).held[0]),
            usable: [0, 1, 2].map(|m| view.usable_at(0, m, Fence::OPEN)[0]),
        };
        memo.amounts.insert(known.clone(), amounts.clone());
        amounts
    }

    fn past(&self, tip: Option<usize>) -> BTreeSet<usize> {
        let memo = self.memo();
        let mut past = BTreeSet::new();
        let mut open: Vec<usize> = tip.into_iter().collect();
        while let Some(entry) = open.pop() {
            if past.insert(entry) {
                open.extend(&memo.parents[entry]);
            }
        }
        past
    }

    fn author(&self, entry: usize) -> String {
        self.memo().entries[entry].header().author.to_string()
    }

    /// What honest members use, each as it sees it, and the most that it may be.
    fn used(&self, state: &State) -> (i64, i64) {
        let honest = state
            .nodes
            .iter()
            .filter(|n| n.author != LIAR || state.at_fork.is_none());
        let used = honest.filter(|n| !n.fenced()).map(|node| {
            // Nobody has a floor here.
            self.amounts(&node.known).usable[node.author]
        });
        let held = state.at_fork.unwrap_or(0);
        let harm = self.cap.map_or(held, |cap| held.min(cap as i64));
        (used.sum(), CAPACITY + harm)
    }
}

impl Model for Islands {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let node = |author| Local {
            author,
            ..Local::default()
        };
        vec![State {
            nodes: (0..3).map(node).collect(),
            at_fork: None,
            gives: 0,
            notes: 0,
            troubles: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, node) in state.nodes.iter().enumerate() {
            if !node.fenced() {
                if state.gives < self.most_gives {
                    let others = (0..3).filter(|to| *to != node.author);
                    actions.extend(others.map(|to| Action::Give(at, to)));
                }
                if state.notes < self.most_notes && node.author != LIAR {
                    actions.push(Action::Note(at));
                }
            }
            let liar = node.author == LIAR && state.at_fork.is_some();
            let said: BTreeSet<usize> = state.nodes.iter().flat_map(|n| n.known.clone()).collect();
            for entry in said.difference(&node.known) {
                // A face does not listen to the other one.
                let here = self.past(Some(*entry));
                let own = |e: &usize| !node.known.contains(e) && self.author(*e) == "a";
                let ready = here.iter().all(|e| e == entry || node.known.contains(e));
                if ready && !(liar && here.iter().any(own)) {
                    actions.push(Action::Deliver(at, *entry));
                }
            }
            if state.troubles < self.most_troubles && !liar {
                if node.known != self.past(node.tip) {
                    actions.push(Action::Crash(at));
                }
                actions.push(Action::Backup(at));
            }
            if !liar && node.backup.is_some() {
                actions.push(Action::Restore(at));
            }
        }
        if state.at_fork.is_none() && !state.nodes[LIAR].fenced() {
            actions.push(Action::Fork);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let mut say = |at: usize, to: Option<usize>| {
            let node: &mut Local = &mut next.nodes[at];
            let entry = self.sign(node, to);
            node.known.insert(entry);
            (node.tip, node.head) = (Some(entry), Some(entry));
        };
        match action {
            Action::Give(at, to) => {
                say(at, Some(to));
                next.gives += 1;
            }
            Action::Note(at) => {
                say(at, None);
                next.notes += 1;
            }
            Action::Deliver(at, entry) => {
                let node = &mut next.nodes[at];
                node.known.insert(entry);
                if node.head.is_some_and(|head| node.known.contains(&head)) {
                    node.tip = node.head;
                }
            }
            Action::Crash(at) => {
                next.nodes[at].known = self.past(next.nodes[at].tip);
                next.nodes[at].boot += 1;
                next.troubles += 1;
            }
            Action::Backup(at) => {
                let node = &mut next.nodes[at];
                node.backup = Some((node.known.clone(), node.tip));
                next.troubles += 1;
            }
            Action::Restore(at) => {
                let node = &mut next.nodes[at];
                (node.known, node.tip) = node.backup.take()?;
                node.boot += 1;
            }
            Action::Fork => {
                let face = next.nodes[LIAR].clone();
                next.at_fork = Some(self.amounts(&face.known).held[LIAR]);
                next.nodes[LIAR].backup = None;
                let face = Local {
                    backup: None,
                    ..face
                };
                next.nodes.push(face);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "effective leases fit in every view",
                |model: &Self, state: &State| {
                    let mut nodes = state.nodes.iter();
                    nodes.all(|node| model.amounts(&node.known).effective <= CAPACITY)
                },
            ),
            Property::always(
                "honest use stays within the bound",
                |model: &Self, state: &State| {
                    let (used, most) = model.used(state);
                    used <= most
                },
            ),
            Property::sometimes("the bound is reached", |model: &Self, state: &State| {
                let (used, most) = model.used(state);
                state.at_fork.is_some() && model.cap.is_none() && used == most
                    || model.cap.is_some() && state.at_fork.is_some() && used == CAPACITY
            }),
            Property::sometimes("a restored node waits", |model: &Self, state: &State| {
                model.most_troubles == 0 || state.nodes.iter().any(Local::fenced)
            }),
        ]
    }
}

fn search(cap: Option<u64>, gives: u8, notes: u8, troubles: u8) {
    let checker = Islands::new(cap, gives, notes, troubles).checker();
    let found = checker.threads(2).spawn_bfs().join();
    println!(
        "cap {cap:?}: {} states, all of them",
        found.unique_state_count()
    );
    found.assert_properties();
}

#[test]
fn every_state_with_no_cap_keeps_the_bound() {
    search(None, 3, 0, 1);
}

#[test]
fn every_state_with_a_cap_and_receipts_keeps_the_bound() {
    search(Some(1), 2, 2, 0);
}
