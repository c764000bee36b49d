//! Single cases that random histories seldom meet, each with the rule that it is about.

use std::sync::Arc;

use cosmosmesh_mission::{Delta, Epoch, UtcSeconds};

use super::super::rules::Rule;
use super::super::{Reason, Targets};
use super::history::{Run, Trouble};
use super::world::{Node, STEPS, World, id, list, pool, transfer};

/// What happens in a case.
type Case = fn(&mut Run);

/// Every case with the rule without which it goes wrong.
pub(super) const CASES: [(Rule, Case); 8] = [
    (Rule::ClaimOnce, |run| {
        let promise = promise(run, 900);
        for _ in 0..2 {
            run.nodes[2].say(Delta::Claim { reversion: promise });
        }
    }),
    (Rule::ClaimBehind, |run| {
        let promise = promise(run, 1150);
        run.nodes[2].say(Delta::Claim { reversion: promise });
    }),
    (Rule::FenceEarlier, |run| {
        let promise = promise(run, 1150);
        run.nodes[2].say(Delta::Claim { reversion: promise });
    }),
    (Rule::Encumbered, |run| {
        let promise = promise(run, 900);
        run.nodes[1].say(transfer("link", None, "d", 0, &[3; STEPS]));
        run.nodes[2].say(Delta::Claim { reversion: promise });
        run.tell(1, 3);
        run.tell(2, 3);
    }),
    (Rule::Cap, |run| {
        two_faces(run);
    }),
    (Rule::ReceiptKnowsNoFork, |run| {
        two_faces(run);
        run.nodes[2].note();
        run.nodes[3].note();
        run.tell(2, 1);
        run.nodes[1].note();
        run.tell(1, 2);
        run.tell(3, 1);
        run.nodes[1].note();
        run.tell(1, 3);
    }),
    (Rule::ConsentBinds, |run| {
        let proposal = propose(run);
        for other in [0, 2, 3] {
            run.tell(1, other);
            run.nodes[other].say(Delta::Consent { proposal });
            run.tell(other, 1);
        }
        run.nodes[1].say(Delta::Switch { proposal });
    }),
    (Rule::Consent, |run| {
        let proposal = propose(run);
        run.nodes[1].say(Delta::Switch { proposal });
    }),
];

/// `b` promises `c` what it can spare of the link.
fn promise(run: &mut Run, after_s: i64) -> cosmosmesh_mission::MessageId {
    let entry = run.nodes[1].say(Delta::Reversion {
        coupling: id("link"),
        source: None,
        to: id("c"),
        start: 0,
        quanta: list(&[3; STEPS]),
        after: UtcSeconds(after_s),
    });
    run.tell(1, 2);
    entry.id()
}

fn propose(run: &mut Run) -> cosmosmesh_mission::MessageId {
    let proposal = Delta::Proposal {
        coupling: id("freq"),
        start: 0,
        quanta: list(&[40]),
    };
    run.nodes[1].say(proposal).id()
}

/// `a` gives the same to `c` and to `d`.
fn two_faces(run: &mut Run) {
    run.fork(0);
    run.nodes[0].say(transfer("link", None, "c", 0, &[7; STEPS]));
    run.face(0).say(transfer("link", None, "d", 0, &[7; STEPS]));
    run.tell(0, 2);
    run.face_tells(0, 3);
}

pub(super) fn outcome(world: &Arc<World>, case: Case, without: Option<Rule>) -> Result<(), String> {
    let mut run = Run::new(world, 0, Trouble::default(), without);
    case(&mut run);
    run.check()
}

#[test]
fn cases_keep_what_is_promised() {
    let world = Arc::new(World::new());
    for (rule, case) in CASES {
        assert_eq!(outcome(&world, case, None), Ok(()), "{rule:?}");
    }
}

fn usable(node: &Node, member: &str) -> Vec<i64> {
    let view = node.leases.view(&node.log);
    let usable = view.usable(&id("link"), None, &id(member), node.fence);
    usable.expect("a lease")
}

fn reason(node: &Node) -> Reason {
    node.leases.faults()[0].reason.clone()
}

#[test]
fn harm_before_the_merge_is_at_most_the_cap_and_is_paid_in_order() {
    let world = Arc::new(World::new());
    let mut run = Run::new(&world, 0, Trouble::default(), None);
    two_faces(&mut run);
    // Neither is receipted by a quorum: three each, which is the cap.
    assert_eq!(usable(&run.nodes[2], "c"), [4 + 3; STEPS]);
    assert_eq!(usable(&run.nodes[3], "d"), [2 + 3; STEPS]);
    run.tell(2, 3);
    let node = &run.nodes[3];
    let view = node.leases.view(&node.log);
    let lease = |member| view.lease(&id("link"), None, &id(member)).expect("a lease");
    // 14 were given of 7: the reserve pays 2, and `c`, which goes short first, 5.
    assert_eq!(lease("c").cut, [5; STEPS]);
    assert_eq!(lease("d").cut, [0; STEPS]);
    assert_eq!(lease("a").effective(), [1; STEPS]);
    assert_eq!(view.why(&id("link"), None, &id("c")).len(), 2);
}

#[test]
fn what_is_not_held_is_a_fault_and_changes_nothing() {
    let world = Arc::new(World::new());
    let mut node = world.node(1, None);
    node.say(transfer("link", None, "c", 0, &[4]));
    let (step, asked, free) = (0, 4, 3);
    assert_eq!(reason(&node), Reason::NotHeld { step, asked, free });
    assert_eq!(usable(&node, "b"), [4; STEPS]);
}

#[test]
fn a_renewal_gives_the_holder_its_steps_back() {
    let world = Arc::new(World::new());
    let mut run = Run::new(&world, 0, Trouble::default(), None);
    let reversion = promise(&mut run, 1150);
    assert_eq!(usable(&run.nodes[1], "b"), [4, 1, 1, 1]);
    let after = UtcSeconds(1250);
    run.nodes[2].say(Delta::Renewal { reversion, after });
    run.tell(2, 1);
    assert_eq!(usable(&run.nodes[1], "b"), [4, 4, 1, 1]);
    run.nodes[2].say(Delta::Claim { reversion });
    assert_eq!(usable(&run.nodes[2], "c"), [4, 4, 4, 7]);
    run.tell(2, 1);
    assert_eq!(usable(&run.nodes[1], "b"), [4, 4, 1, 1]);
    assert_eq!(run.check(), Ok(()));
}

#[test]
fn colliding_requests_are_one_visible_conflict() {
    let world = Arc::new(World::new());
    let mut run = Run::new(&world, 0, Trouble::default(), None);
    for who in [0, 3] {
        run.nodes[who].say(Delta::Request {
            coupling: id("dish"),
            start: 1,
            count: 1,
        });
        run.tell(who, 1);
    }
    let node = &run.nodes[1];
    let conflicts = node.leases.view(&node.log).conflicts();
    assert_eq!(conflicts.len(), 1);
    // `d` has priority.
    assert_eq!(conflicts[0].winner(), &id("d"));
    assert_eq!(conflicts[0].holder, Some(id("b")));
    run.nodes[1].say(transfer("dish", None, "d", 1, &[1]));
    let node = &run.nodes[1];
    let conflicts = node.leases.view(&node.log).conflicts();
    assert!(conflicts[0].requests[0].served);
    assert!(!conflicts[0].requests[1].served);
}

#[test]
fn a_silent_suppliers_rights_are_not_firm() {
    let world = Arc::new(World::new());
    let mut run = Run::new(&world, 0, Trouble::default(), None);
    let closing = run.nodes[1].note().id();
    let supplier = id("d");
    let firm = |run: &Run| {
        let node = &run.nodes[1];
        let since = node.log.find(&closing).expect("attached");
        node.leases.view(&node.log).is_firm(Some(&supplier), since)
    };
    run.nodes[3].note();
    run.tell(3, 1);
    assert!(!firm(&run));
    run.tell(1, 3);
    run.nodes[3].note();
    run.tell(3, 1);
    assert!(firm(&run));
}

#[test]
fn a_matching_leads_to_the_targets() {
    matched([("link", [3, 2, 9, 4]), ("bus", [-9, 3, 5, -4])], |run| {
        led_to_the_targets(run);
    });
}

#[test]
fn false_targets_waste_at_most() {
    for lie in [-1000, 0, 1000, i64::MAX, -i64::MAX] {
        matched(
            [("link", [3, 2, 9, lie]), ("bus", [-9, 3, 5, lie])],
            |run| {
                for node in &run.nodes {
                    let view = node.leases.view(&node.log);
                    assert!(view.faults().is_empty(), "{lie}: {:?}", view.faults());
                    assert_eq!(view.excess(), 0, "{lie}");
                }
            },
        );
    }
}

/// What members have after they signed what follows from targets; `b` names none.
fn matched(wanted: [(&str, [i64; 4]); 2], check: impl Fn(&Run)) {
    let world = Arc::new(World::new());
    let mut run = Run::new(&world, 0, Trouble::default(), None);
    let mut targets = Targets::new();
    for (coupling, wanted) in wanted {
        for (who, target) in wanted.into_iter().enumerate().filter(|(who, _)| *who != 1) {
            let of_coupling = targets.entry(id(coupling)).or_default();
            of_coupling.insert(id(["a", "b", "c", "d"][who]), vec![target; STEPS]);
        }
    }
    let meet = |run: &mut Run| {
        for _ in 0..2 {
            for (from, to) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))) {
                run.tell(from, to);
            }
            for node in &mut run.nodes {
                node.note();
            }
        }
    };
    for who in 0..4 {
        let node = &run.nodes[who];
        let view = node.leases.view(&node.log);
        let matching = view.matching(Epoch(3), 0, &targets);
        let name = id(["a", "b", "c", "d"][who]);
        for delta in matching.get(&name).cloned().unwrap_or_default() {
            run.nodes[who].say(delta);
        }
    }
    meet(&mut run);
    check(&run);
}

fn led_to_the_targets(run: &Run) {
    let node = &run.nodes[0];
    assert!(
        node.leases.faults().is_empty(),
        "{:?}",
        node.leases.faults()
    );
    let view = node.leases.view(&node.log);
    let held = |coupling: &str, source: Option<&str>, member: &str| {
        let source = source.map(id);
        let lease = view.lease(&id(coupling), source.as_ref(), &id(member));
        lease.expect("a lease").effective()[0]
    };
    // `b` has no target: it keeps its 4. `c` wants 9 and `d` 4; `a` can give 5.
    let link = ["a", "b", "c", "d"].map(|member| held("link", None, member));
    assert_eq!(link, [3, 4, 9, 2]);
    let c = held("bus", Some("a"), "c") + held("bus", Some("d"), "c");
    assert_eq!(c, 5);
    assert_eq!(
        view.available(&id("bus"), Some(&id("a"))),
        Some(vec![9; STEPS])
    );
    assert_eq!(
        view.available(&id("bus"), Some(&id("d"))),
        Some(vec![4; STEPS])
    );
    assert_eq!(run.check(), Ok(()));
}

#[test]
fn terms_that_cannot_be_kept_are_refused() {
    use super::super::{CouplingKind, LeaseTerms};
    use super::world::{coupling, grid};
    let refused = |change: fn(&mut super::super::CouplingTerms)| {
        let mut terms = coupling("x", CouplingKind::Capacity, vec![pool("a", 5)]);
        change(&mut terms);
        let refused = LeaseTerms::new(grid(), 1, vec![terms]);
        refused.expect_err("refused").to_string()
    };
    assert_eq!(
        refused(|t| t.pools[0].reserve = list(&[6])),
        "coupling x: floors and reserve of a's are 6 at step 0, and there are 5; lower them"
    );
    assert_eq!(
        refused(|t| (t.cap, t.quorum) = (Some(1), 1)),
        "coupling x: 1 receipts of 3 others; with a cap it takes more than half and at most all"
    );
    assert_eq!(
        refused(|t| t.curtailment = vec![id("e")]),
        "coupling x: e in its curtailment order is none of its members; add it to them"
    );
    assert_eq!(
        refused(|t| t.pools[0].amount = list(&[])),
        "coupling x: its amount is empty; give at least one number, for all steps"
    );
    assert_eq!(
        refused(|t| t.pools[0].limit = list(&[9])),
        "coupling x: its limit is 9 at step 0; expected 5 to 5"
    );
}

#[test]
fn terms_have_one_encoding() {
    use cosmosmesh_mission::Canonical as _;
    let world = World::new();
    let bytes = world.leases.to_cbor().expect("encoded");
    let read = super::super::LeaseTerms::from_cbor(&bytes).expect("read");
    assert_eq!(read.to_cbor(), Ok(bytes));
}
