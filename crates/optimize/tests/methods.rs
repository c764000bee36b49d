//! What every distributed method must hold to.

use std::sync::Arc;

use cosmosmesh_optimize::central;
use cosmosmesh_optimize::coupled::{Coupled, CoupledMember, CouplingRow, RowKind};
use cosmosmesh_optimize::families::{Family, instance};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{
    Agent, Call, Drive, Fold, Frame, MethodName, Phase, Reply, explain, relaxed, solve,
};
use cosmosmesh_optimize::problem::{Name, OpenProblem, Parts};
use cosmosmesh_optimize::rounds::measure;
use cosmosmesh_optimize::sparse::Sparse;

/// Metrics that rounding had made indefinite once gave no number at all.
#[test]
fn an_indefinite_metric_does_no_harm() {
    for (family, seed) in [(Family::Cap, 3), (Family::Scaled, 2)] {
        let problem = instance(family, seed, 6, 24).expect("an instance");
        let found = solve(
            &problem,
            Drive {
                gap: 1e-6,
                most_rounds: 20,
                ..Drive::default()
            },
        );
        let gap = found.expect("an answer").gap.expect("a certificate");
        assert!(gap <= 1e-6, "{family:?}, seed {seed}: {gap}");
    }
}

/// Two members on a balance: `supply` at most, `demand` at least, a step.
fn short(supply: &[f64], demand: &[f64]) -> Coupled {
    let name = |n: &str| Name::new(n).expect("a name");
    let t = supply.len();
    let member = |id: &str, sign: f64, l: &[f64], u: &[f64]| {
        let eye = |v: f64| {
            let entries: Vec<_> = (0..t).map(|k| (k, k, v)).collect();
            Sparse::from_triplets(t, t, &entries)
        };
        CoupledMember {
            problem: OpenProblem::new(Parts {
                id: name(id),
                p: eye(0.1),
                q: vec![-sign; t],
                a: eye(1.0),
                l: l.to_vec(),
                u: u.to_vec(),
                ports: Vec::new(),
                integer: Vec::new(),
            })
            .expect("a problem"),
            rows: (0..t).collect(),
            b: eye(sign),
        }
    };
    let more: Vec<f64> = demand.iter().map(|d| d + 2.0).collect();
    Coupled {
        members: vec![
            member("demand", 1.0, demand, &more),
            member("supply", -1.0, &vec![0.0; t], supply),
        ],
        rows: (0..t)
            .map(|k| CouplingRow {
                coupling: name("power"),
                step: k as u32,
                kind: RowKind::Equal,
                rhs: 0.0,
            })
            .collect(),
    }
}

#[test]
fn what_is_missing_is_named() {
    let supply = [5.0; 8];
    let mut demand = [2.0; 8];
    (demand[3], demand[4]) = (6.5, 5.25);
    let problem = short(&supply, &demand);
    let central = central::solve(&relaxed(&problem).expect("relaxed")).expect("an optimum");
    let found = explain(&problem).expect("an answer").expect("infeasible");
    assert!(found.proof > 0.0 && found.proof <= central.value * (1.0 + 1e-9));
    assert!((found.total - central.value).abs() <= 1e-4 * central.value);
    assert_eq!(found.couplings.len(), 1);
    let steps = &found.couplings[0].steps;
    assert_eq!(steps.iter().map(|s| s.0).collect::<Vec<_>>(), [3, 4]);
    assert!((steps[0].1 - 1.5).abs() < 1e-3 && (steps[1].1 - 0.25).abs() < 1e-3);
    let outcome = solve(&problem, Drive::default()).expect("an answer");
    assert!(outcome.rounds.len() < 12, "{} rounds", outcome.rounds.len());
    assert!(outcome.upper.is_none() && outcome.infeasible.is_some());
    assert_eq!(explain(&short(&supply, &[2.0; 8])), Ok(None));
    for family in Family::ALL {
        let feasible = instance(family, 1, 4, 12).expect("an instance");
        assert_eq!(explain(&feasible), Ok(None), "{family:?}");
    }
}

/// Rounding alone must not keep a gap open where plans cost nothing.
#[test]
fn a_plan_that_costs_nothing_is_certified() {
    let mut problem = short(&[5.0; 4], &[2.0; 4]);
    for member in &mut problem.members {
        let mut parts = member.problem.parts().clone();
        parts.p = Sparse::from_triplets(4, 4, &[]);
        parts.q = vec![0.0; 4];
        member.problem = OpenProblem::new(parts).expect("a problem");
    }
    let found = solve(&problem, Drive::default()).expect("an answer");
    assert!(found.gap.expect("bounds").abs() <= 1e-4, "{:?}", found.gap);
    assert!(found.rounds.len() < 10, "{} rounds", found.rounds.len());
}

/// A limit is rounded down to its quantum, by nearly all of one here: the lower
/// bound must hold for the limit as written.
#[test]
fn a_coarse_quantum_leaves_the_lower_bound_true() {
    let mut problem = short(&[5.0; 4], &[2.0; 4]);
    for (k, row) in problem.rows.iter_mut().enumerate() {
        row.kind = RowKind::AtMost;
        row.rhs = -0.5 + 0.1 * k as f64 - 1e-7;
    }
    let best = central::solve(&problem).expect("an optimum").value;
    let frame = Frame::new(&problem, |_| Some(0.125), |_| None).expect("a frame");
    let frame = Arc::new(frame);
    let mut fold = Fold::new(frame.clone(), MethodName::Aladin);
    let make = |(i, m)| Agent::new(frame.clone(), i, m, MethodName::Aladin, SolverName::Auto);
    let mut agents: Vec<Agent> = problem.members.iter().enumerate().map(make).collect();
    for _ in 0..12 {
        let call = fold.call().clone();
        let replies: Vec<(usize, Reply)> = agents
            .iter_mut()
            .map(|agent| {
                agent.hear(&call);
                (agent.index(), agent.reply().expect("an answer"))
            })
            .collect();
        let counted: Vec<(usize, &Reply)> = replies.iter().map(|(i, r)| (*i, r)).collect();
        fold.close(&counted);
    }
    let lower = fold.bounds().lower().expect("a bound");
    assert!(lower <= best + 1e-6, "{lower} lies above {best}");
    let upper = fold.bounds().upper().expect("a plan");
    assert!(upper >= best - 1e-6, "{upper} lies below {best}");
}

fn frame_of(problem: &Coupled) -> Arc<Frame> {
    Arc::new(Frame::new(problem, |_| None, |_| None).expect("a frame"))
}

fn agents(problem: &Coupled, frame: &Arc<Frame>, method: MethodName) -> Vec<Agent> {
    let make = |(i, m)| Agent::new(frame.clone(), i, m, method, SolverName::Auto);
    problem.members.iter().enumerate().map(make).collect()
}

/// Six rounds in which `order` arranges, repeats or withholds the replies.
fn calls(
    problem: &Coupled,
    method: MethodName,
    order: impl Fn(u32, &[(usize, Reply)]) -> Vec<(usize, Reply)>,
) -> (Vec<Call>, Fold) {
    let frame = frame_of(problem);
    let mut agents = agents(problem, &frame, method);
    let mut fold = Fold::new(frame, method);
    let mut calls = vec![fold.call().clone()];
    for round in 0..6 {
        let call = fold.call().clone();
        let mut replies = Vec::new();
        for (i, agent) in agents.iter_mut().enumerate() {
            agent.hear(&call);
            replies.push((i, agent.reply().expect("a reply")));
        }
        let replies = order(round, &replies);
        let counted: Vec<(usize, &Reply)> = replies.iter().map(|(i, r)| (*i, r)).collect();
        calls.push(fold.close(&counted).clone());
    }
    (calls, fold)
}

#[test]
fn the_order_and_number_of_replies_change_nothing() {
    for method in MethodName::ALL {
        let problem = instance(Family::Cap, 2, 5, 8).expect("an instance");
        let (plain, fold) = calls(&problem, method, |_, r| r.to_vec());
        let (again, _) = calls(&problem, method, |_, r| r.to_vec());
        assert_eq!(plain, again, "two runs differ");
        let (turned, other) = calls(&problem, method, |k, r| {
            let mut r = r.to_vec();
            r.rotate_left(k as usize % 5);
            r.reverse();
            let twice = r.clone();
            r.extend(twice);
            r
        });
        assert_eq!(plain, turned, "{method:?}");
        assert_eq!(fold.bounds(), other.bounds());
    }
}

#[test]
fn calls_may_come_late_twice_and_in_any_order() {
    for method in MethodName::ALL {
        let problem = instance(Family::Strong, 2, 4, 8).expect("an instance");
        let (asked, _) = calls(&problem, method, |_, r| r.to_vec());
        let frame = frame_of(&problem);
        let mut straight = agents(&problem, &frame, method);
        let mut muddled = agents(&problem, &frame, method);
        // Both hear the first call alone, then the others in their orders.
        for (agent, other) in straight.iter_mut().zip(&mut muddled) {
            agent.hear(&asked[0]);
            other.hear(&asked[0]);
            other.hear(&asked[0]);
            assert_eq!(agent.reply(), other.reply());
            for k in [1, 2] {
                agent.hear(&asked[k]);
            }
            for k in [2, 0, 1, 2] {
                other.hear(&asked[k]);
            }
            assert_eq!(agent.reply(), other.reply());
            assert!(!other.owes());
            other.hear(&asked[1]);
            assert!(!other.owes(), "an old call asks for nothing");
        }
    }
}

#[test]
fn absent_members_are_carried_forward() {
    for method in MethodName::ALL {
        let problem = instance(Family::Strong, 1, 4, 8).expect("an instance");
        let (asked, fold) = calls(&problem, method, |k, r| {
            let gone = |i: usize| k > 0 && i == 1;
            r.iter().filter(|(i, _)| !gone(*i)).cloned().collect()
        });
        assert_eq!(fold.phase(), Phase::Rounds);
        let last = asked.last().expect("a call");
        assert!(last.counted[1].is_some_and(|c| c.round == 1));
        assert!(last.counted[0].is_some_and(|c| c.round > 1));
        // Without its values there is no bound but that of round 1.
        assert!(fold.bounds().lower_at().is_none_or(|at| at.0 == 1));
    }
}

/// Settled allotments add up in whole quanta, and the optimum lies between
/// the bounds, with every reply or half of them.
#[test]
fn bounds_are_bounds_and_sums_are_exact() {
    for (method, gap) in [(MethodName::Aladin, 1e-5), (MethodName::Admm, 1e-2)] {
        for (k, family) in Family::ALL.into_iter().enumerate() {
            for (seed, loss) in [(1, 0.0), (2, 0.5), (3, 0.5), (4, 0.5)] {
                let seed = seed + 10 * k as u64;
                let problem = instance(family, seed, 4, 8).expect("an instance");
                let best = central::solve(&problem).expect("an optimum").value;
                let drive = Drive {
                    method,
                    gap,
                    most_rounds: 25,
                    loss,
                    seed,
                };
                let found = solve(&problem, drive).expect("an answer");
                let slack = 1e-7 * best.abs().max(1e-3);
                for r in &found.rounds {
                    assert!(
                        r.lower.is_none_or(|l| l <= best + slack)
                            && r.upper.is_none_or(|u| u >= best - slack),
                        "{method:?}, {family:?}, seed {seed}: {r:?}, optimum {best}"
                    );
                }
                let Some(allotments) = &found.allotments else {
                    continue;
                };
                assert!(found.upper.is_some_and(|u| u >= best - slack));
                let frame = frame_of(&problem);
                let mut left: Vec<i64> = frame.rows.iter().map(|r| r.rhs).collect();
                for (m, a) in problem.members.iter().zip(allotments) {
                    for (&r, v) in m.rows.iter().zip(a) {
                        left[r] -= v;
                    }
                }
                for (row, left) in frame.rows.iter().zip(left) {
                    match row.kind {
                        RowKind::Equal => assert_eq!(left, 0),
                        RowKind::AtMost => assert!(left >= 0),
                    }
                }
            }
        }
    }
}

#[test]
fn rounds_do_not_depend_on_threads() {
    let run = || {
        measure(
            Family::Strong,
            1..5,
            4,
            8,
            &MethodName::ALL,
            &[1e-2, 1e-4],
            60,
        )
    };
    let rows = run();
    assert_eq!(rows, run());
    assert_eq!(rows.len(), 2);
    let to = &rows[0].to_gap[1];
    assert!(to.worst.is_some_and(|w| w <= 10), "{rows:?}");
    assert!(to.uncertified.is_empty(), "{rows:?}");
}
