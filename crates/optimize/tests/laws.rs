//! The laws of composition on many random diagrams, and that the suite
//! notices when one is broken.

use cosmosmesh_optimize::laws::{self, Law, Plant, Suite};
use std::time::Instant;

#[test]
fn the_laws_hold() {
    let start = Instant::now();
    let suite = Suite {
        cases: 10_000,
        numeric_cases: 0,
        seed: 1,
        distributed: None,
        plant: None,
    };
    let report = suite.run(&mut |_| {});
    println!("{:?}", start.elapsed());
    let suite = Suite {
        cases: 0,
        numeric_cases: 300,
        ..suite
    };
    let report2 = suite.run(&mut |_| {});
    println!("{:?}", start.elapsed());
    for l in report.laws.iter().chain(&report2.laws) {
        println!(
            "{:32} {:6} cases, worst {:.1e}, failed {} {:?}",
            l.law.to_string(),
            l.cases,
            l.worst,
            l.failed,
            l.failures.first()
        );
    }
}
