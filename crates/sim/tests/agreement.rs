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
use cosmosmesh_sim::agreement::{Ended, Tamper, Terms, run_tampered};

/// The member that does not say what it should.
const LIAR: usize = 3;
const ROUNDS: u32 = 40;

/// Four members that always see each other, a second of light apart.
fn agree(method: MethodName, tamper: &mut Tamper<'_>) -> Ended {
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
        &MemberId::new(names[0].as_str()).expect("a name"),
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
    let members = problem.members.iter().enumerate().map(|(i, m)| {
        let commitment = Commitment([i as u8; 32]);
        Member::new(contract.clone(), i, m, commitment, SolverName::Auto, key(i)).expect("a member")
    });
    let members = members.collect();
    run_tampered(&contract, members, &plan, terms, tamper, &mut |_| true).expect("nodes")
}

/// What every run must have: a state that the messages lead to, and no fault but
/// the liar's.
fn sound(ended: &Ended, name: &str) {
    let state = ended.ledger.state();
    for log in &ended.logs {
        assert_eq!(log.digest(), ended.ledger.log().digest(), "{name}");
    }
    assert_eq!(state.fault, None, "{name}");
    assert_eq!(state.progress.plan(), ended.plan.as_ref(), "{name}");
    for left_out in state.left_out.values() {
        assert_eq!(left_out.author.as_str(), "member-003", "{name}");
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
