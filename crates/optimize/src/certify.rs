//! What a point and its multipliers prove about a problem, rounding included.
//!
//! # The bound
//!
//! For `F(x) = ½xᵀPx + qᵀx + λᵀs` over boxes `x ∈ [x̲, x̄]` and rows
//! `l ≤ Ax ≤ u`, any point `x₀` and any multipliers `w` (positive at an upper
//! side, negative at a lower one) give, by convexity and weak duality,
//!
//! ```text
//!     F(x) ≥ F(x₀) + Σᵣ min(wᵣ(aᵣx₀ − uᵣ), wᵣ(aᵣx₀ − lᵣ)) + Σ_c min_{x_c} ρ_c (x_c − x₀_c)
//!     ρ = Px₀ + q + Bᵀλ + Aᵀw
//! ```
//!
//! at every feasible `x`, where a multiplier without its side counts as zero.
//! Nothing is asked of `x₀` and `w`: what they miss makes the bound looser, not
//! wrong. Every sum carries a bound of its own rounding (Higham, *Accuracy and
//! Stability of Numerical Algorithms*, 2002, §3.1), which is charged as well;
//! underflow is not. `P` is taken to be positive semidefinite, which
//! [`OpenProblem`] checks up to rounding.

use crate::problem::OpenProblem;
use crate::sparse::Sparse;

/// Two sides nearer than this are one value.
const ONE_VALUE: f64 = 1e-12;
/// Least width, beside the size of a row, that a violation is compared with.
const NARROW: f64 = 1e-9;

/// A problem as boxes and rows; the last rows are those of the port map.
#[derive(Debug, Clone)]
pub(crate) struct Bounded {
    /// Upper triangle of `P`.
    pub(crate) p: Sparse,
    pub(crate) q: Vec<f64>,
    /// Boxes of the variables.
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    /// Rows with two entries or more, or none, and then the port rows.
    pub(crate) rows: Sparse,
    pub(crate) row_lower: Vec<f64>,
    pub(crate) row_upper: Vec<f64>,
    ports: usize,
    /// What a variable moves by: the width of its box, its size where it is
    /// fixed, 1 where a side is missing.
    pub(crate) reach: Vec<f64>,
    /// The largest that one entry of a row moves by.
    row_reach: Vec<f64>,
}

/// What a point and its multipliers prove.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Certificate {
    /// `½xᵀPx + qᵀx`.
    pub(crate) cost: f64,
    /// The same rounded up, violations charged at their multipliers.
    pub(crate) cost_up: f64,
    /// At most `F` at every feasible point; `-inf` where a variable without a
    /// side leaves a residual.
    pub(crate) lower: f64,
    /// Largest violation, relative to the width of its sides, or to the size
    /// of the row where it has no width.
    pub(crate) infeasibility: f64,
}

/// A sum that knows how far rounding can have led it astray.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    value: f64,
    /// `Σ |terms|`.
    size: f64,
    terms: u32,
    /// Errors of the terms themselves.
    error: f64,
}

impl Tally {
    /// Adds a product of up to three exact numbers.
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
        self.terms += 1;
    }

    /// Adds a term that may be off by `error`.
    fn add_within(&mut self, term: f64, error: f64) {
        self.add(term);
        self.error += error;
    }

    /// A bound of the distance to the exact sum: twice the usual
    /// `(terms + 3)·u·Σ|terms|`, for its own rounding.
    fn error(&self) -> f64 {
        if self.size == 0.0 && self.error == 0.0 {
            return 0.0;
        }
        f64::from(self.terms + 4) * f64::EPSILON * self.size + self.error * (1.0 + 1e-9)
    }

    fn down(&self) -> f64 {
        (self.value - self.error()).next_down()
    }

    fn up(&self) -> f64 {
        (self.value + self.error()).next_up()
    }
}

impl Bounded {
    /// The form of a problem with the port map `b`, whose rows are free.
    pub(crate) fn new(problem: &OpenProblem, b: &Sparse) -> Self {
        let parts = problem.parts();
        let n = problem.n();
        let mut lower = vec![f64::NEG_INFINITY; n];
        let mut upper = vec![f64::INFINITY; n];
        let (mut triplets, mut row_lower, mut row_upper) = (Vec::new(), Vec::new(), Vec::new());
        for r in 0..parts.l.len() {
            let entries: Vec<_> = parts.a.row(r).filter(|e| e.1 != 0.0).collect();
            let (l, u) = (parts.l[r], parts.u[r]);
            if let [(c, v)] = entries[..] {
                let (a, b) = if v > 0.0 {
                    (l / v, u / v)
                } else {
                    (u / v, l / v)
                };
                // A division that rounds must not cut anything off.
                let exact = v.abs() == 1.0;
                lower[c] = lower[c].max(if exact { a } else { a.next_down() });
                upper[c] = upper[c].min(if exact { b } else { b.next_up() });
            } else {
                triplets.extend(entries.into_iter().map(|(c, v)| (row_lower.len(), c, v)));
                row_lower.push(l);
                row_upper.push(u);
            }
        }
        for j in 0..b.rows() {
            triplets.extend(b.row(j).map(|(c, v)| (row_lower.len(), c, v)));
            row_lower.push(f64::NEG_INFINITY);
            row_upper.push(f64::INFINITY);
        }
        let reach: Vec<f64> = (0..n)
            .map(|c| {
                let width = upper[c] - lower[c];
                if !width.is_finite() {
                    1.0
                } else if one_value(lower[c], upper[c], 0.0) {
                    upper[c].abs().max(1.0)
                } else {
                    width
                }
            })
            .collect();
        let rows = Sparse::from_triplets(row_lower.len(), n, &triplets);
        let row_reach = (0..rows.rows())
            .map(|r| {
                rows.row(r)
                    .fold(0.0_f64, |a, (c, v)| a.max((v * reach[c]).abs()))
            })
            .map(|v| if v > 0.0 { v } else { 1.0 })
            .collect();
        Self {
            p: parts.p.clone(),
            q: parts.q.clone(),
            lower,
            upper,
            rows,
            row_lower,
            row_upper,
            ports: b.rows(),
            reach,
            row_reach,
        }
    }

    /// Number of variables.
    pub(crate) fn n(&self) -> usize {
        self.q.len()
    }

    /// Number of port rows.
    pub(crate) fn ports(&self) -> usize {
        self.ports
    }

    /// The row of port `j`.
    pub(crate) fn port(&self, j: usize) -> usize {
        self.rows.rows() - self.ports + j
    }

    /// Holds port row `j` between `l` and `u`.
    pub(crate) fn hold(&mut self, j: usize, l: f64, u: f64) {
        let r = self.port(j);
        self.row_lower[r] = l;
        self.row_upper[r] = u;
    }

    /// `s = Bx`.
    pub(crate) fn exchange(&self, x: &[f64]) -> Vec<f64> {
        (0..self.ports)
            .map(|j| self.rows.row_dot(self.port(j), x))
            .collect()
    }

    /// Adds `Bᵀ price` to `out`.
    pub(crate) fn add_price(&self, price: &[f64], out: &mut [f64]) {
        for (j, &v) in price.iter().enumerate() {
            for (c, b) in self.rows.row(self.port(j)) {
                out[c] += v * b;
            }
        }
    }

    /// Whether the two sides of row `r` are one value.
    pub(crate) fn is_equation(&self, r: usize) -> bool {
        one_value(self.row_lower[r], self.row_upper[r], self.row_reach[r])
    }

    /// The size of port row `j`: the largest that one of its entries moves by.
    pub(crate) fn port_reach(&self, j: usize) -> f64 {
        self.row_reach[self.port(j)]
    }

    /// What the point `x` and the multipliers `w` of the rows prove at prices
    /// `price` (one a port row; empty for none).
    pub(crate) fn certify(&self, price: &[f64], x: &[f64], w: &[f64]) -> Certificate {
        let n = self.n();
        let mut own = Tally::default();
        let mut gradient = vec![Tally::default(); n];
        for (r, c, v) in self.p.triplets() {
            gradient[r].add(v * x[c]);
            if r == c {
                own.add(0.5 * (v * x[r]) * x[c]);
            } else {
                gradient[c].add(v * x[r]);
                own.add((v * x[r]) * x[c]);
            }
        }
        for c in 0..n {
            gradient[c].add(self.q[c]);
            own.add(self.q[c] * x[c]);
        }
        let (mut bound, mut up) = (own, own);
        for (j, &v) in price.iter().enumerate() {
            for (c, b) in self.rows.row(self.port(j)) {
                gradient[c].add(v * b);
                bound.add((v * b) * x[c]);
            }
        }
        let mut infeasibility: f64 = 0.0;
        for r in 0..self.rows.rows() {
            let (l, u) = (self.row_lower[r], self.row_upper[r]);
            let mut ax = Tally::default();
            for (c, v) in self.rows.row(r) {
                ax.add(v * x[c]);
            }
            let violation = (l - ax.value).max(ax.value - u).max(0.0);
            let scale = if self.is_equation(r) {
                self.row_reach[r] + u.abs()
            } else {
                width(l, u, self.row_reach[r])
            };
            infeasibility = infeasibility.max(violation / scale);
            let side = if w[r] > 0.0 { u } else { l };
            if w[r] == 0.0 || !side.is_finite() {
                continue;
            }
            up.add(w[r].abs() * violation);
            up.error += w[r].abs() * ax.error();
            for (c, v) in self.rows.row(r) {
                gradient[c].add(w[r] * v);
                bound.add((w[r] * v) * x[c]);
            }
            bound.add(-(w[r] * side));
        }
        for c in 0..n {
            let (l, u) = (self.lower[c], self.upper[c]);
            let (rho, error) = (gradient[c].value, gradient[c].error());
            let violation = (l - x[c]).max(x[c] - u).max(0.0);
            if violation > 0.0 {
                let scale = if one_value(l, u, 0.0) {
                    self.reach[c]
                } else {
                    width(l, u, self.reach[c])
                };
                infeasibility = infeasibility.max(violation / scale);
                up.add((rho.abs() + error) * violation);
            }
            // The least of (ρ ± error)·(x − x₀) is at one of the two sides.
            let (mut least, mut slip) = (f64::INFINITY, 0.0);
            for side in [l, u] {
                let t = side - x[c];
                let (term, off) = if t.is_infinite() {
                    // It falls without end unless ρ surely pushes back.
                    let back = if t > 0.0 { rho } else { -rho };
                    if back >= error {
                        continue;
                    }
                    (f64::NEG_INFINITY, 0.0)
                } else {
                    (rho * t, error * t.abs())
                };
                if term - off < least - slip {
                    (least, slip) = (term, off);
                }
            }
            if least == f64::NEG_INFINITY {
                bound.value = f64::NEG_INFINITY;
                break;
            }
            if least == f64::INFINITY {
                // Free both ways and without any residual.
                continue;
            }
            bound.add_within(least, slip);
        }
        let lower = if bound.value.is_finite() {
            bound.down()
        } else {
            f64::NEG_INFINITY
        };
        Certificate {
            cost: own.value,
            cost_up: up.up(),
            lower,
            infeasibility,
        }
    }

    /// What no feasible point can cost more than, its exchange priced against
    /// that of `x`: the largest `½x'ᵀPx' + qᵀx' + λᵀB(x' − x)` in the boxes, or
    /// more; infinite where a box is open.
    pub(crate) fn costliest(&self, price: &[f64], x: &[f64]) -> f64 {
        let mut most = Tally::default();
        let mut linear = vec![Tally::default(); self.n()];
        for (slope, &q) in linear.iter_mut().zip(&self.q) {
            slope.add(q);
        }
        for (j, &v) in price.iter().enumerate() {
            for (c, b) in self.rows.row(self.port(j)) {
                linear[c].add(v * b);
                most.add(-((v * b) * x[c]));
            }
        }
        let size = |c: usize| self.lower[c].abs().max(self.upper[c].abs());
        for (c, slope) in linear.iter().enumerate() {
            if slope.size == 0.0 {
                continue;
            }
            if size(c).is_infinite() {
                return f64::INFINITY;
            }
            let term = (slope.value * self.lower[c]).max(slope.value * self.upper[c]);
            most.add_within(term, slope.error() * size(c));
        }
        for (r, c, v) in self.p.triplets().filter(|e| e.2 != 0.0) {
            if size(r).is_infinite() || size(c).is_infinite() {
                return f64::INFINITY;
            }
            let part = if r == c { 0.5 } else { 1.0 };
            most.add(((part * v).abs() * size(r)) * size(c));
        }
        most.up()
    }
}

/// Whether two sides are one value, up to rounding of what moves by `reach`.
pub(crate) fn one_value(l: f64, u: f64, reach: f64) -> bool {
    // Zero, divided and rounded outwards, has a width as well.
    l.is_finite()
        && u.is_finite()
        && u - l <= ONE_VALUE * reach.max(l.abs()).max(u.abs()) + f64::MIN_POSITIVE
}

/// What a violation of two sides is compared with.
fn width(l: f64, u: f64, reach: f64) -> f64 {
    let width = u - l;
    if width.is_finite() {
        width.max(NARROW * reach)
    } else {
        reach
    }
}
