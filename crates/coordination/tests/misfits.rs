//! What does not fit the contract is refused or left out, and never ends an
//! agreement with an error.

use std::sync::Arc;

use cosmosmesh_coordination::closer::Closer;
use cosmosmesh_coordination::contract::{Contract, ContractError, Refused};
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::{Member, MemberError};
use cosmosmesh_coordination::progress::Phase;
use cosmosmesh_mission::{
    Attempt, AuthorId, Commitment, ContractHash, ContractId, CouplingId, Delta, Envelope, Epoch,
    FixedVec, MemberId, Payload, PlanDelta, PointTerms, Round, SharedVariables, UtcSeconds, Wide,
};
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_optimize::seeded::Seeded;

const NOW: UtcSeconds = UtcSeconds(0);

struct Agreement {
    contract: Arc<Contract>,
    members: Vec<Member>,
    closer: Closer,
    ledger: Ledger,
}

impl Agreement {
    fn new(family: Family, method: MethodName) -> Self {
        let problem = families::instance(family, 1, 4, 6).expect("an instance");
        let first = problem.members[0].problem.id().clone();
        let frame = Frame::new(&problem, |_| None, |_| Some(first.clone())).expect("a frame");
        let contract = Contract::new(
            ContractId::new("power").expect("a name"),
            Epoch(1),
            Arc::new(frame),
            &MemberId::new(first.as_str()).expect("a name"),
            method,
            1e-3,
        );
        let contract = Arc::new(contract.expect("a contract"));
        let members = problem.members.iter().enumerate().map(|(i, m)| {
            let commitment = Commitment([i as u8; 32]);
            Member::new(contract.clone(), i, m, commitment, SolverName::Auto).expect("a member")
        });
        Self {
            members: members.collect(),
            closer: Closer::new(contract.clone()),
            ledger: Ledger::new(contract.clone()),
            contract,
        }
    }

    fn open(&mut self) -> Envelope {
        let opening = self.closer.open(&mut self.members[0], NOW);
        opening.expect("an opening")
    }

    /// Every member hears the opening and answers; `tamper` has its way with
    /// what member 3 says. Then the closer closes.
    fn round(
        &mut self,
        opening: &Envelope,
        tamper: &mut dyn FnMut(&mut Envelope),
    ) -> Result<Envelope, MemberError> {
        self.ledger.insert(opening.clone()).expect("the closer's");
        // Those that take the rounding answer once they have heard the others.
        for _ in 0..2 {
            let mut said = Vec::new();
            for (i, member) in self.members.iter_mut().enumerate() {
                member.hear(opening).expect("a call");
                for mut envelope in member.act(NOW)? {
                    if i == 3 {
                        tamper(&mut envelope);
                    }
                    said.push(envelope);
                }
            }
            for envelope in said {
                if self.ledger.insert(envelope.clone()).is_err() {
                    assert!(self.closer.take(&envelope).is_err());
                    continue;
                }
                self.closer.take(&envelope).expect("of the contract");
                for member in &mut self.members {
                    let _ = member.hear(&envelope);
                }
            }
        }
        self.closer.close(&mut self.members[0], NOW)
    }
}

fn shared(envelope: &mut Envelope) -> Option<&mut SharedVariables> {
    match &mut envelope.payload {
        Payload::SharedVariables(shared) => Some(shared),
        _ => None,
    }
}

type Spoil = fn(&mut Envelope);

#[test]
fn messages_of_another_contract_are_refused_by_all() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    for member in &mut a.members {
        member.hear(&opening).expect("a call");
    }
    let reply = a.members[3].act(NOW).expect("an answer").remove(0);
    let other = ContractId::new("other").expect("a name");
    let cases: [(&str, &Envelope, Spoil); 8] = [
        ("is of contract 0707", &reply, |e| {
            e.contract_hash = ContractHash([7; 32]);
        }),
        ("stranger is no member", &reply, |e| {
            e.author = AuthorId::new("stranger").expect("a name");
        }),
        ("is of contract other, not of power", &reply, |e| {
            let other = ContractId::new("other").expect("a name");
            shared(e).expect("a reply").contract_id = other;
        }),
        ("is of epoch 2, not of 1", &reply, |e| {
            shared(e).expect("a reply").epoch = Epoch(2);
        }),
        ("is of attempt 1, not of 0", &reply, |e| {
            shared(e).expect("a reply").attempt = Attempt(1);
        }),
        ("member-003 closes no rounds", &opening, |e| {
            e.author = AuthorId::new("member-003").expect("a name");
        }),
        ("is of contract other, not of power", &opening, |e| {
            let Payload::DualVariables(dual) = &mut e.payload else {
                panic!("an opening");
            };
            dual.contract_id = ContractId::new("other").expect("a name");
        }),
        ("is of epoch 2, not of 1", &opening, |e| {
            let Payload::DualVariables(dual) = &mut e.payload else {
                panic!("an opening");
            };
            dual.epoch = Epoch(2);
        }),
    ];
    let allocation = |contract_id: ContractId, epoch: Epoch| Envelope {
        payload: Payload::PlanDelta(PlanDelta {
            delta: Delta::Allocation {
                coupling: CouplingId::new("balance").expect("a name"),
                epoch,
                quanta: FixedVec::default(),
            },
            timestamp: NOW,
            author: reply.author.clone(),
            contract_id,
            signature: None,
        }),
        ..reply.clone()
    };
    let spoiled = cases.into_iter().map(|(expected, good, spoil)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        (expected, bad)
    });
    let ours = a.contract.id().clone();
    let allocations = [
        ("is of contract other", allocation(other, Epoch(1))),
        ("is of epoch 2, not of 1", allocation(ours, Epoch(2))),
    ];
    for (expected, bad) in spoiled.chain(allocations) {
        let said = |e: Refused| {
            let e = e.to_string();
            assert!(e.contains(expected), "{e}: {expected}");
        };
        said(a.ledger.insert(bad.clone()).expect_err(expected));
        said(a.closer.take(&bad).expect_err(expected));
        match a.members[1].hear(&bad) {
            Err(MemberError::Refused(e)) => said(e),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(a.ledger.messages().is_empty());
    assert!(!a.closer.answered().contains(&true));
}

#[test]
fn replies_that_do_not_fit_are_left_out_and_reported() {
    let cases: [(&str, Spoil); 8] = [
        ("has 7 steps of coupling", |e| {
            let Some(s) = shared(e) else { return };
            s.forecasts.values_mut().next().expect("one").push(0);
            for point in &mut s.priors.points {
                *point = PointTerms::default();
            }
        }),
        ("names coupling nowhere", |e| {
            let Some(s) = shared(e) else { return };
            let nowhere = CouplingId::new("nowhere").expect("a name");
            s.forecasts.insert(nowhere, FixedVec::default());
        }),
        ("exchange is", |e| {
            let Some(s) = shared(e) else { return };
            s.forecasts.values_mut().next().expect("one")[0] = i64::MAX;
        }),
        ("sensitivity is", |e| {
            let Some(s) = shared(e) else { return };
            s.priors.points[0].sensitivity[0] = i64::MIN;
        }),
        ("belong to no point", |e| {
            let Some(s) = shared(e) else { return };
            s.priors.points.clear();
        }),
        ("points, expected 1 to 1", |e| {
            let Some(s) = shared(e) else { return };
            s.forecasts.clear();
            s.priors.points.clear();
        }),
        ("dual value is", |e| {
            let Some(s) = shared(e) else { return };
            s.priors.dual_values[0].value = Some(Wide(i128::MAX));
        }),
        ("round 9 asked for no reply", |e| {
            let Some(s) = shared(e) else { return };
            (s.round, s.version) = (Round(9), Round(9));
        }),
    ];
    for (expected, spoil) in cases {
        let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
        let opening = a.open();
        let next = a.round(&opening, &mut |e| spoil(e)).expect("a closing");
        a.ledger.insert(next).expect("the closer's");
        assert_eq!(a.closer.progress().rounds()[0].present, [0, 1, 2]);
        let state = a.ledger.state();
        assert_eq!(state.left_out, *a.closer.progress().left_out());
        assert_eq!(state.fault, None, "{expected}");
        let found: Vec<_> = state.left_out.values().collect();
        assert_eq!(found.len(), 1, "{expected}");
        assert_eq!(found[0].author.as_str(), "member-003");
        let reason = found[0].reason.to_string();
        assert!(reason.contains(expected), "{reason}: {expected}");
        assert_ne!(
            Agreement::new(Family::Strong, MethodName::Aladin)
                .ledger
                .state()
                .digest,
            state.digest
        );
    }
}

#[test]
fn a_misfit_counts_as_no_answer_and_hides_no_other() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    a.members[3].hear(&opening).expect("a call");
    let good = a.members[3].act(NOW).expect("an answer").remove(0);
    let mut bad = good.clone();
    let s = shared(&mut bad).expect("a reply");
    (s.round, s.version) = (Round(7), Round(7));
    s.priors.points.clear();
    a.closer.take(&bad).expect("of the contract");
    assert_eq!(a.closer.answered(), [false; 4]);
    a.closer.take(&good).expect("of the contract");
    assert_eq!(a.closer.answered(), [false, false, false, true]);
    a.closer.close(&mut a.members[0], NOW).expect("a closing");
    assert_eq!(a.closer.progress().rounds()[0].present, [3]);
    assert_eq!(a.closer.progress().left_out().len(), 1);
}

#[test]
fn others_agree_although_one_sends_garbage_for_a_while() {
    for method in MethodName::ALL {
        let mut a = Agreement::new(Family::Strong, method);
        let mut opening = a.open();
        let mut round = 0;
        while a.closer.progress().phase() != Phase::Agreed && round < 200 {
            round += 1;
            let garbage = (2..6).contains(&round);
            let mut tamper = |e: &mut Envelope| {
                if garbage && let Some(s) = shared(e) {
                    s.priors.barrier_weight.0 = -1;
                }
            };
            opening = a.round(&opening, &mut tamper).expect("a closing");
        }
        a.ledger.insert(opening).expect("the closer's");
        assert_eq!(a.closer.progress().phase(), Phase::Agreed, "{method:?}");
        let state = a.ledger.state();
        assert_eq!(state.left_out.len(), 4);
        assert_eq!(state.progress.plan(), a.closer.progress().plan());
    }
}

/// Numbers within their ranges that mean nothing.
fn noise(random: &mut Seeded, s: &mut SharedVariables) {
    let mut exchange = |v: &mut i64| *v = random.next_u64() as i64 >> 19;
    s.forecasts
        .values_mut()
        .flat_map(|v| v.iter_mut())
        .for_each(&mut exchange);
    for point in &mut s.priors.points {
        point.exchange.iter_mut().for_each(&mut exchange);
    }
    for point in &mut s.priors.points {
        point
            .exponents
            .iter_mut()
            .for_each(|e| *e = random.below(41) as u8);
        for v in point.sensitivity.iter_mut() {
            *v = random.next_u64() as i64 >> (20 + random.below(44));
        }
        let lists = [
            &mut point.sensitivity_gap,
            &mut point.barrier_rate,
            &mut point.barrier_offset,
        ];
        for v in lists.into_iter().flat_map(|list| list.iter_mut()) {
            *v = random.next_u64() as i64;
        }
        point.spread = Wide(i128::from(random.next_u64() as i64) << random.below(37));
    }
    for dual in &mut s.priors.dual_values {
        dual.value = Some(Wide((random.next_u64() as i64).into()));
    }
    for cost in &mut s.priors.allotment_costs {
        cost.cost = Some(Wide((random.next_u64() as i64).into()));
    }
    s.priors.barrier_weight.0 = random.next_u64() as i64 & i64::MAX;
    s.priors.barrier_total.0 = random.next_u64() as i64 & i64::MAX;
}

#[test]
fn noise_that_fits_ends_in_no_panic() {
    for method in MethodName::ALL {
        for seed in 0..10 {
            let mut random = Seeded::new(seed);
            let mut a = Agreement::new(Family::Strong, method);
            let mut opening = a.open();
            for _ in 0..8 {
                let mut tamper = |e: &mut Envelope| {
                    if let Some(s) = shared(e) {
                        noise(&mut random, s);
                    }
                };
                match a.round(&opening, &mut tamper) {
                    Ok(next) => opening = next,
                    // Prices that ran away: the agreement ends here.
                    Err(MemberError::Wire(_) | MemberError::Agent(_)) => break,
                    Err(other) => panic!("{method:?}, seed {seed}: {other}"),
                }
            }
            assert_eq!(a.ledger.state().fault, None, "{method:?}, seed {seed}");
        }
    }
}

#[test]
fn members_that_would_wait_for_each_other_make_no_contract() {
    let problem = families::instance(Family::Strong, 1, 4, 6).expect("an instance");
    let first = problem.members[0].problem.id().clone();
    let mut frame = Frame::new(&problem, |_| None, |_| Some(first.clone())).expect("a frame");
    let contract = |frame: &Frame| {
        Contract::new(
            ContractId::new("power").expect("a name"),
            Epoch(1),
            Arc::new(frame.clone()),
            &MemberId::new(first.as_str()).expect("a name"),
            MethodName::Aladin,
            1e-3,
        )
    };
    assert!(contract(&frame).is_ok());
    frame.rows[1].slack = 1;
    assert!(matches!(
        contract(&frame),
        Err(ContractError::Waiting { .. })
    ));
}
