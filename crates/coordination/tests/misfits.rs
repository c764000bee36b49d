//! What does not fit the contract is refused or left out, and never ends an
//! agreement with an error.

use std::sync::Arc;

use cosmosmesh_coordination::closing::closer::{Closer, Timer};
use cosmosmesh_coordination::contract::{Contract, ContractError};
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::{Member, MemberError};
use cosmosmesh_coordination::progress::{Phase, Progress};
use cosmosmesh_identity::{PublicKey, SecretKey};
use cosmosmesh_log::{Draft, Entry, Kind, Refused as NotTaken, Verified};
use cosmosmesh_mission::{
    Attempt, Commitment, ContractHash, ContractId, CouplingId, Delta, Epoch, FixedVec, MemberId,
    Payload, PlanDelta, PointTerms, Round, SharedVariables, UtcSeconds, Wide,
};
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_optimize::seeded::Seeded;

const NOW: UtcSeconds = UtcSeconds(0);

fn key(i: usize) -> SecretKey {
    SecretKey::from_seed([i as u8 + 1; 32])
}

fn keys() -> Vec<PublicKey> {
    (0..4).map(|i| key(i).public()).collect()
}

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
            &keys(),
            &[MemberId::new(first.as_str()).expect("a name")],
            method,
            1e-3,
        );
        let contract = Arc::new(contract.expect("a contract"));
        let members = problem.members.iter().enumerate().map(|(i, m)| {
            let commitment = Commitment([i as u8; 32]);
            Member::new(contract.clone(), i, m, commitment, SolverName::Auto, key(i))
                .expect("a member")
        });
        Self {
            members: members.collect(),
            closer: Closer::new(contract.clone(), 0),
            ledger: Ledger::new(contract.clone()),
            contract,
        }
    }

    fn open(&mut self) -> Verified {
        let member = &mut self.members[0];
        let begun = self.closer.start(member, NOW, &mut |payload| vec![payload]);
        begun.expect("an opening");
        self.opened()
    }

    /// What opened the last round; the ledger gets what the closer has.
    fn opened(&mut self) -> Verified {
        let log = self.members[0].log();
        for ix in log.attached_since(0) {
            let entry = log.verified(ix).expect("not pruned");
            self.ledger.insert(entry).expect("attached");
        }
        let (_, certificate) = self.closer.opened().last_key_value().expect("one");
        let at = log.find(&certificate.proposal).expect("it is there");
        log.verified(at).expect("not pruned")
    }

    /// The closer's votes: they say which calls opened their rounds.
    fn votes(&self) -> Vec<Verified> {
        let log = self.members[0].log();
        let votes = log
            .attached_since(0)
            .filter(|ix| log.kind(*ix) == Kind::VOTE);
        votes.filter_map(|ix| log.verified(ix)).collect()
    }

    fn look(&mut self) -> Result<(), MemberError> {
        let member = &mut self.members[0];
        self.closer
            .heard(member, NOW, &mut |payload| vec![payload])?;
        Ok(())
    }

    fn progress(&self) -> &Progress {
        self.closer.progress().expect("a round is open")
    }

    /// Every member hears the opening and answers; `tamper` has its way with
    /// what member 3 says. Then the closer closes.
    fn round(
        &mut self,
        opening: &Verified,
        tamper: &mut dyn FnMut(&mut Payload),
    ) -> Result<Verified, MemberError> {
        self.ledger.insert(opening.clone()).expect("the closer's");
        // Those that take the rounding answer once they have heard the others.
        for _ in 0..2 {
            let mut said = Vec::new();
            let votes = self.votes();
            for (i, member) in self.members.iter_mut().enumerate() {
                for vote in &votes {
                    member.hear(vote).expect("a vote");
                }
                member.hear(opening).expect("a call");
                let mut voice = |mut payload: Payload| {
                    if i == 3 {
                        tamper(&mut payload);
                    }
                    vec![payload]
                };
                said.extend(member.act_in(NOW, &mut voice)?);
            }
            for entry in said {
                self.ledger.insert(entry.clone()).expect("of an author");
                for member in &mut self.members {
                    let _ = member.hear(&entry);
                }
            }
        }
        self.close()
    }

    /// Closes the round with what came in.
    fn close(&mut self) -> Result<Verified, MemberError> {
        let round = self.progress().round();
        self.look()?;
        if self.progress().round() == round {
            let member = &mut self.members[0];
            let timer = Timer::Answers { round };
            let voice = &mut |payload| vec![payload];
            self.closer.passed(timer, member, NOW, voice)?;
        }
        Ok(self.opened())
    }
}

fn shared(payload: &mut Payload) -> Option<&mut SharedVariables> {
    match payload {
        Payload::SharedVariables(shared) => Some(shared),
        _ => None,
    }
}

fn payload(verified: &Verified) -> Payload {
    verified.entry().envelope().expect("a message").payload
}

type Spoil = fn(&mut Payload);

#[test]
fn messages_of_another_contract_are_left_out_by_all() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    for member in &mut a.members {
        member.hear(&opening).expect("a call");
    }
    let reply = payload(&a.members[2].act(NOW).expect("an answer")[0]);
    let opening = payload(&opening);
    let cases: [(&str, &Payload, Spoil); 6] = [
        ("is of contract other, not of power", &reply, |p| {
            let other = ContractId::new("other").expect("a name");
            shared(p).expect("a reply").contract_id = other;
        }),
        ("is of epoch 2, not of 1", &reply, |p| {
            shared(p).expect("a reply").epoch = Epoch(2);
        }),
        ("is of attempt 1, not of 0", &reply, |p| {
            shared(p).expect("a reply").attempt = Attempt(1);
        }),
        ("member-003 closes no rounds", &opening, |_| {}),
        ("is of contract other, not of power", &opening, |p| {
            let Payload::DualVariables(dual) = p else {
                panic!("an opening");
            };
            dual.contract_id = ContractId::new("other").expect("a name");
        }),
        ("is of epoch 2, not of 1", &opening, |p| {
            let Payload::DualVariables(dual) = p else {
                panic!("an opening");
            };
            dual.epoch = Epoch(2);
        }),
    ];
    let allocation = |contract_id: ContractId, epoch: Epoch| {
        Payload::PlanDelta(PlanDelta {
            delta: Delta::Allocation {
                coupling: CouplingId::new("balance").expect("a name"),
                epoch,
                quanta: FixedVec::default(),
            },
            timestamp: NOW,
            author: "member-003".parse().expect("a name"),
            contract_id,
            signature: None,
        })
    };
    let spoiled = cases.into_iter().map(|(expected, good, spoil)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        (expected, bad)
    });
    let other = ContractId::new("other").expect("a name");
    let ours = a.contract.id().clone();
    let allocations = [
        ("is of contract other", allocation(other, Epoch(1))),
        ("is of epoch 2, not of 1", allocation(ours, Epoch(2))),
    ];
    let mut said = 0;
    for (expected, bad) in spoiled.chain(allocations) {
        let bad = a.members[3].say(bad, vec![], NOW).expect("an entry");
        let id = bad.entry().id();
        a.ledger.insert(bad.clone()).expect("of an author");
        said += 1;
        let state = a.ledger.state();
        assert_eq!(state.left_out.len(), said, "{expected}");
        let reason = state.left_out[&id].reason.to_string();
        assert!(reason.contains(expected), "{reason}: {expected}");
        assert!(state.faults.is_empty(), "{expected}");
        match a.members[1].hear(&bad) {
            Err(MemberError::Misfit(e)) => assert_eq!(e.to_string(), reason),
            other => panic!("{expected}: {other:?}"),
        }
        a.members[0].hear(&bad).expect_err(expected);
        a.look().expect("in range");
        assert!(!a.closer.answered().contains(&true));
    }
}

/// An entry of member 3 as its first.
fn first(a: &Agreement, with: &mut dyn FnMut(&mut Draft), by: &SecretKey) -> Entry {
    let mut draft = Draft {
        author: "member-003".parse().expect("a name"),
        boot_epoch: cosmosmesh_mission::BootEpoch(0),
        seq: cosmosmesh_mission::Seq(0),
        backlink: None,
        deps: Vec::new(),
        time: NOW,
        contract_hash: a.contract.hash(),
        kind: Kind(0),
        body: b"no body".to_vec(),
    };
    with(&mut draft);
    draft.sign(by).expect("an entry")
}

#[test]
fn entries_of_strangers_contracts_and_wrong_keys_never_come_in() {
    let a = Agreement::new(Family::Strong, MethodName::Aladin);
    let verify = |entry| a.contract.terms().verify(entry).map(|_| ());
    let entry = first(
        &a,
        &mut |d| d.contract_hash = ContractHash([7; 32]),
        &key(3),
    );
    assert!(matches!(verify(entry), Err(NotTaken::Contract { .. })));
    let stranger = "stranger".parse().expect("a name");
    let entry = first(&a, &mut |d| d.author = Clone::clone(&stranger), &key(3));
    assert_eq!(verify(entry), Err(NotTaken::Author(stranger.clone())));
    let entry = first(&a, &mut |_| {}, &key(2));
    assert!(matches!(verify(entry), Err(NotTaken::Signature(_))));
}

#[test]
fn a_body_that_cannot_be_read_is_left_out_and_named() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    a.ledger.insert(opening).expect("the closer's");
    let entry = first(&a, &mut |_| {}, &key(3));
    let verified = a.contract.terms().verify(entry).expect("an author's");
    a.ledger.insert(verified.clone()).expect("an author's");
    a.members[0].hear(&verified).expect_err("unreadable");
    let next = a.close().expect("a closing");
    a.ledger.insert(next).expect("the closer's");
    let state = a.ledger.state();
    assert!(state.faults.is_empty());
    let reason = state.left_out[&verified.entry().id()].reason.to_string();
    assert!(reason.contains("no payload of kind 0"), "{reason}");
}

#[test]
fn the_logs_own_entries_and_unknown_kinds_are_no_fault() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    a.ledger.insert(opening.clone()).expect("the closer's");
    // The closer votes for a checkpoint of what it holds; member 3 says something
    // that nobody here knows.
    let at = a.ledger.log().find(&opening.entry().id()).expect("held");
    let checkpoint = a.ledger.log().checkpoint(&[at], a.ledger.state().digest);
    let last = a.votes()[0].entry().id();
    let vote = |d: &mut Draft| {
        d.author = "member-000".parse().expect("a name");
        (d.seq, d.backlink) = (cosmosmesh_mission::Seq(2), Some(last));
        checkpoint.as_ref().expect("one").say(d).expect("said");
    };
    let vote = first(&a, &mut { vote }, &key(0));
    let unknown = first(&a, &mut |d| d.kind = Kind(1000), &key(3));
    for entry in [vote, unknown] {
        let verified = a.contract.terms().verify(entry).expect("an author's");
        let taken = a.ledger.insert(verified).expect("an author's");
        assert_eq!(taken.attached.len(), 1);
    }
    let state = a.ledger.state();
    assert!(state.left_out.is_empty() && state.faults.is_empty());
    assert_eq!(a.ledger.log().sealed().len(), 1);
}

#[test]
fn a_fork_found_out_later_changes_no_closed_round() {
    let mut a = Agreement::new(Family::Strong, MethodName::Aladin);
    let opening = a.open();
    let next = a.round(&opening, &mut |_| {}).expect("a closing");
    a.ledger.insert(next.clone()).expect("the closer's");
    let before = a.ledger.state();
    let other = first(&a, &mut |_| {}, &key(3));
    let other = a.contract.terms().verify(other).expect("an author's");
    a.ledger.insert(other.clone()).expect("an author's");
    let state = a.ledger.state();
    assert!(state.faults.is_empty());
    assert_eq!(state.progress.rounds(), before.progress.rounds());
    assert_eq!(state.progress.rounds()[0].present, [0, 1, 2, 3]);
    let forker: MemberId = "member-003".parse().expect("a name");
    assert!(state.forks[&forker].contains(&other.entry().id()));
    assert_ne!(state.digest, before.digest);
    // The closer counts nothing more of it.
    a.members[0].hear(&other).expect_err("unreadable");
    let last = a.round(&next, &mut |_| {}).expect("a closing");
    a.ledger.insert(last).expect("the closer's");
    let state = a.ledger.state();
    assert!(state.faults.is_empty());
    assert_eq!(state.progress.rounds()[1].present, [0, 1, 2]);
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
        assert_eq!(a.progress().rounds()[0].present, [0, 1, 2]);
        let state = a.ledger.state();
        assert_eq!(state.left_out, *a.progress().left_out());
        assert!(state.faults.is_empty(), "{expected}");
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
    let mut bad = payload(&good);
    let s = shared(&mut bad).expect("a reply");
    (s.round, s.version) = (Round(7), Round(7));
    s.priors.points.clear();
    let bad = a.members[3].say(bad, vec![], NOW).expect("an entry");
    // What its author said before is missing: it waits.
    a.members[0].hear(&bad).expect_err("a misfit");
    a.look().expect("in range");
    assert_eq!(a.closer.answered(), [false; 4]);
    a.members[0].hear(&good).expect("an author's");
    a.look().expect("in range");
    assert_eq!(a.closer.answered(), [false, false, false, true]);
    a.close().expect("a closing");
    assert_eq!(a.progress().rounds()[0].present, [3]);
    assert_eq!(a.progress().left_out().len(), 1);
}

#[test]
fn others_agree_although_one_sends_garbage_for_a_while() {
    for method in MethodName::ALL {
        let mut a = Agreement::new(Family::Strong, method);
        let mut opening = a.open();
        let mut round = 0;
        while a.progress().phase() != Phase::Agreed && round < 200 {
            round += 1;
            let garbage = (2..6).contains(&round);
            let mut tamper = |e: &mut Payload| {
                if garbage && let Some(s) = shared(e) {
                    s.priors.barrier_weight.0 = -1;
                }
            };
            opening = a.round(&opening, &mut tamper).expect("a closing");
        }
        a.ledger.insert(opening).expect("the closer's");
        assert_eq!(a.progress().phase(), Phase::Agreed, "{method:?}");
        let state = a.ledger.state();
        assert_eq!(state.left_out.len(), 4);
        assert_eq!(state.progress.plan(), a.progress().plan());
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
                let mut tamper = |e: &mut Payload| {
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
            assert!(
                a.ledger.state().faults.is_empty(),
                "{method:?}, seed {seed}"
            );
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
            &keys(),
            &[MemberId::new(first.as_str()).expect("a name")],
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
