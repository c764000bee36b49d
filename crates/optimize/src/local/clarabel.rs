//! Clarabel as a local solver.
//!
//! Clarabel sees the problem around the middle of each box, in units of its
//! width, with the cost in units of its largest gradient: its tolerances are
//! relative to norms, in which a narrow box far from zero would drown. The
//! proximal term enters as `½|v|²` with `Bx − Lv = a` and `M = LLᵀ`, so that
//! `M` may be singular; the multiplier of that equation is `ν`.
//!
//! What comes back is put into the boxes and measured by a certificate in the
//! problem's own units; Clarabel's word alone counts for nothing but an
//! infeasible status.

use ::clarabel::solver::SolverStatus;

use crate::central::{Place, Stack};
use crate::certify::{Bounded, one_value};
use crate::dense;
use crate::kernel::{PortSide, Proximal, Solved};
use crate::local::{FEASIBLE, LocalSolver};
use crate::problem::OpenProblem;
use crate::sparse::Sparse;

/// What Clarabel is asked for; what it reaches is measured.
const TOLERANCE: f64 = 1e-11;
/// Largest gap between cost and bound, relative to the cost and to the largest
/// that one variable is worth, of an answer that is converged.
const GAP: f64 = 1e-8;
/// Pivots of `M` below this share of its diagonal are zero.
const PIVOT: f64 = 1e-14;

/// One member's problem, for Clarabel.
///
/// Like an agent it has no `Debug` and no accessor to the problem.
pub struct Clarabel {
    form: Bounded,
    at: Vec<bool>,
    /// What Clarabel sees as zero.
    origin: Vec<f64>,
    fixed: Vec<bool>,
}

/// A point and the multipliers of the rows, in the problem's units.
struct Found {
    x: Vec<f64>,
    w: Vec<f64>,
    /// Multipliers of the proximal equation.
    nu: Vec<f64>,
    /// Whether Clarabel met its tolerances.
    solved: bool,
    iterations: u32,
}

/// The proximal term with `M` factored.
struct Factored<'a> {
    term: Proximal<'a>,
    /// `L` by rows, `M = LLᵀ`.
    root: Vec<f64>,
}

impl Clarabel {
    /// Takes a problem with the port map `b`, whose rows can be held as `sides`
    /// says.
    pub fn new(problem: &OpenProblem, b: &Sparse, sides: &[PortSide]) -> Self {
        let mut form = Bounded::new(problem, b);
        let at: Vec<bool> = sides.iter().map(|s| *s == PortSide::At).collect();
        for (j, &at) in at.iter().enumerate() {
            if at {
                form.hold(j, 0.0, 0.0);
            }
        }
        let sides = || form.lower.iter().zip(&form.upper);
        let origin = sides()
            .map(|(&l, &u)| match (l.is_finite(), u.is_finite()) {
                (true, true) => 0.5 * l + 0.5 * u,
                (true, false) => l,
                (false, true) => u,
                (false, false) => 0.0,
            })
            .collect();
        let fixed = sides().map(|(&l, &u)| one_value(l, u, 0.0)).collect();
        Self {
            form,
            at,
            origin,
            fixed,
        }
    }

    /// The gradient at the origin and the largest that one variable is worth,
    /// in the scaled variables.
    fn gradient(&self, price: &[f64]) -> (Vec<f64>, f64) {
        let form = &self.form;
        let mut q = form.p.symmetric_mul(&self.origin);
        for (v, c) in q.iter_mut().zip(&form.q) {
            *v += c;
        }
        form.add_price(price, &mut q);
        let mut scale: f64 = 0.0;
        for c in 0..q.len() {
            q[c] = if self.fixed[c] {
                0.0
            } else {
                q[c] * form.reach[c]
            };
            scale = scale.max(q[c].abs());
        }
        for (r, c, v) in form.p.triplets() {
            if !self.fixed[r] && !self.fixed[c] {
                scale = scale.max((v * form.reach[r] * form.reach[c]).abs());
            }
        }
        (q, if scale > 0.0 { scale } else { 1.0 })
    }

    /// Row `r` in the scaled variables, and its value at the origin.
    fn row(&self, r: usize) -> (Vec<(usize, f64)>, f64) {
        let entries = self.form.rows.row(r);
        let entries = entries.filter(|&(c, _)| !self.fixed[c]);
        (
            entries.map(|(c, v)| (c, v * self.form.reach[c])).collect(),
            self.form.rows.row_dot(r, &self.origin),
        )
    }

    fn push_boxes(&self, stack: &mut Stack) {
        for c in 0..self.form.n() {
            let d = self.form.reach[c];
            let (l, u) = if self.fixed[c] {
                (0.0, 0.0)
            } else {
                (
                    (self.form.lower[c] - self.origin[c]) / d,
                    (self.form.upper[c] - self.origin[c]) / d,
                )
            };
            stack.push(&[(c, 1.0)], l, u);
        }
    }

    /// A scaled point in the problem's units, put into the boxes.
    fn unscaled(&self, x: &[f64]) -> Vec<f64> {
        (0..self.form.n())
            .map(|c| {
                let x = self.origin[c] + self.form.reach[c] * x[c];
                // Crossed sides have no inside: there the middle stands.
                if self.fixed[c] || !x.is_finite() {
                    self.origin[c]
                } else {
                    x.max(self.form.lower[c]).min(self.form.upper[c])
                }
            })
            .collect()
    }

    /// The optimum, or where Clarabel stopped; `None` where it found the
    /// constraints infeasible or went to infinity.
    fn optimum(&self, q: &[f64], scale: f64, proximal: Option<&Factored<'_>>) -> Option<Found> {
        let form = &self.form;
        let n = form.n();
        let mut p: Vec<(usize, usize, f64)> = form
            .p
            .triplets()
            .filter(|&(r, c, _)| !self.fixed[r] && !self.fixed[c])
            .map(|(r, c, v)| (r, c, v * form.reach[r] * form.reach[c] / scale))
            .collect();
        let mut q: Vec<f64> = q.iter().map(|v| v / scale).collect();
        let mut stack = Stack::default();
        let place: Vec<Place> = (0..form.rows.rows())
            .map(|r| {
                let (entries, value) = self.row(r);
                let (l, u) = (form.row_lower[r], form.row_upper[r]);
                if form.is_equation(r) {
                    let v = 0.5 * l + 0.5 * u - value;
                    stack.push(&entries, v, v)
                } else {
                    stack.push(&entries, l - value, u - value)
                }
            })
            .collect();
        self.push_boxes(&mut stack);
        let m = form.ports();
        let mut pull = Vec::new();
        if let Some(f) = proximal {
            // In units of the port rows and of the cost scale; a column that
            // would dwarf the variables is taken in smaller units.
            let mut columns = vec![0.0_f64; m];
            for i in 0..m {
                for k in 0..=i {
                    let v = f.root[i * m + k] * scale.sqrt() / form.port_reach(i);
                    columns[k] = columns[k].max(v.abs());
                }
            }
            for k in 0..m {
                let unit = columns[k].max(1.0);
                p.push((n + k, n + k, 1.0 / (unit * unit)));
                q.push(0.0);
            }
            for i in 0..m {
                let (mut entries, value) = self.row(form.port(i));
                for k in 0..=i {
                    let v = f.root[i * m + k] * scale.sqrt();
                    if v != 0.0 {
                        entries.push((n + k, -v / columns[k].max(1.0)));
                    }
                }
                let v = f.term.centre[i] - value;
                pull.push(stack.push(&entries, v, v));
            }
        }
        let stop = stack.run(q.len(), &p, &q, TOLERANCE).ok()?;
        if matches!(
            stop.status,
            SolverStatus::PrimalInfeasible
                | SolverStatus::DualInfeasible
                | SolverStatus::AlmostPrimalInfeasible
                | SolverStatus::AlmostDualInfeasible
        ) {
            return None;
        }
        let multiplier = |at: &Place| {
            let w = scale * stack.multiplier(*at, &stop.z);
            if w.is_finite() { w } else { 0.0 }
        };
        Some(Found {
            x: self.unscaled(&stop.x),
            w: place.iter().map(multiplier).collect(),
            nu: if pull.is_empty() {
                vec![0.0; m]
            } else {
                pull.iter().map(multiplier).collect()
            },
            solved: stop.status == SolverStatus::Solved,
            iterations: stop.iterations,
        })
    }

    /// The point in the boxes that violates the rows least, in the mean of
    /// squares relative to what each can move by.
    fn least_violation(&self) -> Found {
        let form = &self.form;
        let n = form.n();
        let mut stack = Stack::default();
        let mut p = Vec::new();
        for r in 0..form.rows.rows() {
            let (mut entries, value) = self.row(r);
            let size = entries.iter().fold(0.0_f64, |a, e| a.max(e.1.abs()));
            entries.push((n + r, if size > 0.0 { size } else { 1.0 }));
            p.push((n + r, n + r, 1.0));
            stack.push(
                &entries,
                form.row_lower[r] - value,
                form.row_upper[r] - value,
            );
        }
        self.push_boxes(&mut stack);
        let q = vec![0.0; n + form.rows.rows()];
        let stop = stack.run(q.len(), &p, &q, TOLERANCE).ok();
        let origin = vec![0.0; n];
        let x = stop.as_ref().map_or(&origin[..], |s| &s.x[..n]);
        Found {
            x: self.unscaled(x),
            w: vec![0.0; form.rows.rows()],
            nu: vec![0.0; form.ports()],
            solved: false,
            iterations: stop.map_or(0, |s| s.iterations),
        }
    }
}

impl LocalSolver for Clarabel {
    fn hold(&mut self, j: usize, l: f64, u: f64) {
        self.form.hold(j, l, if self.at[j] { l } else { u });
    }

    fn minimise(&mut self, price: &[f64], proximal: Option<Proximal<'_>>) -> Solved {
        let (q, scale) = self.gradient(price);
        let proximal = proximal.map(|term| Factored {
            root: root(term.metric_inverse, self.form.ports()),
            term,
        });
        let found = self
            .optimum(&q, scale, proximal.as_ref())
            .unwrap_or_else(|| self.least_violation());
        let s = self.form.exchange(&found.x);
        let plain = self.form.certify(price, &found.x, &found.w);
        let mut infeasibility = plain.infeasibility;
        let traded: f64 = price.iter().zip(&s).map(|(l, s)| l * s).sum();
        let gap = match &proximal {
            None => plain.cost_up + traded - plain.lower,
            Some(f) => {
                // ½|s − a|²_R ≥ νᵀ(s − a) − ½νᵀMν: the bound of the problem at
                // prices λ + ν bounds the one with the proximal term.
                let moved = dense::mul(f.term.metric_inverse, &found.nu);
                let (mut proximal_cost, mut shift) = (0.0, 0.0);
                for j in 0..s.len() {
                    let (a, nu) = (f.term.centre[j], found.nu[j]);
                    let off = s[j] - moved[j] - a;
                    let scale = self.form.port_reach(j) + a.abs();
                    infeasibility = infeasibility.max(off.abs() / scale);
                    proximal_cost += 0.5 * nu * moved[j] + (nu * off).abs();
                    shift += nu * a + 0.5 * nu * moved[j];
                }
                let mut pulled = found.nu.clone();
                for (v, l) in pulled.iter_mut().zip(price) {
                    *v += l;
                }
                let bound = self.form.certify(&pulled, &found.x, &found.w);
                plain.cost_up + traded + proximal_cost - (bound.lower - shift)
            }
        };
        // Where a side is missing there may be no bound; then Clarabel's word
        // has to do.
        let optimal = gap <= GAP * (scale + (plain.cost + traded).abs())
            || (gap == f64::INFINITY && found.solved);
        Solved {
            s,
            nu: found.nu,
            cost: plain.cost,
            cost_up: plain.cost_up,
            lower: plain.lower,
            sensitivity: Vec::new(),
            rate: Vec::new(),
            converged: optimal && infeasibility <= FEASIBLE,
            infeasibility,
            iterations: found.iterations,
            x: found.x,
        }
    }
}

/// `L` with `M = LLᵀ`, by rows; a pivot that rounding leaves of a singular
/// matrix is zero, and so is its column.
fn root(metric: &[f64], m: usize) -> Vec<f64> {
    let mut l = vec![0.0; m * m];
    for k in 0..m {
        let row = &l[k * m..k * m + k];
        let pivot = metric[k * m + k] - dense::dot(row, row);
        if pivot <= PIVOT * metric[k * m + k] {
            continue;
        }
        let pivot = pivot.sqrt();
        for i in k..m {
            let inner = dense::dot(&l[i * m..i * m + k], &l[k * m..k * m + k]);
            l[i * m + k] = (metric[i * m + k] - inner) / pivot;
        }
    }
    l
}
