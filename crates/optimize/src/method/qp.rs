//! The capped quadratic problem of the fold:
//! `minimise ½ dᵀS d − rᵀd  subject to  λ + d ≥ 0` on limits.
//!
//! Primal active-set with whole sets exchanged at once, then one at a time
//! once sets have been seen to cycle (Júdice & Pires, 1994, block principal
//! pivoting with a finite fallback: the last row that is wrong, Murty's rule from
//! the other end). The order of the arithmetic is fixed.

use crate::dense;

/// How often what a step leaves over is taken up again.
const REFINEMENTS: usize = 8;
/// Added to the scaled diagonal: a direction in which hardly anything moves
/// takes a step towards its price only, and what rounding leaves in a
/// direction in which nothing moves sends no price away.
const RIDGE: f64 = 1e-10;

/// Solves it; `limit[j]` says whether row `j` is a limit. Rows without
/// sensitivity stay where they are.
pub(crate) fn capped(s: &[f64], r: &[f64], price: &[f64], limit: &[bool]) -> Vec<f64> {
    let n = r.len();
    // Symmetric scaling by the diagonal: rows may be in any units.
    let scale: Vec<f64> = (0..n)
        .map(|j| {
            if s[j * n + j] > 0.0 {
                1.0 / s[j * n + j].sqrt()
            } else {
                0.0
            }
        })
        .collect();
    let live: Vec<bool> = scale.iter().map(|v| *v > 0.0).collect();
    let mut active: Vec<bool> = (0..n)
        .map(|j| limit[j] && price[j] <= 0.0 && r[j] < 0.0)
        .collect();
    let mut fewest = n + 1;
    let mut grace = 8;
    let mut d = vec![0.0; n];
    for _ in 0..(4 * n + 40) {
        let free: Vec<usize> = (0..n).filter(|&j| live[j] && !active[j]).collect();
        d.fill(0.0);
        for j in 0..n {
            if active[j] {
                d[j] = -price[j];
            }
        }
        let k = free.len();
        let mut m = vec![0.0; k * k];
        let mut b = vec![0.0; k];
        for (a, &i) in free.iter().enumerate() {
            for (c, &j) in free[..=a].iter().enumerate() {
                m[a * k + c] = s[i * n + j] * scale[i] * scale[j];
            }
            m[a * k + a] += RIDGE;
            let pulled: f64 = (0..n)
                .filter(|&j| active[j])
                .map(|j| s[i * n + j] * d[j])
                .sum();
            b[a] = (r[i] - pulled) * scale[i];
        }
        dense::cholesky(&mut m, k, 1e-13);
        dense::cholesky_solve(&m, k, &mut b);
        for (a, &i) in free.iter().enumerate() {
            d[i] = b[a] * scale[i];
        }
        let slope = dense::mul(s, &d);
        let wrong: Vec<usize> = (0..n)
            .filter(|&j| limit[j] && live[j])
            .filter(|&j| {
                if active[j] {
                    (slope[j] - r[j]) * scale[j] < -1e-11 * (1.0 + (r[j] * scale[j]).abs())
                } else {
                    price[j] + d[j] < -1e-11 * (price[j].abs() + d[j].abs())
                }
            })
            .collect();
        if wrong.is_empty() {
            break;
        }
        if wrong.len() < fewest {
            fewest = wrong.len();
            grace = 8;
        } else if grace > 0 {
            grace -= 1;
        }
        if grace > 0 {
            for j in wrong {
                active[j] = !active[j];
            }
        } else if let Some(&j) = wrong.last() {
            active[j] = !active[j];
        }
    }
    for j in 0..n {
        if limit[j] {
            d[j] = d[j].max(-price[j]);
        }
    }
    d
}

/// A step `ε` with `(S ε)ⱼ = leftⱼ` on the rows that have something left: all
/// equations, and limits that are exceeded. Refined, because `S` is solved
/// with a raised diagonal, and because what is taken from one limit may exceed
/// another. Also returns what is still left in the end.
pub(crate) fn absorb(
    s: &[f64],
    exact: &[f64],
    left: &[f64],
    limit: &[bool],
) -> (Vec<f64>, Vec<f64>) {
    let n = left.len();
    let mut step = vec![0.0; n];
    let start = left;
    let mut left = left.to_vec();
    let mut rows: Vec<usize> = Vec::new();
    let (mut factor, mut scale) = (Vec::new(), Vec::new());
    for _ in 0..REFINEMENTS {
        // Nothing that a double could tell from rounding is left.
        if (0..n).all(|j| left[j].abs() <= 1e-15 * start[j].abs() || (limit[j] && left[j] <= 0.0)) {
            break;
        }
        let now: Vec<usize> = (0..n)
            .filter(|&j| s[j * n + j] > 0.0 && (!limit[j] || left[j] > 0.0 || rows.contains(&j)))
            .collect();
        if now.is_empty() {
            break;
        }
        if now != rows {
            rows = now;
            let k = rows.len();
            scale = rows
                .iter()
                .map(|&j| 1.0 / s[j * n + j].sqrt())
                .collect::<Vec<f64>>();
            factor = vec![0.0; k * k];
            for (a, &i) in rows.iter().enumerate() {
                for (b, &j) in rows[..=a].iter().enumerate() {
                    factor[a * k + b] = s[i * n + j] * scale[a] * scale[b];
                }
                factor[a * k + a] += 1e-12;
            }
            dense::cholesky(&mut factor, k, 1e-13);
        }
        let mut b: Vec<f64> = rows.iter().zip(&scale).map(|(&j, c)| left[j] * c).collect();
        dense::cholesky_solve(&factor, rows.len(), &mut b);
        let mut change = vec![0.0; n];
        for ((&j, c), v) in rows.iter().zip(&scale).zip(b) {
            change[j] = v * c;
            step[j] += change[j];
        }
        for (l, m) in left.iter_mut().zip(dense::mul(exact, &change)) {
            *l -= m;
        }
    }
    (step, left)
}
