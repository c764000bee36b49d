//! Calls and replies pass through messages without loss, and messages that do
//! not fit the frame are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_coordination::wire::{
    MAX_CANDIDATES, MAX_POINTS, ReplyHead, RowNames, WireError, call_from_dual, check_allocation,
    dual_from_call, reply_from_shared, shared_from_reply,
};
use cosmosmesh_mission::{
    Canonical, Commitment, ContractId, CouplingId, DualVariables, Epoch, FixedVec, MemberId,
    MessageId, SharedVariables, Wide,
};
use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{
    Agent, AllotmentCost, Call, Candidate, Counted, DualValue, Fold, Frame, MethodName, Point,
    Recipe, Reply, Restore, Terms,
};
use cosmosmesh_optimize::problem::Name;
use cosmosmesh_optimize::seeded::Seeded;

fn instance(family: Family) -> (Coupled, Frame, RowNames) {
    let problem = families::instance(family, 1, 4, 6).expect("an instance");
    let frame = Frame::new(&problem, |_| None, |_| None).expect("a frame");
    let names = RowNames::of(&frame).expect("names");
    (problem, frame, names)
}

fn head() -> ReplyHead {
    ReplyHead {
        contract_id: ContractId::new("shackleton/power").expect("a name"),
        epoch: Epoch(1),
        base: Some(MessageId([1; 32])),
        prices: None,
        problem: Commitment([3; 32]),
    }
}

fn send_reply(names: &RowNames, frame: &Frame, member: usize, reply: &Reply) -> SharedVariables {
    let shared = shared_from_reply(names, frame, member, reply, &head()).expect("a message");
    let bytes = shared.to_cbor().expect("valid");
    let shared = SharedVariables::from_cbor(&bytes).expect("canonical");
    let read = reply_from_shared(names, frame, member, &shared).expect("a reply");
    assert_eq!(&read, reply);
    shared
}

fn send_call(
    names: &RowNames,
    frame: &Frame,
    call: &Call,
    settle: Option<Candidate>,
) -> DualVariables {
    let ReplyHead {
        contract_id, epoch, ..
    } = head();
    let cohort = BTreeSet::from([MessageId([2; 32])]);
    let dual = dual_from_call(names, frame, call, &contract_id, epoch, cohort, settle);
    let bytes = dual.expect("a message").to_cbor().expect("valid");
    let dual = DualVariables::from_cbor(&bytes).expect("canonical");
    let read = call_from_dual(names, frame, &dual).expect("a call");
    assert_eq!(read, (call.clone(), settle));
    dual
}

fn integer(random: &mut Seeded) -> i64 {
    random.next_u64() as i64 >> random.below(64)
}

fn number(random: &mut Seeded) -> f64 {
    let exponent = random.below(600) as i32 - 300;
    random.uniform(-1.0, 1.0) * 10.0_f64.powi(exponent)
}

fn integers(random: &mut Seeded, length: usize) -> Vec<i64> {
    (0..length).map(|_| integer(random)).collect()
}

/// Exchanges within twice what their rows can carry.
fn exchanges(random: &mut Seeded, length: usize) -> Vec<i64> {
    (0..length)
        .map(|_| integer(random) % ((1 << 45) + 1))
        .collect()
}

fn numbers(random: &mut Seeded, length: usize) -> Vec<f64> {
    (0..length).map(|_| number(random)).collect()
}

fn random_reply(random: &mut Seeded, rows: usize) -> Reply {
    let round = 5 + random.below(100) as u32;
    let terms = (0..=random.below(3)).map(|_| {
        let lengths = [0, rows, rows * (rows + 1) / 2];
        let length = lengths[random.below(3) as usize];
        let pick = |random: &mut Seeded| if random.below(2) == 0 { 0 } else { rows };
        Terms {
            exchange: exchanges(random, rows),
            sensitivity: (0..length)
                .map(|_| integer(random) % ((1 << 32) + 1))
                .collect(),
            exponents: (0..if length > 0 { rows } else { 0 })
                .map(|_| random.below(41) as u8)
                .collect(),
            sensitivity_gap: integers(random, rows),
            barrier_rate: {
                let length = pick(random);
                integers(random, length)
            },
            barrier_offset: {
                let length = pick(random);
                integers(random, length)
            },
            spread: i128::from(integer(random)) << random.below(37),
        }
    });
    let terms = terms.collect();
    let mut values = |limit: u64| -> Vec<((u32, u32), Option<i64>)> {
        let keys: BTreeSet<(u32, u32)> = (0..random.below(9))
            .map(|_| {
                let back = random.below(5) as u32;
                (round - back, random.below(limit) as u32)
            })
            .collect();
        keys.into_iter()
            .map(|key| (key, (random.below(4) > 0).then(|| integer(random))))
            .collect()
    };
    let duals = values(MAX_POINTS as u64).into_iter();
    let costs = values(MAX_CANDIDATES as u64).into_iter();
    Reply {
        round,
        terms,
        duals: duals
            .map(|((round, point), value)| DualValue {
                round,
                point,
                value,
            })
            .collect(),
        costs: costs
            .map(|((round, candidate), value)| AllotmentCost {
                round,
                candidate,
                value,
            })
            .collect(),
        barrier_weight: integer(random) & i64::MAX,
        barrier_total: integer(random) & i64::MAX,
    }
}

fn random_call(random: &mut Seeded, frame: &Frame) -> (Call, Option<Candidate>) {
    let m = frame.rows.len();
    let points: Vec<Point> = (0..=random.below(MAX_POINTS as u64))
        .take(MAX_POINTS)
        .map(|_| Point {
            price: frame
                .rows
                .iter()
                .map(|row| {
                    let quanta = integer(random) >> 10;
                    quanta as f64 * row.price_quantum()
                })
                .collect(),
            mu: number(random).abs(),
            share: numbers(random, m),
            spare: numbers(random, m),
        })
        .collect();
    let count = points.len() as u64;
    let full = 1 + random.below(count) as usize;
    let candidates = (0..random.below(MAX_CANDIDATES as u64 + 1))
        .map(|_| {
            let point = random.below(count) as usize;
            let theta = random.uniform(0.0, 1.0);
            match random.below(4) {
                0 => Recipe::Alone,
                1 => Recipe::Predicted { point },
                2 => Recipe::Restored { point, theta },
                _ => Recipe::Mixed { point, theta },
            }
        })
        .collect();
    let candidate = |random: &mut Seeded| {
        (random.below(2) == 0).then(|| Candidate {
            round: random.below(1 << 32) as u32,
            index: random.below(MAX_CANDIDATES as u64) as u32,
        })
    };
    let call = Call {
        round: random.below(1 << 32) as u32,
        points,
        full,
        candidates,
        counted: frame
            .members
            .iter()
            .map(|_| {
                (random.below(3) > 0).then(|| Counted {
                    round: random.below(1 << 32) as u32,
                    point: random.below(MAX_POINTS as u64) as u32,
                })
            })
            .collect(),
        best: candidate(random),
        restore: (random.below(2) == 0).then(|| Restore {
            step: numbers(random, m),
            share: numbers(random, m),
            spare: numbers(random, m),
        }),
        mean_weight: number(random),
        penalty: numbers(random, m),
    };
    (call, candidate(random))
}

#[test]
fn random_calls_and_replies_pass_without_loss() {
    for (seed, family) in Family::ALL.into_iter().enumerate() {
        let (_, frame, names) = instance(family);
        let mut random = Seeded::new(seed as u64);
        for round in 0..50 {
            let member = round % frame.members.len();
            let reply = random_reply(&mut random, frame.members[member].rows.len());
            send_reply(&names, &frame, member, &reply);
            let (call, settle) = random_call(&mut random, &frame);
            send_call(&names, &frame, &call, settle);
        }
    }
}

#[test]
fn a_settlement_without_points_passes_without_loss() {
    let (_, frame, names) = instance(Family::Strong);
    let mut random = Seeded::new(1);
    let reply = Reply {
        terms: Vec::new(),
        ..random_reply(&mut random, frame.members[0].rows.len())
    };
    let shared = send_reply(&names, &frame, 0, &reply);
    assert!(shared.forecasts.is_empty());
}

#[test]
fn an_agreement_runs_the_same_through_messages() {
    for family in Family::ALL {
        for method in MethodName::ALL {
            let (problem, frame, names) = instance(family);
            let frame = Arc::new(frame);
            let mut agents: Vec<Agent> = (problem.members.iter().enumerate())
                .map(|(i, member)| Agent::new(frame.clone(), i, member, method, SolverName::Auto))
                .collect();
            let mut fold = Fold::new(frame.clone(), method);
            for _ in 0..4 {
                let dual = send_call(&names, &frame, fold.call(), fold.bounds().best());
                let (call, _) = call_from_dual(&names, &frame, &dual).expect("a call");
                let mut replies = Vec::new();
                for (i, agent) in agents.iter_mut().enumerate() {
                    agent.hear(&call);
                    let reply = agent.reply().expect("a reply");
                    send_reply(&names, &frame, i, &reply);
                    replies.push((i, reply));
                }
                let counted: Vec<_> = replies.iter().map(|(i, reply)| (*i, reply)).collect();
                fold.close(&counted);
            }
        }
    }
}

#[test]
fn names_follow_couplings_and_steps() {
    let (_, mut frame, names) = instance(Family::Cap);
    assert!(names.couplings.is_sorted_by_key(|(id, _)| id.clone()));
    for (id, rows) in &names.couplings {
        let steps: Vec<u32> = rows.iter().map(|&r| frame.rows[r].step).collect();
        assert!(steps.is_sorted(), "{id}: {steps:?}");
    }
    let kept = frame.clone();
    frame.rows[0].coupling = Name::new("Load").expect("a name of the optimizer");
    let error = RowNames::of(&frame).expect_err("no capitals");
    assert!(
        error.to_string().starts_with("the coupling of the frame"),
        "{error}"
    );
    frame = kept;
    frame.members[0].name = Name::new("a:b").expect("a name of the optimizer");
    let error = RowNames::of(&frame).expect_err("no colons");
    assert!(
        error.to_string().starts_with("the member of the frame"),
        "{error}"
    );
}

/// What `spoil` makes of a valid reply must be refused with `expected`.
fn refused_reply(expected: &str, spoil: impl FnOnce(&mut SharedVariables)) {
    let (_, frame, names) = instance(Family::Strong);
    let rows = frame.members[0].rows.len();
    let reply = Reply {
        round: 3,
        terms: vec![
            Terms {
                exchange: vec![7; rows],
                ..Terms::default()
            };
            2
        ],
        duals: vec![],
        costs: vec![],
        barrier_weight: 1,
        barrier_total: 2,
    };
    let mut shared = send_reply(&names, &frame, 0, &reply);
    spoil(&mut shared);
    let error = reply_from_shared(&names, &frame, 0, &shared).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

fn coupling(name: &str) -> CouplingId {
    CouplingId::new(name).expect("a name")
}

#[test]
fn replies_that_do_not_fit_are_refused() {
    use cosmosmesh_mission as mission;
    let (_, frame, _) = instance(Family::Strong);
    let first = CouplingId::new(frame.rows[0].coupling.as_str()).expect("a name");
    let rows = frame.members[0].rows.len();
    refused_reply(
        "forecasts names coupling nowhere, which is none of the 1 expected",
        |s| {
            s.forecasts.insert(coupling("nowhere"), FixedVec::default());
        },
    );
    refused_reply(&format!("forecasts lacks coupling {first}"), |s| {
        let steps = s.forecasts.remove(&first).expect("touched");
        s.forecasts.insert(coupling("nowhere"), steps);
    });
    refused_reply(
        &format!(
            "forecasts has {} steps of coupling {first}, expected {rows}",
            rows + 1
        ),
        |s| {
            s.forecasts.get_mut(&first).expect("touched").push(0);
            s.priors.points.truncate(1);
        },
    );
    refused_reply("17 points, expected 0 to 16", |s| {
        let point = s.priors.points[1].clone();
        s.priors.points.resize(17, point);
    });
    refused_reply("exponent is 41, expected -40 to 40", |s| {
        s.priors.points[0].sensitivity = vec![1; rows].into();
        s.priors.points[0].exponents = vec![41; rows];
    });
    refused_reply(
        "forecasts of 1 couplings belong to no point: the message has none",
        |s| s.priors.points.clear(),
    );
    refused_reply(
        "exchange is 35184372088833, expected -35184372088832 to 35184372088832",
        |s| s.priors.points[1].exchange[0] = (1 << 45) + 1,
    );
    refused_reply(
        "exchange is -9223372036854775808, expected -35184372088832 to 35184372088832",
        |s| s.forecasts.get_mut(&first).expect("touched")[0] = i64::MIN,
    );
    // So large that the sum over four members would not fit 128 bits.
    refused_reply(
        "sensitivity is 17592186044417, expected -17592186044416 to 17592186044416",
        |s| {
            s.priors.points[0].exponents = vec![40; rows];
            s.priors.points[0].sensitivity = vec![(1 << 44) + 1; rows].into();
        },
    );
    refused_reply(
        "barrier weight is -1, expected 0 to 9223372036854775807",
        |s| s.priors.barrier_weight = mission::Fixed(-1),
    );
    refused_reply(
        &format!("0 sensitivity gaps, expected {rows} to {rows}"),
        |s| {
            s.priors.points[0].sensitivity = vec![1; rows * (rows + 1) / 2].into();
            s.priors.points[0].exponents = vec![0; rows];
        },
    );
    refused_reply("round of a dual value is 4, expected -3 to 3", |s| {
        s.priors.dual_values = vec![mission::DualValue {
            round: mission::Round(4),
            point: 0,
            value: None,
        }];
    });
    refused_reply(
        "allotment cost is 9223372036854775808, expected -9223372036854775808 to 9223372036854775807",
        |s| {
            s.priors.allotment_costs = vec![mission::AllotmentCost {
                round: mission::Round(3),
                candidate: 0,
                cost: Some(Wide(1 << 63)),
            }];
        },
    );
    let (_, frame, names) = instance(Family::Strong);
    let reply = random_reply(&mut Seeded::new(9), rows);
    let error = shared_from_reply(&names, &frame, 99, &reply, &head());
    assert_eq!(
        error,
        Err(WireError::NoMember {
            members: 4,
            actual: 99
        })
    );
}

/// What `spoil` makes of a valid call must be refused with `expected`.
fn refused_call(expected: &str, spoil: impl FnOnce(&mut DualVariables)) {
    let (_, frame, names) = instance(Family::Strong);
    let fold = Fold::new(Arc::new(frame.clone()), MethodName::Aladin);
    let mut dual = send_call(&names, &frame, fold.call(), None);
    spoil(&mut dual);
    let error = call_from_dual(&names, &frame, &dual).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    use cosmosmesh_mission as mission;
    refused_call(
        "counted names member nobody, who is none of the frame's 4",
        |d| {
            let at = mission::Counted {
                round: mission::Round(0),
                point: 0,
            };
            d.counted = BTreeMap::from([(MemberId::new("nobody").expect("a name"), at)]);
        },
    );
    refused_call("65 candidates, expected 0 to 64", |d| {
        d.candidates = vec![mission::Recipe::Alone; 65];
    });
    refused_call("point of a candidate is 1, expected 0 to 0", |d| {
        d.candidates = vec![mission::Recipe::Predicted { point: 1 }];
    });
    refused_call("candidate is 64, expected 0 to 63", |d| {
        d.settle = Some(mission::CandidateRef {
            round: mission::Round(1),
            index: 64,
        });
    });
    refused_call(
        "9007199254740993 price quanta are more than a double holds exactly",
        |d| {
            let prices = d.multipliers.values_mut().next().expect("a coupling");
            prices[0] = (1 << 53) + 1;
        },
    );
    refused_call("penalty has 0 items, expected 1", |d| d.penalties.clear());
    refused_call("multipliers lacks coupling balance", |d| {
        d.multipliers.clear();
        d.shares.clear();
        d.spares.clear();
        d.penalties.clear();
    });
}

#[test]
fn calls_that_messages_cannot_carry_are_refused() {
    let (_, frame, names) = instance(Family::Strong);
    let fold = Fold::new(Arc::new(frame.clone()), MethodName::Aladin);
    let refused = |spoil: fn(&mut Call)| {
        let mut call = fold.call().clone();
        spoil(&mut call);
        let ReplyHead {
            contract_id, epoch, ..
        } = head();
        dual_from_call(
            &names,
            &frame,
            &call,
            &contract_id,
            epoch,
            BTreeSet::new(),
            None,
        )
        .expect_err("must be refused")
        .to_string()
    };
    let error = refused(|call| call.points[0].price[0] = 0.1);
    assert!(
        error.starts_with("price 1e-1 is not a whole number"),
        "{error}"
    );
    let error = refused(|call| call.points[0].mu = f64::INFINITY);
    assert_eq!(error, "barrier is inf, expected a finite number");
    let error = refused(|call| call.points.clear());
    assert_eq!(error, "0 points, expected 1 to 16");
    let error = refused(|call| call.counted.truncate(3));
    assert_eq!(error, "3 counted replies, expected 4 to 4");
}

#[test]
fn allocations_that_do_not_fit_are_refused() {
    let (_, frame, names) = instance(Family::Strong);
    let first = coupling(frame.rows[0].coupling.as_str());
    let rows = frame.members[0].rows.len();
    let check = |coupling: &CouplingId, quanta: &[i64]| {
        check_allocation(&names, &frame, 0, coupling, quanta).map_err(|e| e.to_string())
    };
    assert_eq!(check(&first, &vec![7; rows]), Ok(()));
    assert_eq!(
        check(&coupling("nowhere"), &vec![7; rows]),
        Err("the allocation names coupling nowhere, which is none of the 1 expected".to_owned())
    );
    assert_eq!(
        check(&first, &vec![7; rows + 1]),
        Err(format!(
            "the allocation has {} steps of coupling {first}, expected {rows}",
            rows + 1
        ))
    );
    let error = check(&first, &vec![i64::MIN; rows]).expect_err("too much");
    assert!(
        error.starts_with("the allocation is -9223372036854775808, expected -"),
        "{error}"
    );
}
