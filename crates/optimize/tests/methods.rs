//! What every distributed method must hold to.

use cosmosmesh_optimize::central;
use cosmosmesh_optimize::coupled::{Coupled, CoupledMember, CouplingRow, RowKind};
use cosmosmesh_optimize::families::{Family, instance};
use cosmosmesh_optimize::method::{Drive, explain, relaxed, solve};
use cosmosmesh_optimize::problem::{Name, OpenProblem, Parts};
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
