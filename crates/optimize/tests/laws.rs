//! The laws of composition on many random diagrams, and that the suite
//! notices when one is broken.

use cosmosmesh_optimize::laws::{self, Law, LawReport, Plant, Suite};

const SUITE: Suite = Suite {
    cases: 5_000,
    numeric_cases: 150,
    seed: 1,
    distributed: None,
    plant: None,
};

fn held(report: &LawReport) {
    for l in &report.laws {
        assert!(l.cases > 0, "{}: no case", l.law);
        assert_eq!(l.failed, 0, "{}: {:?}", l.law, l.failures);
        assert!(l.worst <= report.tolerance);
    }
    assert!(report.holds());
}

// Twice half of 10⁴ cases, so that two cores share them.

#[test]
fn the_laws_hold_in_the_first_half() {
    held(&SUITE.run(&mut |_| {}));
}

#[test]
fn the_laws_hold_in_the_second_half() {
    held(&Suite { seed: 2, ..SUITE }.run(&mut |_| {}));
}

/// Every planted mistake is caught, by the law that is about it; the others
/// that do not use the broken step still hold.
#[test]
fn planted_mistakes_are_caught() {
    let about = |plant| match plant {
        Plant::ComposeDropsSign | Plant::FlattenDropsLink => Law::Associativity,
        Plant::RankFromOrder => Law::Symmetry,
        Plant::IdentityNegates => Law::Identity,
        Plant::LimitsAsEquations | Plant::NormalFormLosesRow => Law::NormalForm,
        Plant::StaleBound => Law::Bounds,
        _ => panic!("a plant that no law is named for: {plant:?}"),
    };
    for plant in Plant::ALL {
        let report = Suite {
            cases: 60,
            numeric_cases: 20,
            plant: Some(plant),
            ..SUITE
        }
        .run(&mut |_| {});
        assert!(!report.holds(), "{plant:?} went unnoticed");
        let caught: Vec<Law> = report
            .laws
            .iter()
            .filter(|l| l.failed > 0)
            .map(|l| l.law)
            .collect();
        assert!(caught.contains(&about(plant)), "{plant:?}: {caught:?}");
        assert!(!caught.contains(&Law::DisjointUnion), "{plant:?}");
        // Numeric laws see what structural laws see, where optima move.
        if plant == Plant::LimitsAsEquations || plant == Plant::NormalFormLosesRow {
            assert!(caught.contains(&Law::SolveCompose), "{plant:?}: {caught:?}");
        }
    }
}

#[test]
fn a_failure_is_repeated_by_its_seed() {
    let suite = Suite {
        cases: 30,
        numeric_cases: 0,
        plant: Some(Plant::ComposeDropsSign),
        ..SUITE
    };
    let report = suite.run(&mut |_| {});
    let failed = report.of(Law::Associativity).expect("it is run");
    let first = failed.failures.first().expect("it is caught");
    let again = Suite {
        cases: 1,
        seed: first.seed,
        ..suite
    }
    .run(&mut |_| {});
    let failed = again.of(Law::Associativity).expect("it is run");
    assert_eq!(failed.failures, [first.clone()]);
}

#[test]
fn a_run_is_its_seed_and_says_how_far_it_is() {
    let mut heard = Vec::new();
    let one = laws::run(12, 7, &mut |k| heard.push(k));
    assert_eq!(heard, (1..=12).collect::<Vec<_>>());
    assert_eq!(one, laws::run(12, 7, &mut |_| {}));
    assert_eq!(one.of(Law::Merging).map(|l| l.cases), Some(2));
}

#[test]
fn no_case_is_no_law() {
    let report = laws::run(0, 1, &mut |_| {});
    assert!(!report.holds());
}
