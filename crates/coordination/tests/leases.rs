//! The terms of leases are part of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_coordination::contract::{Contract, ContractError};
use cosmosmesh_coordination::lease::{CouplingKind, CouplingTerms, LeaseTerms, Leases, PoolTerms};
use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::Log;
use cosmosmesh_mission::{ContractId, Epoch, FixedVec, MemberId, TimeGrid, UtcSeconds};
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::method::{Frame, MethodName};

fn contract() -> Contract {
    let problem = families::instance(Family::Strong, 1, 4, 6).expect("an instance");
    let first = problem.members[0].problem.id().clone();
    let frame = Frame::new(&problem, |_| None, |_| Some(first.clone())).expect("a frame");
    let keys: Vec<_> = (1..5)
        .map(|i| SecretKey::from_seed([i; 32]).public())
        .collect();
    Contract::new(
        ContractId::new("power").expect("a name"),
        Epoch(1),
        Arc::new(frame),
        &keys,
        &[MemberId::new(first.as_str()).expect("a name")],
        MethodName::Aladin,
        1e-3,
    )
    .expect("a contract")
}

fn terms(members: &[MemberId]) -> LeaseTerms {
    let list = |value| FixedVec(vec![value]);
    let pool = PoolTerms {
        owner: members[0].clone(),
        amount: list(10),
        limit: list(10),
        reserve: list(1),
        floors: BTreeMap::new(),
        weights: members.iter().map(|m| (m.clone(), 1)).collect(),
    };
    let coupling = CouplingTerms {
        id: "link".parse().expect("a name"),
        members: members.iter().cloned().collect(),
        kind: CouplingKind::Capacity,
        pools: vec![pool],
        curtailment: Vec::new(),
        priority: Vec::new(),
        cap: None,
        quorum: 0,
    };
    let grid = TimeGrid::uniform(UtcSeconds(0), 6, 60).expect("a grid");
    LeaseTerms::new(grid, 5, vec![coupling]).expect("terms")
}

#[test]
fn terms_of_leases_are_hashed_with_the_contract_and_come_back_with_it() {
    let plain = contract();
    let with = contract()
        .with_leases(terms(plain.members()))
        .expect("a contract");
    assert_ne!(plain.hash(), with.hash());
    let read = Contract::from_bytes(&with.to_bytes().expect("bytes")).expect("a contract");
    assert_eq!(read.hash(), with.hash());
    assert_eq!(read.terms().contract_hash(), with.hash());
    let log = Log::new(read.terms().clone());
    let leases = Leases::of(&read, &log);
    let view = leases.view(&log);
    let link = "link".parse().expect("a name");
    let held = |member| view.lease(&link, None, member).expect("a lease").held[5];
    // Nine in four parts, and what rounding leaves is the owner's.
    let all: Vec<i64> = read.members().iter().map(held).collect();
    assert_eq!(all, [3, 2, 2, 2]);
}

#[test]
fn terms_of_leases_name_members_only() {
    let stranger: MemberId = "stranger".parse().expect("a name");
    let refused = contract().with_leases(terms(&[stranger]));
    assert!(matches!(refused, Err(ContractError::Leases(_))));
}
