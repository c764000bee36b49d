//! Agreements while nodes crash, disks stop and frames come to grief: every case from one
//! seed, which a failure names.

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_contact::{BitRate, Contact, ContactPlan, Seconds, TimeBase};
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::member::Member;
use cosmosmesh_identity::SecretKey;
use cosmosmesh_mission::{Commitment, ContractId, Epoch, MemberId};
use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_optimize::seeded::Seeded;
use cosmosmesh_sim::agreement::{Ended, Mischief, Reach, Terms, run};
use cosmosmesh_sim::upset::{Noise, Upset, Upsetting};

const MEMBERS: usize = 4;
/// How long agreement takes without faults, about, in seconds.
const LENGTH_S: f64 = 15.0;

/// Members that always see each other, a second of light apart.
struct World {
    problem: Coupled,
    contract: Arc<Contract>,
    plan: ContactPlan,
}

fn key(i: usize) -> SecretKey {
    SecretKey::from_seed([i as u8 + 1; 32])
}

impl World {
    fn new(closers: usize) -> Self {
        let problem = families::instance(Family::Strong, 1, MEMBERS, 6).expect("an instance");
        let names: Vec<_> = problem.members.iter().map(|m| m.problem.id()).collect();
        let frame = Frame::new(&problem, |_| None, |_| Some(names[0].clone())).expect("a frame");
        let keys: Vec<_> = (0..MEMBERS).map(|i| key(i).public()).collect();
        let closers = names[..closers].iter();
        let closers: Vec<_> = closers
            .map(|n| MemberId::new(n.as_str()).expect("a name"))
            .collect();
        let id = ContractId::new("power").expect("a name");
        let frame = Arc::new(frame);
        let method = MethodName::Aladin;
        let contract = Contract::new(id, Epoch(1), frame, &keys, &closers, method, 1e-3);
        let mut plan = ContactPlan::new(TimeBase::Relative);
        let nodes: Vec<_> = names.iter().map(|n| plan.add_node(n.as_str())).collect();
        for &from in &nodes {
            for &to in nodes.iter().filter(|to| **to != from) {
                plan.contacts.push(Contact {
                    from,
                    to,
                    start_s: 0.0,
                    end_s: 1e6,
                    rate: BitRate::from_bit_per_s(1e6).expect("a rate"),
                    owlt: Seconds::new(1.0),
                    confidence: 1.0,
                    id: None,
                });
            }
        }
        Self {
            contract: Arc::new(contract.expect("a contract")),
            problem,
            plan,
        }
    }

    fn run(
        &self,
        seed: u64,
        loss: f64,
        noise: Noise,
        upsets: &[Upset],
        reach: &Reach<'_>,
    ) -> Ended {
        let terms = Terms {
            start_s: 0.0,
            round_limit_s: 60.0,
            overhead_bytes: 40,
            compute_s: 0.1,
            clock_bound_s: 0.1,
            loss,
            seed,
            most_rounds: 60,
        };
        let make = |i: usize| {
            let commitment = Commitment([i as u8; 32]);
            let (contract, problem) = (self.contract.clone(), &self.problem.members[i]);
            Member::new(contract, i, problem, commitment, SolverName::Auto, key(i))
        };
        let mischief = Mischief {
            tamper: &mut |_, payload| vec![payload],
            reach,
            noise,
            upsets,
        };
        let watch = &mut |_: &_| true;
        run(&self.contract, &make, &self.plan, terms, mischief, watch).expect("nodes")
    }
}

/// What every run must have, whatever befell its nodes: nobody forked, nobody said what
/// does not follow, no round was opened twice, all that were reached hold the same and
/// lead to the same, and a plan that somebody holds as final is certified.
fn sound(ended: &Ended, name: &str) {
    let state = ended.ledger.state();
    assert!(ended.stopped.is_none(), "{name}: {:?}", ended.stopped);
    assert!(state.forks.is_empty(), "{name}: {:?}", state.forks);
    assert!(state.conflicts.is_empty(), "{name}");
    assert!(state.faults.is_empty(), "{name}: {:?}", state.faults);
    assert!(state.left_out.is_empty(), "{name}: {:?}", state.left_out);
    for (i, log) in ended.logs.iter().enumerate() {
        let same = log.digest() == ended.ledger.log().digest();
        assert!(ended.gone.contains(&i) || same, "{name}: log of {i}");
    }
    // A closed round is the same for whoever closed it first, and in the end.
    let closed = state.progress.rounds().iter().map(|r| (r.round, r));
    let closed: BTreeMap<_, _> = closed.collect();
    for seen in &ended.rounds {
        assert_eq!(
            closed.get(&seen.closed.round),
            Some(&&seen.closed),
            "{name}"
        );
    }
    if ended.finals.contains(&true) {
        assert!(state.progress.plan().is_some(), "{name}");
    }
}

/// The same, and all that are reached hold one plan as final, each with its part of it.
fn agreed(ended: &Ended, name: &str) {
    sound(ended, name);
    let rounds = ended.rounds.len();
    assert!(ended.plan.is_some(), "{name}: {rounds} rounds");
    for i in (0..MEMBERS).filter(|i| !ended.gone.contains(i)) {
        assert!(ended.finals[i], "{name}: {i} holds no certificate");
        assert!(ended.x[i].is_some(), "{name}: {i} has no part of the plan");
    }
}

const ALL: &Reach<'static> = &|_, _, _| true;

#[test]
fn whoever_crashes_whenever_takes_up_where_it_was() {
    let world = World::new(3);
    for seed in 0..12 {
        let mut random = Seeded::new(seed);
        let upsets: Vec<Upset> = (0..6)
            .map(|_| Upset {
                at_s: random.uniform(0.0, LENGTH_S),
                member: random.below(MEMBERS as u64) as usize,
                what: Upsetting::Crash {
                    seed: random.below(5),
                    down_s: random.uniform(0.5, 10.0),
                },
            })
            .collect();
        let ended = world.run(seed, 0.0, Noise::default(), &upsets, ALL);
        agreed(&ended, &format!("seed {seed}"));
    }
}

#[test]
fn a_disk_may_stop_at_any_write_or_sync() {
    // Each operation of one closer and of one other member, some at a time.
    let world = World::new(3);
    for member in [0, 3] {
        for operations in (0..60).step_by(4) {
            let upset = Upset {
                at_s: 0.0,
                member,
                what: Upsetting::StopDisk { operations },
            };
            let name = format!("operation {operations} of {member}");
            let ended = world.run(operations, 0.0, Noise::default(), &[upset], ALL);
            agreed(&ended, &name);
        }
    }
}

#[test]
fn a_full_disk_stops_its_node_and_nothing_is_lost() {
    let world = World::new(3);
    for (member, bytes) in [(0, 0), (1, 20_000), (3, 5_000)] {
        let upset = Upset {
            at_s: 0.0,
            member,
            what: Upsetting::FillDisk { bytes },
        };
        let ended = world.run(1, 0.0, Noise::default(), &[upset], ALL);
        agreed(&ended, &format!("{bytes} bytes of {member}"));
    }
}

#[test]
fn whoever_is_restored_from_a_backup_does_not_fork() {
    let world = World::new(3);
    for seed in 0..8 {
        let mut random = Seeded::new(seed);
        let member = random.below(MEMBERS as u64) as usize;
        let at_s = random.uniform(0.0, LENGTH_S / 2.0);
        let what = Upsetting::Backup;
        let backup = Upset { at_s, member, what };
        let at_s = random.uniform(at_s, LENGTH_S);
        let what = Upsetting::Restore { down_s: 3.0 };
        let restored = Upset { at_s, member, what };
        let ended = world.run(seed, 0.0, Noise::default(), &[backup, restored], ALL);
        agreed(&ended, &format!("seed {seed}"));
    }
}

#[test]
fn frames_may_be_lost_doubled_late_and_spoilt_and_clocks_wrong() {
    let world = World::new(3);
    for seed in 0..8 {
        let mut random = Seeded::new(seed);
        let noise = Noise {
            twice: 0.1,
            late: 0.1,
            late_s: 10.0,
            flipped: 0.05,
            seed,
        };
        let clock = |random: &mut Seeded| Upset {
            at_s: random.uniform(0.0, LENGTH_S),
            member: random.below(MEMBERS as u64) as usize,
            what: Upsetting::Clock {
                skew_s: [-3600, 3600][random.below(2) as usize],
            },
        };
        let upsets = [clock(&mut random), clock(&mut random)];
        let ended = world.run(seed, 0.1, noise, &upsets, ALL);
        agreed(&ended, &format!("seed {seed}"));
    }
}

#[test]
fn whoever_was_cut_off_both_ways_or_one_takes_part_again() {
    let world = World::new(3);
    for seed in 0..8 {
        let mut random = Seeded::new(seed);
        let cut = random.below(MEMBERS as u64) as usize;
        let (from_s, both) = (random.uniform(0.0, LENGTH_S), random.below(2) == 0);
        let until_s = from_s + random.uniform(1.0, 40.0);
        let reach = |a: usize, b: usize, at_s: f64| {
            let off = a == cut || both && b == cut;
            !off || !(from_s..until_s).contains(&at_s)
        };
        let others = (0..MEMBERS).filter(|i| *i != cut);
        let upsets: Vec<Upset> = others
            .map(|with| Upset {
                at_s: until_s,
                member: cut,
                what: Upsetting::LinkUp { with },
            })
            .collect();
        let ended = world.run(seed, 0.0, Noise::default(), &upsets, &reach);
        agreed(&ended, &format!("seed {seed}"));
    }
}
