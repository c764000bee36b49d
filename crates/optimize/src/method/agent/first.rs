//! The first answer of a member, before anything is known of the others.

use super::{Agent, LOOSE};
use crate::coupled::RowKind;
use crate::dense;
use crate::kernel::{Ask, Proximal, Solved};
use crate::method::fold::touching;

/// How far the first answer is drawn, in lengths of the barrier's metric.
const REACH: f64 = 2.0;

impl Agent {
    /// The first answer, before anything is known of the others: drawn
    /// towards an equal part of what each equation leaves, in the member's own
    /// metric. Limits draw nothing: most are not reached.
    pub(super) fn cold(&mut self, price: &[f64], mu: f64, mut solved: Solved) -> Solved {
        let m = self.kinds.len();
        let members = touching(&self.frame);
        let rows = self.frame.members[self.index].rows.clone();
        let centre: Vec<f64> = rows
            .iter()
            .map(|&r| self.frame.rows[r].rhs_value() / members[r])
            .collect();
        let reach = solved.clone();
        for _ in 0..2 {
            let mut metric = solved.sensitivity.clone();
            for j in 0..m {
                let free = if self.kinds[j] == RowKind::AtMost {
                    1e4
                } else {
                    1.0 + 1e-9
                };
                metric[j * m + j] *= free;
            }
            let within = towards(&reach, &centre, &self.kinds, mu);
            let drawn = self.kernel.solve(Ask {
                price,
                proximal: Some(Proximal {
                    centre: &within,
                    metric_inverse: &metric,
                }),
                mu,
                sensitivity: true,
            });
            if !drawn.converged && drawn.infeasibility > LOOSE {
                break;
            }
            solved = drawn;
        }
        solved
    }
}

/// The solved exchange moved by `S w` so that it meets `centre` on equations as
/// nearly as the member can: several rows may see one variable, and no price
/// can draw them apart. Limits follow.
fn towards(solved: &Solved, centre: &[f64], kinds: &[RowKind], mu: f64) -> Vec<f64> {
    let m = centre.len();
    let rows: Vec<usize> = (0..m)
        .filter(|&j| kinds[j] == RowKind::Equal && solved.sensitivity[j * m + j] > 0.0)
        .collect();
    let k = rows.len();
    let scale: Vec<f64> = rows
        .iter()
        .map(|&j| 1.0 / solved.sensitivity[j * m + j].sqrt())
        .collect();
    let mut factor = vec![0.0; k * k];
    for (a, &i) in rows.iter().enumerate() {
        for (b, &j) in rows[..=a].iter().enumerate() {
            factor[a * k + b] = solved.sensitivity[i * m + j] * scale[a] * scale[b];
        }
        factor[a * k + a] += 1e-7;
    }
    dense::cholesky(&mut factor, k, 1e-13);
    let mut left: Vec<f64> = rows
        .iter()
        .zip(&scale)
        .map(|(&j, c)| (centre[j] - solved.s[j]) * c)
        .collect();
    dense::cholesky_solve(&factor, k, &mut left);
    let mut w = vec![0.0; m];
    for ((&j, c), v) in rows.iter().zip(&scale).zip(left) {
        w[j] = v * c;
    }
    let moved = dense::mul(&solved.sensitivity, &w);
    // Beyond a few lengths of the barrier's own metric there is a bound.
    let way: Vec<f64> = rows
        .iter()
        .zip(&scale)
        .map(|(&j, c)| moved[j] * c)
        .collect();
    let mut pull = way.clone();
    dense::cholesky_solve(&factor, k, &mut pull);
    let length = (dense::dot(&way, &pull).max(0.0) / mu).sqrt();
    let part = (REACH / length).min(1.0);
    solved
        .s
        .iter()
        .zip(&moved)
        .map(|(s, m)| s + part * m)
        .collect()
}
