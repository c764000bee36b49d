//! The barrier kernel against Clarabel.

use cosmosmesh_optimize::central;
use cosmosmesh_optimize::families::{Family, instance};
use cosmosmesh_optimize::kernel::{Ask, Kernel, PortSide};

#[test]
fn the_optimum_is_clarabels() {
    for family in Family::ALL {
        for seed in 0..3 {
            let whole = instance(family, seed, 4, 24).expect("an instance");
            for m in &whole.members {
                let mut kernel =
                    Kernel::new(&m.problem, &m.b, &vec![PortSide::Between; m.rows.len()]);
                let price = vec![0.3; m.rows.len()];
                let ask = Ask {
                    price: &price,
                    proximal: None,
                    mu: 0.0,
                    sensitivity: false,
                };
                let got = kernel.solve(ask);
                let mut parts = m.problem.parts().clone();
                m.b.add_transposed_mul(&price, &mut parts.q);
                let priced = cosmosmesh_optimize::problem::OpenProblem::new(parts).expect("priced");
                let (value, _) = central::solve_one(&priced).expect("an optimum");
                let size = 1.0 + value.abs();
                println!(
                    "{family:?} {seed} {} {} {:e} {:e} it {}",
                    got.converged,
                    value,
                    got.lower - value,
                    got.infeasibility,
                    got.iterations
                );
                assert!(got.converged, "{family:?} {seed}");
                assert!(
                    (got.lower - value).abs() < 1e-6 * size,
                    "{family:?} {seed}: {} {value}",
                    got.lower
                );
            }
        }
    }
}
