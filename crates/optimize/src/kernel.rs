//! The barrier kernel: a primal–dual interior-point method for one member's
//! problem, plain or smoothed, with prices and a proximal term on its ports.
//!
//! # What is solved
//!
//! ```text
//!     minimise  ½xᵀPx + qᵀx + λᵀs + ½|s − a|²_R − μ Σ log(slack)
//!     subject to  l ≤ Ax ≤ u,   s = Bx
//! ```
//!
//! for prices `λ`, centre `a`, metric `R = M⁻¹` and barrier weight `μ ≥ 0`.
//! The proximal term is carried by its multiplier `ν = R(s − a)`, that is
//! `Bx − Mν = a`, so that only `M` is needed and it may be singular.
//!
//! # How
//!
//! Mehrotra's predictor–corrector with both sides of a row kept apart and
//! slacks that may start infeasible (Wright, *Primal–Dual Interior-Point
//! Methods*, 1997, ch. 10; Nocedal & Wright, *Numerical Optimization*, §16.6).
//! The step solves the quasi-definite system
//!
//! ```text
//!     | P + D   Eᵀ    Gᵀ  |
//!     | E      −δI        |       E equations, G two-sided rows,
//!     | G            −W⁻¹ |       D, W the barrier's second derivatives
//! ```
//!
//! whose sparse factor is analysed once; the ports enter through the Schur
//! complement `S = B K Bᵀ`, with `K` the inverse Hessian on the null space of
//! the equations. `S` is at the same time the member's sensitivity to price.
//!
//! With a proximal term `Bx − Mν = a` belongs to the system. The matrix without
//! it can be as good as singular (a cost that the proximal term alone holds back),
//! and then solving *that* exactly is of no use: the ports are eliminated from
//! the regularised matrix, and all residuals, those of the ports among them,
//! are refined as one.
//!
//! What an answer proves is measured in the problem's own units, by the same
//! certificate as any other local solver's.
//!
//! Everything is scaled inside: variables by the width of their box, rows by
//! their largest entry, the cost by its largest gradient.

mod span;

use crate::certify::{Bounded, one_value};
use crate::dense;
use crate::kernel::span::Span;
use crate::ldl::Ldl;
use crate::problem::OpenProblem;
use crate::sparse::Sparse;

/// Regularisation of the scaled system, removed again by refinement.
const DELTA: f64 = 1e-11;
/// Refinements of a solution of the system.
const REFINEMENTS: u32 = 2;
/// Largest and smallest second derivative of the barrier in scaled units.
const CURVATURE: (f64, f64) = (1e-12, 1e14);
/// By how much rows that the equations determine may be missed, relative.
const IMPLIED: f64 = 1e-8;
/// Weight of the length of a step of a variable without a side, in scaled units:
/// without it the barrier drives the point along faces that have no end, until
/// rounding leaves nothing of its cost. Smoothed solves, and `S`, go without.
const OPEN: f64 = 1e-7;
/// Iterations after which a solve is given up.
const MAX_ITERATIONS: u32 = 80;
/// Multiple of the tolerances at which the best point counts as converged once
/// nothing better has been found for so many iterations.
const NEARLY: f64 = 100.0;
const PATIENCE: u32 = 8;

/// A problem analysed for repeated solution.
#[derive(Debug, Clone)]
pub struct Kernel {
    n: usize,
    /// The problem in its own units: what an answer proves is measured there.
    form: Bounded,
    /// `x = d x̂`.
    d: Vec<f64>,
    fixed: Vec<bool>,
    /// By how much boxes of one variable miss each other, relative to its size.
    crossed: f64,
    p: Sparse,
    q: Vec<f64>,
    equations: Sparse,
    equations_rhs: Vec<f64>,
    /// Two-sided rows; their sides follow those of the variables in `lower`
    /// and `upper`.
    rows: Sparse,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Where each row of `form` went.
    place: Vec<Place>,
    row_scale: Vec<f64>,
    equation_scale: Vec<f64>,
    /// Rows that the equations determine: no part of the system, but checked.
    implied: Vec<Implied>,
    ports: Vec<Vec<(usize, f64)>>,
    port_map: Sparse,
    port_scale: Vec<f64>,
    ldl: Ldl,
    slots: Slots,
}

/// How the value of a port row can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSide {
    /// Between two sides, which may be infinite.
    Between,
    /// At one value.
    At,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Equation(usize),
    Row(usize),
    Implied(usize),
}

/// A row whose value the equations fix: as an equation it would make the system
/// singular, as a limit it could leave the barrier no room, by rounding alone.
#[derive(Debug, Clone)]
struct Implied {
    row: Vec<(usize, f64)>,
    scale: f64,
    lower: f64,
    upper: f64,
    fuzz: f64,
}

/// A row on its way into a kernel.
struct Incoming {
    entries: Vec<(usize, f64)>,
    scale: f64,
    lower: f64,
    upper: f64,
    /// Its place in the form.
    row: usize,
}

/// Which entries of the factor's list belong to what.
#[derive(Debug, Clone, Default)]
struct Slots {
    p: Vec<(usize, usize, usize)>,
    diagonal: Vec<usize>,
    equations: Vec<usize>,
    rows: Vec<usize>,
}

/// A proximal term `½|s − a|²_R` with `R = M⁻¹`.
#[derive(Debug, Clone, Copy)]
pub struct Proximal<'a> {
    /// `a`, one value a port row.
    pub centre: &'a [f64],
    /// `M = R⁻¹`, dense by rows, positive semidefinite.
    pub metric_inverse: &'a [f64],
}

/// What to solve for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `λ` on the port rows; empty for none.
    pub price: &'a [f64],
    /// The proximal term, if any.
    pub proximal: Option<Proximal<'a>>,
    /// Barrier weight of every slack; `0` solves the problem itself.
    pub mu: f64,
    /// Whether `S` and `t` are wanted.
    pub sensitivity: bool,
}

/// A solution.
#[derive(Debug, Clone)]
pub struct Solved {
    /// The variables.
    pub x: Vec<f64>,
    /// `s = Bx`.
    pub s: Vec<f64>,
    /// `ν = R(s − a)`; zero without a proximal term.
    pub nu: Vec<f64>,
    /// `½xᵀPx + qᵀx`, without prices.
    pub cost: f64,
    /// The cost rounded up by what the constraint violations could be worth
    /// at their multipliers.
    pub cost_up: f64,
    /// A true lower bound of `min ½xᵀPx + qᵀx + λᵀs` over the constraints,
    /// from the dual point (weak duality, residuals charged); `-inf` when a
    /// variable without bounds leaves a residual. Meaningless with `mu > 0`
    /// or a proximal term only in that it is then loose.
    pub lower: f64,
    /// `S = B K Bᵀ`, dense by rows; empty if not asked for.
    pub sensitivity: Vec<f64>,
    /// `t = ds/dμ` at fixed prices; empty if not asked for.
    pub rate: Vec<f64>,
    /// Largest relative violation of a constraint.
    pub infeasibility: f64,
    /// Whether the tolerances were met.
    pub converged: bool,
    /// Iterations used.
    pub iterations: u32,
}

impl Kernel {
    /// Analyses a problem with the port map `b`, whose rows can be held as
    /// `sides` says: at first between infinite sides, or at 0.
    pub fn new(problem: &OpenProblem, b: &Sparse, sides: &[PortSide]) -> Self {
        let mut form = Bounded::new(problem, b);
        let n = form.n();
        for (j, side) in sides.iter().enumerate() {
            if *side == PortSide::At {
                form.hold(j, 0.0, 0.0);
            }
        }
        let (mut lower, mut upper) = (form.lower.clone(), form.upper.clone());
        let fixed: Vec<bool> = (0..n).map(|k| one_value(lower[k], upper[k], 0.0)).collect();
        let crossed = (0..n)
            .filter(|&k| fixed[k])
            .map(|k| (lower[k] - upper[k]) / (1.0 + upper[k].abs()))
            .fold(0.0_f64, f64::max);
        let d = form.reach.clone();
        let scaled_row = |m: &Sparse, r: usize| -> (Vec<(usize, f64)>, f64) {
            let entries: Vec<(usize, f64)> = m.row(r).map(|(c, v)| (c, v * d[c])).collect();
            let size = entries.iter().fold(0.0_f64, |a, e| a.max(e.1.abs()));
            let size = if size > 0.0 { size } else { 1.0 };
            (
                entries.into_iter().map(|(c, v)| (c, v / size)).collect(),
                size,
            )
        };
        let incoming = |row: usize| {
            let (entries, scale) = scaled_row(&form.rows, row);
            Incoming {
                entries,
                lower: form.row_lower[row] / scale,
                upper: form.row_upper[row] / scale,
                scale,
                row,
            }
        };
        let mut span = Span::default();
        let free = |row: &Incoming| -> Vec<(usize, f64)> {
            let entries = row.entries.iter().copied();
            entries.filter(|e| !fixed[e.0] && e.1 != 0.0).collect()
        };
        let (equations, rows): (Vec<usize>, Vec<usize>) =
            (0..form.rows.rows()).partition(|&row| form.is_equation(row));
        let (equations, mut spare): (Vec<Incoming>, Vec<Incoming>) = equations
            .into_iter()
            .map(incoming)
            .partition(|row| span.push(&free(row)));
        let (rows, determined): (Vec<Incoming>, Vec<Incoming>) = rows
            .into_iter()
            .map(incoming)
            .partition(|row| !span.contains(&free(row)));
        spare.extend(determined);
        let mut places = vec![Place::Implied(0); form.rows.rows()];
        let mut place = |from: &[Incoming], to: fn(usize) -> Place| {
            for (k, row) in from.iter().enumerate() {
                places[row.row] = to(k);
            }
        };
        place(&equations, Place::Equation);
        place(&rows, Place::Row);
        place(&spare, Place::Implied);
        let matrix = |from: &[Incoming]| {
            let triplets: Vec<(usize, usize, f64)> = from
                .iter()
                .enumerate()
                .flat_map(|(k, row)| row.entries.iter().map(move |&(c, v)| (k, c, v)))
                .collect();
            Sparse::from_triplets(from.len(), n, &triplets)
        };
        let (equation_matrix, row_matrix) = (matrix(&equations), matrix(&rows));
        let equation_scale = equations.iter().map(|row| row.scale).collect();
        let row_scale: Vec<f64> = rows.iter().map(|row| row.scale).collect();
        let equations_rhs = equations
            .iter()
            .map(|row| 0.5 * (row.lower + row.upper))
            .collect();
        let implied = spare
            .into_iter()
            .map(|row| Implied {
                row: row.entries,
                scale: row.scale,
                lower: row.lower,
                upper: row.upper,
                fuzz: 0.0,
            })
            .collect();
        for k in 0..n {
            lower[k] /= d[k];
            upper[k] /= d[k];
        }
        for row in &rows {
            lower.push(row.lower);
            upper.push(row.upper);
        }
        let p = Sparse::from_triplets(
            n,
            n,
            &form
                .p
                .triplets()
                .map(|(r, c, v)| (r, c, v * d[r] * d[c]))
                .collect::<Vec<_>>(),
        );
        let q = form.q.iter().zip(&d).map(|(q, d)| q * d).collect();
        let mut port_scale = Vec::new();
        let mut ports = Vec::new();
        let mut port_triplets = Vec::new();
        for r in 0..b.rows() {
            let (entries, size) = scaled_row(b, r);
            port_scale.push(size);
            port_triplets.extend(entries.iter().map(|&(c, v)| (r, c, v)));
            ports.push(entries.into_iter().filter(|e| !fixed[e.0]).collect());
        }
        let port_map = Sparse::from_triplets(b.rows(), n, &port_triplets);
        let (ldl, slots) = analyse(n, &p, &equation_matrix, &row_matrix);
        Self {
            n,
            form,
            d,
            fixed,
            crossed,
            p,
            q,
            equations: equation_matrix,
            equations_rhs,
            rows: row_matrix,
            lower,
            upper,
            place: places,
            row_scale,
            equation_scale,
            implied,
            ports,
            port_map,
            port_scale,
            ldl,
            slots,
        }
    }

    /// Number of port rows.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// Number of barrier terms: finite sides of variables and two-sided rows.
    pub fn barriers(&self) -> usize {
        (0..self.lower.len())
            .filter(|&k| !self.is_fixed(k))
            .map(|k| {
                usize::from(self.lower[k].is_finite()) + usize::from(self.upper[k].is_finite())
            })
            .sum()
    }

    /// A scale of this problem's cost a barrier term: what moving through its
    /// box could be worth at prices `λ`.
    pub fn cost_scale(&self, price: &[f64]) -> f64 {
        let q = self.gradient_with(price);
        let mut sum: f64 = 0.0;
        for k in 0..self.n {
            let width = self.upper[k] - self.lower[k];
            if width.is_finite() && !self.fixed[k] {
                sum += q[k].abs() * width;
            }
        }
        for (r, c, v) in self.p.triplets() {
            let width = self.upper[r] - self.lower[r];
            if r == c && width.is_finite() && !self.fixed[r] {
                sum += 0.5 * v * width * width;
            }
        }
        sum / self.barriers().max(1) as f64
    }

    /// Holds port row `j` between `l` and `u`, or at `l` where it is held at
    /// one value.
    pub fn hold(&mut self, j: usize, l: f64, u: f64) {
        match self.place[self.form.port(j)] {
            Place::Equation(k) => {
                self.equations_rhs[k] = l / self.equation_scale[k];
                self.form.hold(j, l, l);
                return;
            }
            Place::Row(k) => {
                self.lower[self.n + k] = l / self.row_scale[k];
                self.upper[self.n + k] = u / self.row_scale[k];
            }
            Place::Implied(k) => {
                let row = &mut self.implied[k];
                row.lower = l / row.scale;
                row.upper = u / row.scale;
            }
        }
        self.form.hold(j, l, u);
    }

    /// Lets port row `j` miss its sides by `fuzz` if the equations, those of other
    /// ports among them, determine it: it is then only checked, and no part of the
    /// system.
    pub fn allow(&mut self, j: usize, fuzz: f64) {
        if let Place::Implied(k) = self.place[self.form.port(j)] {
            self.implied[k].fuzz = fuzz / self.implied[k].scale;
        }
    }

    /// The least and the largest value of `Bx` over the boxes of the
    /// variables alone: outer bounds of the support of the ports.
    pub fn port_range(&self) -> (Vec<f64>, Vec<f64>) {
        (0..self.ports())
            .map(|j| {
                let (mut lo, mut hi) = (0.0, 0.0);
                for (c, v) in self.port_map.row(j) {
                    let (a, b) = if self.fixed[c] {
                        let x = 0.5 * (self.lower[c] + self.upper[c]);
                        (v * x, v * x)
                    } else if v > 0.0 {
                        (v * self.lower[c], v * self.upper[c])
                    } else if v < 0.0 {
                        (v * self.upper[c], v * self.lower[c])
                    } else {
                        (0.0, 0.0)
                    };
                    lo += a;
                    hi += b;
                }
                (lo * self.port_scale[j], hi * self.port_scale[j])
            })
            .unzip()
    }

    /// By how much `x` misses the rows that the equations determine: the most,
    /// relative as for an equation; first beyond their fuzz, then in all.
    fn implied_violation(&self, x: &[f64]) -> (f64, f64) {
        let (mut beyond, mut all) = (0.0_f64, 0.0_f64);
        for row in &self.implied {
            let value: f64 = row.row.iter().map(|&(c, v)| v * x[c]).sum();
            let missed = (row.lower - value).max(value - row.upper).max(0.0);
            let size = [row.lower, row.upper]
                .into_iter()
                .filter(|v| v.is_finite())
                .fold(1.0_f64, |a, v| a.max(1.0 + v.abs()));
            beyond = beyond.max((missed - row.fuzz).max(0.0) / size);
            all = all.max(missed / size);
        }
        (beyond, all)
    }

    fn is_fixed(&self, k: usize) -> bool {
        k < self.n && self.fixed[k]
    }

    fn gradient_with(&self, price: &[f64]) -> Vec<f64> {
        let mut q = self.q.clone();
        if !price.is_empty() {
            let scaled: Vec<f64> = price
                .iter()
                .zip(&self.port_scale)
                .map(|(l, s)| l * s)
                .collect();
            self.port_map.add_transposed_mul(&scaled, &mut q);
        }
        q
    }

    /// Solves.
    pub fn solve(&mut self, ask: Ask<'_>) -> Solved {
        Run::new(self, ask).go()
    }
}

fn analyse(n: usize, p: &Sparse, equations: &Sparse, rows: &Sparse) -> (Ldl, Slots) {
    let (me, mg) = (equations.rows(), rows.rows());
    let size = n + me + mg;
    let mut entries = Vec::new();
    let mut slots = Slots::default();
    for k in 0..size {
        slots.diagonal.push(entries.len());
        entries.push((k, k));
    }
    for (r, c, _) in p.triplets() {
        slots.p.push((r, c, entries.len()));
        entries.push((r, c));
    }
    for (r, c, _) in equations.triplets() {
        slots.equations.push(entries.len());
        entries.push((c, n + r));
    }
    for (r, c, _) in rows.triplets() {
        slots.rows.push(entries.len());
        entries.push((c, n + me + r));
    }
    let sign: Vec<f64> = (0..size).map(|k| if k < n { 1.0 } else { -1.0 }).collect();
    (Ldl::new(size, &entries, &sign), slots)
}

/// The iterates of one solve, in scaled units.
struct Run<'k, 'a> {
    k: &'k mut Kernel,
    ask: Ask<'a>,
    /// Cost scale: every gradient is divided by it.
    os: f64,
    q: Vec<f64>,
    mu: f64,
    x: Vec<f64>,
    y: Vec<f64>,
    nu: Vec<f64>,
    sl: Vec<f64>,
    su: Vec<f64>,
    zl: Vec<f64>,
    zu: Vec<f64>,
    /// Scaled `M` of the proximal term, empty without.
    metric: Vec<f64>,
    centre: Vec<f64>,
    /// Cholesky factor of `M + S` of the present point.
    port_factor: Vec<f64>,
    schur: Vec<f64>,
    curvature: Vec<f64>,
    room: Vec<f64>,
}

/// The residuals at an iterate.
struct Residuals {
    dual: Vec<f64>,
    equations: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    proximal: Vec<f64>,
    primal_size: f64,
    dual_size: f64,
}

struct Step {
    x: Vec<f64>,
    y: Vec<f64>,
    nu: Vec<f64>,
    sl: Vec<f64>,
    su: Vec<f64>,
    zl: Vec<f64>,
    zu: Vec<f64>,
}

/// The best point of a solve that is not smoothed.
struct Best {
    /// The largest of residuals and complementarity, in their tolerances.
    merit: f64,
    /// Iterations since.
    since: u32,
    x: Vec<f64>,
    y: Vec<f64>,
    nu: Vec<f64>,
    sl: Vec<f64>,
    su: Vec<f64>,
    zl: Vec<f64>,
    zu: Vec<f64>,
}

impl Step {
    /// Whether it can be taken at all.
    fn is_finite(&self) -> bool {
        [&self.x, &self.y, &self.nu, &self.zl, &self.zu]
            .iter()
            .all(|v| v.iter().all(|v| v.is_finite()))
    }
}

impl<'k, 'a> Run<'k, 'a> {
    fn new(k: &'k mut Kernel, ask: Ask<'a>) -> Self {
        let mut q = k.gradient_with(ask.price);
        let mut metric = Vec::new();
        let mut centre = Vec::new();
        let m = k.ports();
        // The scale of the cost of what can move, by gradients and curvatures.
        let mut slope = q.clone();
        let mut size: f64 = 0.0;
        for (r, c, v) in k.p.triplets() {
            match (k.fixed[r], k.fixed[c]) {
                (false, false) => size = size.max(v.abs()),
                (true, false) => slope[c] += v * 0.5 * (k.lower[r] + k.upper[r]),
                (false, true) => slope[r] += v * 0.5 * (k.lower[c] + k.upper[c]),
                (true, true) => {}
            }
        }
        for c in (0..k.n).filter(|&c| !k.fixed[c]) {
            size = size.max(slope[c].abs());
        }
        // Without any cost only the barrier gives a scale.
        let os = match size {
            v if v > 0.0 => v,
            _ if ask.mu > 0.0 => ask.mu,
            _ => 1.0,
        };
        for v in &mut q {
            *v /= os;
        }
        if let Some(p) = ask.proximal {
            centre = (0..m).map(|j| p.centre[j] / k.port_scale[j]).collect();
            metric = vec![0.0; m * m];
            for i in 0..m {
                for j in 0..m {
                    metric[i * m + j] =
                        p.metric_inverse[i * m + j] * os / (k.port_scale[i] * k.port_scale[j]);
                }
            }
        }
        let count = k.lower.len();
        let x: Vec<f64> = (0..k.n)
            .map(|c| {
                let (l, u) = (k.lower[c], k.upper[c]);
                match (l.is_finite(), u.is_finite()) {
                    (true, true) => 0.5 * (l + u),
                    (true, false) => l + 1.0,
                    (false, true) => u - 1.0,
                    (false, false) => 0.0,
                }
            })
            .collect();
        let mut run = Self {
            mu: ask.mu / os,
            k,
            ask,
            os,
            q,
            y: Vec::new(),
            nu: vec![0.0; m],
            sl: vec![1.0; count],
            su: vec![1.0; count],
            zl: vec![0.0; count],
            zu: vec![0.0; count],
            x,
            metric,
            centre,
            port_factor: Vec::new(),
            schur: Vec::new(),
            curvature: vec![0.0; count],
            room: Vec::new(),
        };
        run.y = vec![0.0; run.k.equations.rows()];
        let value = run.value(&run.x);
        for e in 0..count {
            if run.k.is_fixed(e) {
                continue;
            }
            let (l, u) = (run.k.lower[e], run.k.upper[e]);
            let width = if (u - l).is_finite() {
                (u - l).max(1e-12)
            } else {
                1.0
            };
            if l.is_finite() {
                run.sl[e] = (value[e] - l).max(0.3 * width);
                run.zl[e] = run.mu.max(0.1) / run.sl[e];
            }
            if u.is_finite() {
                run.su[e] = (u - value[e]).max(0.3 * width);
                run.zu[e] = run.mu.max(0.1) / run.su[e];
            }
        }
        run
    }

    fn value(&self, x: &[f64]) -> Vec<f64> {
        let mut v = x.to_vec();
        v.extend(self.k.rows.mul(x));
        v
    }

    fn has(&self, e: usize) -> (bool, bool) {
        if self.k.is_fixed(e) {
            (false, false)
        } else {
            (self.k.lower[e].is_finite(), self.k.upper[e].is_finite())
        }
    }

    fn residuals(&self) -> Residuals {
        let k = &*self.k;
        let n = k.n;
        let mut dual = k.p.symmetric_mul(&self.x);
        for c in 0..n {
            dual[c] = dual[c] / self.os + self.q[c];
        }
        let z: Vec<f64> = self.zu.iter().zip(&self.zl).map(|(u, l)| u - l).collect();
        for c in 0..n {
            dual[c] += z[c];
        }
        k.rows.add_transposed_mul(&z[n..], &mut dual);
        k.equations.add_transposed_mul(&self.y, &mut dual);
        k.port_map.add_transposed_mul(&self.nu, &mut dual);
        for c in 0..n {
            if k.fixed[c] {
                dual[c] = 0.0;
            }
        }
        let mut primal_size: f64 = k.crossed;
        let equations: Vec<f64> = k
            .equations
            .mul(&self.x)
            .iter()
            .zip(&k.equations_rhs)
            .map(|(v, b)| b - v)
            .collect();
        for (r, b) in equations.iter().zip(&k.equations_rhs) {
            primal_size = primal_size.max(r.abs() / (1.0 + b.abs()));
        }
        let value = self.value(&self.x);
        let count = value.len();
        let (mut lower, mut upper) = (vec![0.0; count], vec![0.0; count]);
        for e in 0..count {
            let (has_l, has_u) = self.has(e);
            let width = k.upper[e] - k.lower[e];
            let width = if width.is_finite() {
                width.max(1e-9)
            } else {
                1.0
            };
            if has_l {
                lower[e] = value[e] - k.lower[e] - self.sl[e];
                primal_size = primal_size.max(lower[e].abs() / width);
            }
            if has_u {
                upper[e] = k.upper[e] - value[e] - self.su[e];
                primal_size = primal_size.max(upper[e].abs() / width);
            }
        }
        let mut proximal = Vec::new();
        if !self.metric.is_empty() {
            let s = k.port_map.mul(&self.x);
            let mn = dense::mul(&self.metric, &self.nu);
            proximal = (0..s.len())
                .map(|j| self.centre[j] - s[j] + mn[j])
                .collect();
            for (r, c) in proximal.iter().zip(&self.centre) {
                primal_size = primal_size.max(r.abs() / (1.0 + c.abs()));
            }
        }
        let dual_size = dual.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        Residuals {
            dual,
            equations,
            lower,
            upper,
            proximal,
            primal_size,
            dual_size,
        }
    }

    fn factor(&mut self, want_schur: bool) {
        let k = &mut *self.k;
        let n = k.n;
        let me = k.equations.rows();
        k.ldl.clear();
        for e in 0..self.curvature.len() {
            let mut c = 0.0;
            if k.lower[e].is_finite() {
                c += self.zl[e] / self.sl[e];
            }
            if k.upper[e].is_finite() {
                c += self.zu[e] / self.su[e];
            }
            let open = e < n && !k.fixed[e] && !(k.upper[e] - k.lower[e]).is_finite();
            if open && self.mu == 0.0 && !want_schur {
                c += OPEN;
            }
            self.curvature[e] = c.clamp(CURVATURE.0, CURVATURE.1);
        }
        for c in 0..n {
            let v = if k.fixed[c] {
                1.0
            } else {
                self.curvature[c] + DELTA
            };
            k.ldl.add(k.slots.diagonal[c], v);
        }
        for r in 0..me {
            k.ldl.add(k.slots.diagonal[n + r], -DELTA);
        }
        for r in 0..k.rows.rows() {
            k.ldl
                .add(k.slots.diagonal[n + me + r], -1.0 / self.curvature[n + r]);
        }
        let slots = std::mem::take(&mut k.slots);
        for (&(r, c, slot), (_, _, v)) in slots.p.iter().zip(k.p.triplets()) {
            if !k.fixed[r] && !k.fixed[c] {
                k.ldl.add(slot, v / self.os);
            }
        }
        for (&slot, (_, c, v)) in slots.equations.iter().zip(k.equations.triplets()) {
            if !k.fixed[c] {
                k.ldl.add(slot, v);
            }
        }
        for (&slot, (_, c, v)) in slots.rows.iter().zip(k.rows.triplets()) {
            if !k.fixed[c] {
                k.ldl.add(slot, v);
            }
        }
        k.slots = slots;
        k.ldl.factor(1e-13);
        if want_schur || !self.metric.is_empty() {
            self.schur = k.ldl.schur(&k.ports);
        }
        if !self.metric.is_empty() {
            let m = k.ports.len();
            self.port_factor = self.schur.clone();
            for (f, v) in self.port_factor.iter_mut().zip(&self.metric) {
                *f += v;
            }
            for j in 0..m {
                self.port_factor[j * m + j] *= 1.0 + 1e-13;
            }
            dense::cholesky(&mut self.port_factor, m, 1e-13);
        }
    }

    /// Solves the system for the right-hand side `(x, y, w)`, or with the ports
    /// for `(x, y, w, ν)`, refined against the matrix without regularisation.
    fn refined(&mut self, rhs: &[f64]) -> Vec<f64> {
        let mut sol = rhs.to_vec();
        self.regularised(&mut sol);
        for _ in 0..REFINEMENTS {
            let mut r = self.residual(rhs, &sol);
            self.regularised(&mut r);
            for (s, d) in sol.iter_mut().zip(&r) {
                *s += d;
            }
        }
        sol
    }

    /// Solves the regularised system once, in place.
    fn regularised(&mut self, b: &mut [f64]) {
        let (n, size) = (self.k.n, self.curvature.len() + self.y.len());
        let (b, nu) = b.split_at_mut(size);
        let mut room = std::mem::take(&mut self.room);
        let mut plain = b.to_vec();
        self.k.ldl.solve(&mut plain, &mut room);
        if !nu.is_empty() {
            // (M + S) ν = B x₀ − b: the ports with the rest eliminated.
            let s = self.k.port_map.mul(&plain[..n]);
            for (v, s) in nu.iter_mut().zip(&s) {
                *v = s - *v;
            }
            dense::cholesky_solve(&self.port_factor, nu.len(), nu);
            let pull = self.k.port_map.transposed_mul(nu);
            for c in 0..n {
                if !self.k.fixed[c] {
                    b[c] -= pull[c];
                }
            }
            plain.copy_from_slice(b);
            self.k.ldl.solve(&mut plain, &mut room);
        }
        b.copy_from_slice(&plain);
        self.room = room;
    }

    fn residual(&self, rhs: &[f64], sol: &[f64]) -> Vec<f64> {
        let k = &*self.k;
        let (n, me) = (k.n, k.equations.rows());
        let (x, rest) = sol.split_at(n);
        let (y, rest) = rest.split_at(me);
        let (w, nu) = rest.split_at(k.rows.rows());
        let mut x = x.to_vec();
        for c in 0..n {
            if k.fixed[c] {
                x[c] = 0.0;
            }
        }
        let mut top = k.p.symmetric_mul(&x);
        for c in 0..n {
            top[c] = top[c] / self.os + self.curvature[c] * x[c];
        }
        k.equations.add_transposed_mul(y, &mut top);
        k.rows.add_transposed_mul(w, &mut top);
        if !nu.is_empty() {
            k.port_map.add_transposed_mul(nu, &mut top);
        }
        let mut out = Vec::with_capacity(rhs.len());
        for c in 0..n {
            out.push(if k.fixed[c] { 0.0 } else { rhs[c] - top[c] });
        }
        for (r, v) in k.equations.mul(&x).iter().enumerate() {
            out.push(rhs[n + r] - v);
        }
        for (r, v) in k.rows.mul(&x).iter().enumerate() {
            out.push(rhs[n + me + r] - (v - w[r] / self.curvature[n + r]));
        }
        if !nu.is_empty() {
            let (s, moved) = (k.port_map.mul(&x), dense::mul(&self.metric, nu));
            for (j, v) in rhs[out.len()..].iter().enumerate() {
                out.push(v - (s[j] - moved[j]));
            }
        }
        out
    }

    /// The Newton step towards complementarity products `cl`, `cu`.
    fn step(&mut self, r: &Residuals, cl: &[f64], cu: &[f64]) -> Step {
        let (n, me, mg) = (self.k.n, self.k.equations.rows(), self.k.rows.rows());
        let count = n + mg;
        let mut h = vec![0.0; count];
        for e in 0..count {
            let (has_l, has_u) = self.has(e);
            if has_l {
                h[e] += (cl[e] - self.sl[e] * self.zl[e]) / self.sl[e]
                    - self.zl[e] / self.sl[e] * r.lower[e];
            }
            if has_u {
                h[e] -= (cu[e] - self.su[e] * self.zu[e]) / self.su[e]
                    - self.zu[e] / self.su[e] * r.upper[e];
            }
        }
        let mut rhs = Vec::with_capacity(count + me);
        for c in 0..n {
            rhs.push(if self.k.fixed[c] {
                0.0
            } else {
                -r.dual[c] + h[c]
            });
        }
        rhs.extend_from_slice(&r.equations);
        for g in 0..mg {
            rhs.push(h[n + g] / self.curvature[n + g]);
        }
        rhs.extend_from_slice(&r.proximal);
        let mut sol = self.refined(&rhs);
        for c in 0..n {
            if self.k.fixed[c] {
                sol[c] = 0.0;
            }
        }
        let x = sol[..n].to_vec();
        let y = sol[n..n + me].to_vec();
        let nu = if self.metric.is_empty() {
            vec![0.0; self.nu.len()]
        } else {
            sol.split_off(count + me)
        };
        let value = self.value(&x);
        let mut s = Step {
            x,
            y,
            nu,
            sl: vec![0.0; count],
            su: vec![0.0; count],
            zl: vec![0.0; count],
            zu: vec![0.0; count],
        };
        for e in 0..count {
            let (has_l, has_u) = self.has(e);
            if has_l {
                s.sl[e] = value[e] + r.lower[e];
                s.zl[e] = (cl[e] - self.sl[e] * self.zl[e] - self.zl[e] * s.sl[e]) / self.sl[e];
            }
            if has_u {
                s.su[e] = -value[e] + r.upper[e];
                s.zu[e] = (cu[e] - self.su[e] * self.zu[e] - self.zu[e] * s.su[e]) / self.su[e];
            }
        }
        s
    }

    fn longest(&self, s: &Step) -> f64 {
        let mut al: f64 = 1.0;
        for e in 0..self.sl.len() {
            let (has_l, has_u) = self.has(e);
            if has_l {
                if s.sl[e] < 0.0 {
                    al = al.min(-self.sl[e] / s.sl[e]);
                }
                if s.zl[e] < 0.0 {
                    al = al.min(-self.zl[e] / s.zl[e]);
                }
            }
            if has_u {
                if s.su[e] < 0.0 {
                    al = al.min(-self.su[e] / s.su[e]);
                }
                if s.zu[e] < 0.0 {
                    al = al.min(-self.zu[e] / s.zu[e]);
                }
            }
        }
        al
    }

    fn go(mut self) -> Solved {
        let count = self.sl.len();
        let barriers = self.k.barriers();
        let smooth = self.mu > 0.0;
        let mut converged;
        let mut iterations = 0;
        let mut best_primal = f64::INFINITY;
        let mut stalled = 0;
        let mut best: Option<Best> = None;
        let mut r = self.residuals();
        loop {
            let mut complementarity = 0.0;
            let mut deviation: f64 = 0.0;
            for e in 0..count {
                let (has_l, has_u) = self.has(e);
                for (has, v) in [
                    (has_l, self.sl[e] * self.zl[e]),
                    (has_u, self.su[e] * self.zu[e]),
                ] {
                    if has {
                        complementarity += v;
                        deviation = deviation.max((v - self.mu).abs());
                    }
                }
            }
            let mu = complementarity / barriers.max(1) as f64;
            let size = 1.0 + self.nu.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
            let feasible = r.primal_size < 1e-9 && r.dual_size < 1e-9 * size;
            converged = feasible
                && if smooth {
                    deviation < 1e-3 * self.mu
                } else {
                    mu < 1e-11
                };
            if converged || iterations >= MAX_ITERATIONS {
                break;
            }
            // Near a vertex the last digits of the system are rounding, and a
            // further step can lose what was won: the best point is kept.
            if !smooth {
                let merit = (r.primal_size.max(r.dual_size / size) / 1e-10).max(mu / 1e-11);
                match &mut best {
                    Some(b) if merit >= b.merit => {
                        b.since += 1;
                        if b.merit <= NEARLY && b.since > PATIENCE {
                            break;
                        }
                    }
                    _ => best = Some(self.keep(merit)),
                }
            }
            // Give up where feasibility makes no progress any more: either
            // there is none, or rounding has the last word.
            if r.primal_size < 0.9 * best_primal || r.primal_size < 1e-9 {
                best_primal = best_primal.min(r.primal_size);
                stalled = 0;
            } else {
                stalled += 1;
            }
            if stalled > 30 {
                break;
            }
            iterations += 1;
            self.factor(false);
            // Far from the wanted centre the predictor aims at the boundary
            // (Mehrotra); near it, at the centre itself: its second-order
            // correction then vanishes with the step.
            let centring = smooth && mu < 10.0 * self.mu && (r.primal_size < 1e-3 || mu < self.mu);
            let aim = vec![if centring { self.mu } else { 0.0 }; count];
            let s = self.step(&r, &aim, &aim);
            let al = self.longest(&s);
            let target = if centring {
                self.mu
            } else {
                let mut after = 0.0;
                for e in 0..count {
                    let (has_l, has_u) = self.has(e);
                    if has_l {
                        after += (self.sl[e] + al * s.sl[e]) * (self.zl[e] + al * s.zl[e]);
                    }
                    if has_u {
                        after += (self.su[e] + al * s.su[e]) * (self.zu[e] + al * s.zu[e]);
                    }
                }
                let ratio = if mu > 0.0 {
                    after / barriers.max(1) as f64 / mu
                } else {
                    0.0
                };
                let sigma = (ratio * ratio * ratio).clamp(1e-3, 1.0);
                (sigma * mu).max(if smooth { self.mu } else { 1e-14 })
            };
            let share = if centring { al * al } else { 1.0 };
            let cl: Vec<f64> = (0..count)
                .map(|e| target - share * s.sl[e] * s.zl[e])
                .collect();
            let cu: Vec<f64> = (0..count)
                .map(|e| target - share * s.su[e] * s.zu[e])
                .collect();
            let mut s = self.step(&r, &cl, &cu);
            let mut longest = self.longest(&s);
            if longest < 0.3 {
                // A badly centred point: first back towards the middle.
                let target = (0.7 * mu).max(self.mu);
                let aim = vec![target; count];
                let safe = self.step(&r, &aim, &aim);
                let reach = self.longest(&safe);
                if reach > longest {
                    (s, longest) = (safe, reach);
                }
            }
            if !s.is_finite() {
                break;
            }
            let al = if longest < 1.0 { 0.985 * longest } else { 1.0 };
            self.advance(&s, al);
            r = self.residuals();
        }
        if !converged && let Some(b) = best {
            converged = b.merit <= NEARLY;
            self.restore(b);
            r = self.residuals();
        }
        self.finish(&r, converged, iterations)
    }

    fn keep(&self, merit: f64) -> Best {
        Best {
            merit,
            since: 0,
            x: self.x.clone(),
            y: self.y.clone(),
            nu: self.nu.clone(),
            sl: self.sl.clone(),
            su: self.su.clone(),
            zl: self.zl.clone(),
            zu: self.zu.clone(),
        }
    }

    fn restore(&mut self, b: Best) {
        (self.x, self.y, self.nu) = (b.x, b.y, b.nu);
        (self.sl, self.su, self.zl, self.zu) = (b.sl, b.su, b.zl, b.zu);
    }

    fn advance(&mut self, s: &Step, al: f64) {
        let add = |v: &mut [f64], d: &[f64]| {
            for (v, d) in v.iter_mut().zip(d) {
                *v += al * d;
            }
        };
        add(&mut self.x, &s.x);
        add(&mut self.y, &s.y);
        add(&mut self.nu, &s.nu);
        for (v, d) in [
            (&mut self.sl, &s.sl),
            (&mut self.su, &s.su),
            (&mut self.zl, &s.zl),
            (&mut self.zu, &s.zu),
        ] {
            add(v, d);
        }
        for e in 0..self.sl.len() {
            let (has_l, has_u) = self.has(e);
            if has_l {
                self.sl[e] = self.sl[e].max(1e-16);
                self.zl[e] = self.zl[e].max(1e-16);
            }
            if has_u {
                self.su[e] = self.su[e].max(1e-16);
                self.zu[e] = self.zu[e].max(1e-16);
            }
        }
    }

    fn finish(mut self, r: &Residuals, converged: bool, iterations: u32) -> Solved {
        let n = self.k.n;
        let m = self.k.ports();
        let (mut sensitivity, mut rate) = (Vec::new(), Vec::new());
        if self.ask.sensitivity {
            self.factor(true);
            sensitivity = vec![0.0; m * m];
            for i in 0..m {
                for j in 0..m {
                    sensitivity[i * m + j] =
                        self.schur[i * m + j] * self.k.port_scale[i] * self.k.port_scale[j]
                            / self.os;
                }
            }
            if self.ask.mu > 0.0 {
                let z: Vec<f64> = self.zl.iter().zip(&self.zu).map(|(l, u)| l - u).collect();
                let mut rhs = z[..n].to_vec();
                self.k.rows.add_transposed_mul(&z[n..], &mut rhs);
                for c in 0..n {
                    if self.k.fixed[c] {
                        rhs[c] = 0.0;
                    }
                }
                rhs.resize(self.curvature.len() + self.y.len(), 0.0);
                let sol = self.refined(&rhs);
                rate = self.k.port_map.mul(&sol[..n]);
                for (j, t) in rate.iter_mut().enumerate() {
                    *t *= self.k.port_scale[j] / self.ask.mu;
                }
            }
        }
        // A last system that could not be solved leaves no sensitivity.
        let sound = sensitivity.iter().chain(&rate).all(|v| v.is_finite());
        if !sound {
            sensitivity.fill(0.0);
            rate.fill(0.0);
        }
        let (implied, missed) = self.k.implied_violation(&self.x);
        let k = &*self.k;
        let x: Vec<f64> = (0..n)
            .map(|c| {
                if k.fixed[c] {
                    0.5 * (k.form.lower[c] + k.form.upper[c])
                } else {
                    self.x[c] * k.d[c]
                }
            })
            .collect();
        let multipliers: Vec<f64> = k
            .place
            .iter()
            .map(|place| match *place {
                Place::Equation(e) => self.y[e] * self.os / k.equation_scale[e],
                Place::Row(g) => (self.zu[n + g] - self.zl[n + g]) * self.os / k.row_scale[g],
                Place::Implied(_) => 0.0,
            })
            .collect();
        let proof = k.form.certify(self.ask.price, &x, &multipliers);
        // What the equations determine could be met in their place.
        let steepest = self.y.iter().fold(0.0_f64, |a, y| a.max(y.abs()));
        let cost_up = proof.cost_up + steepest * missed * self.os;
        // Multipliers of a point that rounding keeps from being feasible run
        // away; no point within the boxes costs more than this.
        let most = k.form.costliest(self.ask.price, &x);
        let cost_up = cost_up.min(most.max(proof.cost));
        let nu = self
            .nu
            .iter()
            .zip(&self.k.port_scale)
            .map(|(v, p)| v * self.os / p)
            .collect();
        Solved {
            s: k.form.exchange(&x),
            x,
            nu,
            cost: proof.cost,
            cost_up,
            lower: proof.lower,
            sensitivity,
            rate,
            infeasibility: r.primal_size.max(implied),
            converged: converged && sound && implied <= IMPLIED,
            iterations,
        }
    }
}
