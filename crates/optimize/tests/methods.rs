//! What every distributed method must hold to.

use cosmosmesh_optimize::families::{Family, instance};
use cosmosmesh_optimize::method::{Drive, solve};

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
