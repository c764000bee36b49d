//! The laws of composition on many random diagrams, and that the suite
//! notices when one is broken.

use cosmosmesh_optimize::central;
use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::laws::{self, Distributed, Law, LawReport, Method, Plant, Suite};

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
    assert_eq!(failed.failures.as_slice(), std::slice::from_ref(first));
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

/// A stand-in for a distributed method, off by a little.
fn nearly(problem: &Coupled) -> Result<Distributed, String> {
    let best = central::solve(problem).map_err(|e| e.to_string())?.value;
    let slack = 4e-5 * best.abs().max(1.0);
    Ok(Distributed {
        lower: best - slack,
        upper: best + slack,
        gap: 1e-4,
    })
}

/// One whose lower bound is none.
fn boastful(problem: &Coupled) -> Result<Distributed, String> {
    let found = nearly(problem)?;
    Ok(Distributed {
        lower: found.upper,
        ..found
    })
}

/// One that does not find the optimum.
fn stalled(problem: &Coupled) -> Result<Distributed, String> {
    let found = nearly(problem)?;
    Ok(Distributed {
        upper: found.upper + 0.1 * found.upper.abs().max(1.0),
        ..found
    })
}

#[test]
fn a_distributed_method_is_held_against_the_reference() {
    let with = |method| Suite {
        cases: 10,
        numeric_cases: 10,
        distributed: Some(Method { solve: method }),
        ..SUITE
    };
    let failed = |report: &LawReport, law| report.of(law).map(|l| l.failed);
    let report = with(nearly).run(&mut |_| {});
    assert!(report.distributed && report.holds());
    let report = with(boastful).run(&mut |_| {});
    assert_eq!(failed(&report, Law::Bounds), Some(10));
    assert_eq!(failed(&report, Law::SolveCompose), Some(0));
    let report = with(stalled).run(&mut |_| {});
    assert_eq!(failed(&report, Law::SolveCompose), Some(10));
    assert_eq!(failed(&report, Law::Bounds), Some(0));
}

/// Cases on which a method once found no plan or a bad one: prices that ran away
/// along dependent rows, a first answer drawn through a bound, limits whose spare
/// capacity nobody had, a settlement that cost more than its candidate.
#[test]
fn cases_that_once_failed_hold() {
    for seed in [
        629_697_224_597_940_890,
        4_040_178_959_772_485_439,
        8_256_554_378_785_138_544,
        17_331_020_131_802_233_245,
        24_000_089,
        55_000_182,
        159_000_494,
        398_001_211,
        853_002_576,
        13_686_383_397_281_262_853,
    ] {
        let one = Suite {
            cases: 1,
            numeric_cases: 1,
            seed,
            distributed: Some(Method::ALADIN),
            plant: None,
        };
        let report = one.run(&mut |_| {});
        assert!(report.holds(), "{seed}: {report:?}");
    }
}

/// Long: `cargo test -- --ignored`.
#[test]
#[ignore = "minutes"]
fn the_laws_hold_in_many_cases() {
    let many = Suite {
        cases: 20_000,
        numeric_cases: 5_000,
        seed: 3,
        ..SUITE
    };
    held(&many.run(&mut |_| {}));
}
