//! Agreements in which one member does not say what it should.

use std::sync::Arc;

use cosmosmesh_contact::{BitRate, Contact, ContactPlan, Seconds, TimeBase};
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::member::Member;
use cosmosmesh_identity::SecretKey;
use cosmosmesh_mission::{
    Commitment, ContractId, Delta, Epoch, FixedVec, MemberId, Payload, SharedVariables,
};
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_optimize::seeded::Seeded;
use cosmosmesh_sim::agreement::{Ended, Mischief, Reach, Tamper, Terms, run};
use cosmosmesh_sim::upset::Noise;

/// The member that does not say what it should.
const LIAR: usize = 3;
const ROUNDS: u32 = 40;

/// Four members that always see each other, a second of light apart.
fn agree<'a>(method: MethodName, tamper: &'a mut Tamper<'a>) -> Ended {
    agree_over(method, tamper, &|_, _, _| true)
}

/// The same where links are cut.
fn agree_over<'a>(method: MethodName, tamper: &'a mut Tamper<'a>, reach: &'a Reach<'a>) -> Ended {
    let problem = families::instance(Family::Strong, 1, 4, 6).expect("an instance");
    let names: Vec<_> = problem.members.iter().map(|m| m.problem.id()).collect();
    let frame = Frame::new(&problem, |_| None, |_| Some(names[0].clone())).expect("a frame");
    let key = |i: usize| SecretKey::from_seed([i as u8 + 1; 32]);
    let keys: Vec<_> = (0..4).map(|i| key(i).public()).collect();
    let contract = Contract::new(
        ContractId::new("power").expect("a name"),
        Epoch(1),
        Arc::new(frame),
        &keys,
        &names
            .iter()
            .map(|n| MemberId::new(n.as_str()).expect("a name"))
            .collect::<Vec<_>>(),
        method,
        1e-3,
    );
    let contract = Arc::new(contract.expect("a contract"));
    let mut plan = ContactPlan::new(TimeBase::Relative);
    let nodes: Vec<_> = names.iter().map(|n| plan.add_node(n.as_str())).collect();
    for (i, &from) in nodes.iter().enumerate() {
        for (_, &to) in nodes.iter().enumerate().filter(|(j, _)| *j != i) {
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
    let terms = Terms {
        start_s: 0.0,
        round_limit_s: 60.0,
        overhead_bytes: 40,
        compute_s: 0.1,
        clock_bound_s: 0.1,
        loss: 0.0,
        seed: 1,
        most_rounds: ROUNDS,
    };
    let make = |i: usize| {
        let commitment = Commitment([i as u8; 32]);
        let (contract, problem) = (contract.clone(), &problem.members[i]);
        Member::new(contract, i, problem, commitment, SolverName::Auto, key(i))
    };
    let mischief = Mischief {
        tamper,
        reach,
        noise: Noise::default(),
        upsets: &[],
    };
    run(&contract, &make, &plan, terms, mischief, &mut |_| true).expect("nodes")
}

/// What every run must have: a state that the messages lead to, and no fault but
/// the liar's.
fn sound(ended: &Ended, name: &str) {
    let state = ended.ledger.state();
    for (i, log) in ended.logs.iter().enumerate() {
        let gone = ended.gone.contains(&i);
        assert!(
            gone || log.digest() == ended.ledger.log().digest(),
            "{name}"
        );
    }
    assert!(state.conflicts.is_empty(), "{name}");
    for fault in state.faults.values() {
        assert_eq!(fault.author.as_str(), "member-003", "{name}: {}", fault.why);
    }
    assert_eq!(state.progress.plan(), ended.plan.as_ref(), "{name}");
    for left_out in state.left_out.values() {
        assert_eq!(
            left_out.author.as_str(),
            "member-003",
            "{name}: {}",
            left_out.reason
        );
    }
    for (i, refused) in ended.refused.iter().enumerate() {
        assert!(
            i == LIAR || *refused == 0,
            "{name}: {refused} of member {i}"
        );
    }
}

fn spoil(kind: u32, s: &mut SharedVariables) {
    match kind % 6 {
        0 => s.forecasts.values_mut().for_each(|v| v.push(0)),
        1 => s.priors.points.clear(),
        2 => s.epoch = Epoch(2),
        3 => s.priors.barrier_weight.0 = -1,
        4 => s.version.0 += 1, // has no encoding
        _ => *s.forecasts.values_mut().next().expect("one") = FixedVec(vec![i64::MIN; 6]),
    }
}

#[test]
fn the_others_agree_with_one_that_sends_garbage_for_some_rounds() {
    for method in MethodName::ALL {
        let mut spoiled = 0;
        let mut tamper = |i: usize, mut e: Payload| {
            if let Payload::SharedVariables(s) = &mut e
                && i == LIAR
                && (2..8).contains(&s.round.0)
            {
                spoil(s.round.0, s);
                spoiled += 1;
            }
            vec![e]
        };
        let ended = agree(method, &mut tamper);
        let name = method.name();
        sound(&ended, name);
        assert_eq!(spoiled, 6, "{name}");
        let left_out = ended.ledger.state().left_out.len() as u64;
        assert_eq!(left_out + ended.refused[LIAR], spoiled, "{name}");
        assert!(ended.stopped.is_none() && ended.plan.is_some(), "{name}");
        for round in &ended.rounds {
            let silent = (2..8).contains(&round.closed.round);
            assert_eq!(round.closed.present.contains(&LIAR), !silent, "{name}");
        }
    }
}

#[test]
fn one_that_sends_garbage_for_ever_is_as_one_that_is_silent() {
    let mut spoiled = |i: usize, mut e: Payload| {
        if let Payload::SharedVariables(s) = &mut e
            && i == LIAR
        {
            spoil(s.round.0, s);
        }
        vec![e]
    };
    let garbage = agree(MethodName::Aladin, &mut spoiled);
    let mut silence = |i: usize, e: Payload| if i == LIAR { vec![] } else { vec![e] };
    let silent = agree(MethodName::Aladin, &mut silence);
    for (name, ended) in [("garbage", &garbage), ("silence", &silent)] {
        sound(ended, name);
        assert!(ended.plan.is_none() && ended.stopped.is_none(), "{name}");
        assert_eq!(ended.lower, None, "{name}");
        assert_eq!(ended.rounds.len(), ROUNDS as usize, "{name}");
    }
    let closed = |ended: &Ended| -> Vec<_> {
        let rounds = ended.rounds.iter();
        rounds
            .map(|r| (r.closed.round, r.closed.present.clone()))
            .collect()
    };
    assert_eq!(closed(&garbage), closed(&silent));
}

#[test]
fn one_whose_settlement_does_not_fit_keeps_the_others_from_a_plan() {
    let mut tamper = |i: usize, mut e: Payload| {
        if let Payload::PlanDelta(plan) = &mut e
            && let Delta::Allocation { quanta, .. } = &mut plan.delta
            && i == LIAR
        {
            quanta.push(1);
        }
        vec![e]
    };
    let ended = agree(MethodName::Aladin, &mut tamper);
    sound(&ended, "settlement");
    assert!(ended.plan.is_none() && ended.stopped.is_none());
    assert!(!ended.ledger.state().left_out.is_empty());
}

#[test]
fn noise_within_range_ends_without_panic() {
    for method in MethodName::ALL {
        for seed in 0..5 {
            let mut random = Seeded::new(seed);
            let mut tamper = |i: usize, mut e: Payload| {
                if let Payload::SharedVariables(s) = &mut e
                    && i == LIAR
                {
                    for point in &mut s.priors.points {
                        point
                            .exponents
                            .iter_mut()
                            .for_each(|e| *e = random.below(41) as u8);
                        for v in point.sensitivity.iter_mut() {
                            *v = random.next_u64() as i64 >> (20 + random.below(44));
                        }
                        for v in point.sensitivity_gap.iter_mut() {
                            *v = random.next_u64() as i64;
                        }
                    }
                }
                vec![e]
            };
            let ended = agree(method, &mut tamper);
            sound(&ended, method.name());
            // Either they agree, or somebody stopped, or rounds ran out.
            let ran_out = ended.rounds.len() >= ROUNDS as usize;
            assert!(
                ended.plan.is_some() || ended.stopped.is_some() || ran_out,
                "{} {seed}",
                method.name()
            );
        }
    }
}

/// What a closer can do to what it proposes.
fn propose_badly(kind: u32, dual: &cosmosmesh_mission::DualVariables) -> Vec<Payload> {
    let mut other = dual.clone();
    match kind {
        // Wrong prices.
        0 => other.multipliers.values_mut().for_each(|v| v[0] += 1),
        // A round or an attempt that is not its turn.
        1 => other.attempt.0 += 1,
        2 => other.round.0 += 5,
        // A cohort that it does not have.
        3 => drop(other.cohort.insert(cosmosmesh_mission::MessageId([9; 32]))),
        // Two proposals for one attempt.
        4 => {
            other.attempt.0 += 1;
            return vec![
                Payload::DualVariables(dual.clone()),
                Payload::DualVariables(other),
            ];
        }
        // Nothing at all.
        _ => return vec![],
    }
    vec![Payload::DualVariables(other)]
}

#[test]
fn a_closer_that_proposes_what_it_should_not_is_named_and_the_others_agree() {
    for kind in 0..6 {
        let mut tamper = |i: usize, e: Payload| match &e {
            Payload::DualVariables(dual) if i == LIAR => propose_badly(kind, dual),
            _ => vec![e],
        };
        let ended = agree(MethodName::Aladin, &mut tamper);
        let name = format!("kind {kind}");
        sound(&ended, &name);
        assert!(ended.plan.is_some() && ended.stopped.is_none(), "{name}");
        assert!(ended.finals.iter().all(|f| *f), "{name}");
        let state = ended.ledger.state();
        assert_eq!(state.faults.is_empty(), kind == 5, "{name}");
        let later = state.opened.iter().any(|c| c.attempt > 0);
        assert!(later || kind == 4, "{name}");
    }
}

#[test]
fn whoever_falls_silent_for_good_rounds_close_and_the_state_says_who_is_missing() {
    for silent in 0..4 {
        for from_s in [0.0, 6.0] {
            let reach =
                |a: usize, b: usize, at_s: f64| at_s < from_s || (a != silent && b != silent);
            let ended = agree_over(MethodName::Aladin, &mut |_, e| vec![e], &reach);
            let name = format!("{silent} from {from_s} s");
            sound(&ended, &name);
            assert_eq!(ended.gone, [silent], "{name}");
            assert!(ended.stopped.is_none() && ended.plan.is_none(), "{name}");
            let state = ended.ledger.state();
            // Once a plan is to be settled on, the same is asked again and again.
            assert!(state.opened.len() > ROUNDS as usize, "{name}");
            let absent: Vec<_> = state
                .absent(ended.ledger.contract())
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(absent, [format!("member-00{silent}")], "{name}");
            // It is not waited for as a proposer again and again.
            let later = state.opened.iter().filter(|c| c.attempt > 0).count();
            assert!(later <= 3, "{name}: {later} later attempts");
        }
    }
}

#[test]
fn two_that_fall_silent_stop_the_rounds_and_nothing_else() {
    let reach = |a: usize, b: usize, at_s: f64| at_s < 10.0 || (a < 2 && b < 2);
    let ended = agree_over(MethodName::Aladin, &mut |_, e| vec![e], &reach);
    assert!(ended.plan.is_none() && ended.stopped.is_none());
    assert!(ended.rounds.len() < ROUNDS as usize);
    assert!(ended.ledger.state().faults.is_empty());
}
