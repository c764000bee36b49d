//! What members sign after an agreement, where one of them lies or says nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_contact::{BitRate, Contact, ContactPlan, Seconds, TimeBase};
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::lease::{CouplingKind, CouplingTerms, LeaseTerms, PoolTerms};
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::Member;
use cosmosmesh_identity::SecretKey;
use cosmosmesh_mission::{
    Commitment, ContractId, CouplingId, Delta, Epoch, FixedVec, MemberId, Payload, TimeGrid,
    UtcSeconds,
};
use cosmosmesh_optimize::coupled::RowKind;
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_sim::agreement::{Ended, Mischief, Reach, Tamper, Terms, run};
use cosmosmesh_sim::upset::Noise;

const MEMBERS: usize = 4;
const STEPS: u32 = 6;

/// Equations are balances that everybody can supply; of a limit the first has all.
fn terms(frame: &Frame, names: &[MemberId]) -> LeaseTerms {
    let list = |value| FixedVec(vec![value]);
    let pool = |owner: &MemberId, amount: FixedVec, limit: FixedVec| PoolTerms {
        owner: owner.clone(),
        amount,
        limit,
        reserve: list(0),
        floors: BTreeMap::new(),
        weights: BTreeMap::new(),
    };
    let couplings: BTreeSet<&str> = frame.rows.iter().map(|r| r.coupling.as_str()).collect();
    let couplings = couplings.into_iter().map(|coupling| {
        let rows = frame.rows.iter();
        let rows: Vec<_> = rows.filter(|r| r.coupling.as_str() == coupling).collect();
        let (kind, pools) = if rows[0].kind == RowKind::Equal {
            let most = (rows[0].scale / rows[0].quantum) as i64 * 4;
            let pools = names.iter().map(|name| pool(name, list(0), list(most)));
            (CouplingKind::Balance, pools.collect())
        } else {
            let mut amount = vec![0; STEPS as usize];
            for row in &rows {
                amount[row.step as usize] = row.rhs;
            }
            let amount = FixedVec(amount);
            let one = pool(&names[0], amount.clone(), amount);
            (CouplingKind::Capacity, vec![one])
        };
        CouplingTerms {
            id: CouplingId::new(coupling).expect("a name"),
            members: names.iter().cloned().collect(),
            kind,
            pools,
            curtailment: Vec::new(),
            priority: Vec::new(),
            cap: None,
            quorum: 2,
        }
    });
    let grid = TimeGrid::uniform(UtcSeconds(0), STEPS, 3600).expect("a grid");
    LeaseTerms::new(grid, 1, couplings.collect()).expect("terms")
}

fn agree<'a>(tamper: &'a mut Tamper<'a>, loss: f64, reach: &'a Reach<'a>) -> Ended {
    let problem = families::instance(Family::Strong, 1, MEMBERS, STEPS as usize);
    let problem = problem.expect("an instance");
    let names: Vec<_> = problem.members.iter().map(|m| m.problem.id()).collect();
    let frame = Frame::new(&problem, |_| None, |_| Some(names[0].clone())).expect("a frame");
    let members: Vec<MemberId> = names
        .iter()
        .map(|n| MemberId::new(n.as_str()).expect("a name"))
        .collect();
    let leases = terms(&frame, &members);
    let key = |i: usize| SecretKey::from_seed([i as u8 + 1; 32]);
    let keys: Vec<_> = (0..MEMBERS).map(|i| key(i).public()).collect();
    let contract = Contract::new(
        ContractId::new("power").expect("a name"),
        Epoch(1),
        Arc::new(frame),
        &keys,
        &members,
        MethodName::Aladin,
        1e-3,
    );
    let contract = contract.and_then(|c| c.with_leases(leases));
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
        loss,
        seed: 1,
        most_rounds: 40,
    };
    let make = |i: usize| {
        let (m, commitment) = (&problem.members[i], Commitment([i as u8; 32]));
        Member::new(contract.clone(), i, m, commitment, SolverName::Auto, key(i))
    };
    let mischief = Mischief {
        tamper,
        reach,
        noise: Noise::default(),
        upsets: &[],
    };
    run(&contract, &make, &plan, terms, mischief, &mut |_| true).expect("nodes")
}

fn is_right(payload: &Payload) -> bool {
    let Payload::PlanDelta(plan) = payload else {
        return false;
    };
    matches!(plan.delta, Delta::Commit { .. } | Delta::Transfer { .. })
}

/// A member that an agreement asks for rights.
fn donor() -> usize {
    let ended = agree(&mut |_, payload| vec![payload], 0.0, &|_, _, _| true);
    let log = ended.ledger.log();
    let valid = ended.ledger.leases().valid(log);
    let entry = valid.iter().find_map(|id| log.entry(log.find(id)?));
    let author = &entry.expect("somebody signs").header().author;
    let contract = ended.ledger.contract();
    contract.place(author.as_str()).expect("a member")
}

#[test]
fn everybody_holds_what_all_have_signed_also_when_messages_are_lost() {
    for loss in [0.0, 0.3] {
        let ended = agree(&mut |_, payload| vec![payload], loss, &|_, _, _| true);
        assert!(ended.plan.is_some(), "loss {loss}");
        let leases = ended.ledger.leases();
        let view = leases.view(ended.ledger.log());
        assert!(leases.said().transfers > 0, "loss {loss}");
        assert!(view.faults().is_empty() && view.excess() == 0);
        let digest = ended.ledger.log().digest();
        assert!(ended.logs.iter().all(|log| log.digest() == digest));
        // The meetings were in virtual time: nothing was left to be carried beside it.
        assert_eq!(ended.drained_bytes, 0, "loss {loss}");
    }
}

#[test]
fn a_member_that_signs_nothing_or_too_much_gives_nobody_more_than_there_is() {
    let liar = donor();
    for lie in 0..3 {
        let mut bent = 0;
        let mut tamper = |i: usize, mut payload: Payload| {
            if i != liar || !is_right(&payload) {
                return vec![payload];
            }
            bent += 1;
            if let Payload::PlanDelta(plan) = &mut payload {
                match &mut plan.delta {
                    Delta::Commit { quanta, .. } if lie == 2 => {
                        quanta.0.iter_mut().for_each(|v| *v /= 2);
                    }
                    Delta::Commit { quanta, .. } | Delta::Transfer { quanta, .. } => {
                        quanta.0.iter_mut().for_each(|v| *v *= 1000);
                    }
                    _ => {}
                }
            }
            if lie == 0 { Vec::new() } else { vec![payload] }
        };
        let ended = agree(&mut tamper, 0.0, &|_, _, _| true);
        assert!(ended.plan.is_some(), "lie {lie}");
        assert!(bent > 0, "the liar was asked for nothing");
        let leases = ended.ledger.leases();
        let view = leases.view(ended.ledger.log());
        assert_eq!(view.excess(), 0, "lie {lie}");
        // Of half a commitment the transfers cannot all be paid.
        assert_eq!(view.faults().is_empty(), lie == 0, "lie {lie}");
        for fault in view.faults() {
            let name = &ended.ledger.contract().members()[liar];
            assert_eq!(&fault.author, name, "lie {lie}");
        }
        let state = ended.ledger.state();
        assert!(state.faults.is_empty() && state.left_out.is_empty());
    }
}

#[test]
fn who_falls_silent_after_the_agreement_leaves_the_others_what_they_hold() {
    let absent = donor();
    // It signs, and nobody hears of it.
    let signs = Cell::new(false);
    let mut tamper = |i: usize, payload: Payload| {
        signs.set(signs.get() || i == absent && is_right(&payload));
        vec![payload]
    };
    let reach = |from: usize, to: usize, _: f64| !signs.get() || from != absent && to != absent;
    let ended = agree(&mut tamper, 0.0, &reach);
    assert!(signs.get() && ended.plan.is_some());
    let leases = ended.ledger.leases();
    let view = leases.view(ended.ledger.log());
    assert!(view.faults().is_empty() && view.excess() == 0);
    let digest = ended.ledger.log().digest();
    for (i, log) in ended.logs.iter().enumerate().filter(|(i, _)| *i != absent) {
        assert_eq!(log.digest(), digest, "member {i}");
    }
    // What it signed counts as soon as its log is met again.
    let own = &ended.logs[absent];
    assert!(own.digest() != digest);
    let leases = Ledger::of(ended.ledger.contract().clone(), own.clone()).leases();
    let view = leases.view(own);
    assert!(leases.said().transfers > 0 && view.faults().is_empty() && view.excess() == 0);
}
