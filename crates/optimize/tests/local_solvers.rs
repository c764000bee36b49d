//! One conformance suite for every local solver.
//!
//! Random problems are planted: first the optimum, the multipliers and which
//! sides hold, then the cost that makes them optimal. All their numbers are
//! small integers times powers of two, so that the optimal value is exact and
//! bounds can be held to it without any tolerance.

use cosmosmesh_optimize::kernel::{PortSide, Proximal, Solved};
use cosmosmesh_optimize::local::{FEASIBLE, LocalSolver, SolverName, local_solver};
use cosmosmesh_optimize::problem::{Name, OpenProblem, Parts};
use cosmosmesh_optimize::seeded::Seeded;
use cosmosmesh_optimize::sparse::Sparse;

/// The two implementations.
const BOTH: [SolverName; 2] = [SolverName::Barrier, SolverName::Clarabel];
/// Seeds of each kind of problem.
const SEEDS: u64 = 200;
/// Share of the answers of a kind that may stop short of their tolerances.
const SHORT: f64 = 0.05;
/// How near values must be, relative to [`Planted::size`].
const NEAR: f64 = 1e-7;

/// What is hard about a planted problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Plain,
    /// No quadratic cost.
    Linear,
    /// Variables that cannot move.
    Fixed,
    /// Some boxes of `±2⁸`.
    Wide,
    /// Some boxes of `±2²⁰`: only the bounds are asked for.
    Vast,
    /// Variables and rows with one side, or none.
    Open,
    /// Variables, rows and ports in units from `2⁻¹²` to `2¹²`.
    Scaled,
    /// The same, without a quadratic cost.
    ScaledLinear,
}

/// Kinds whose boxes and rows have an upper side.
const CLOSED: [Kind; 7] = [
    Kind::Plain,
    Kind::Linear,
    Kind::Fixed,
    Kind::Wide,
    Kind::Vast,
    Kind::Scaled,
    Kind::ScaledLinear,
];

/// How the ports are tied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// Between sides, some of which hold; free in part.
    Between,
    /// At values.
    At,
    /// Between sides that do not hold, with a proximal term whose metric is
    /// definite.
    Proximal,
    /// The same with a metric of any rank, zero included: it then ties the
    /// exchange to its centre in some directions.
    Singular,
}

const TIES: [Tie; 4] = [Tie::Between, Tie::At, Tie::Proximal, Tie::Singular];

/// A problem with its optimum.
struct Planted {
    problem: OpenProblem,
    b: Sparse,
    sides: Vec<PortSide>,
    holds: Vec<(f64, f64)>,
    price: Vec<f64>,
    /// Centre, metric inverse.
    proximal: Option<(Vec<f64>, Vec<f64>)>,
    /// `½xᵀPx + qᵀx + λᵀs` at the optimum, exact.
    value: f64,
    /// The same with the proximal term.
    total: f64,
    /// What values are compared with: the optimum, and the largest entry of the
    /// cost in units of the boxes.
    size: f64,
    /// Whether every variable has a box.
    boxed: bool,
    /// The largest that one entry of a port row moves by.
    port_size: Vec<f64>,
}

impl Planted {
    /// The largest entry of `Bx − Mν − a`, in the units of the row.
    fn drawn_apart(&self, got: &Solved) -> f64 {
        let Some((centre, metric)) = &self.proximal else {
            return 0.0;
        };
        let m = centre.len();
        let mut worst: f64 = 0.0;
        for i in 0..m {
            let moved: f64 = (0..m).map(|j| metric[i * m + j] * got.nu[j]).sum();
            let off = got.s[i] - moved - centre[i];
            worst = worst.max(off.abs() / (self.port_size[i] + centre[i].abs()));
        }
        worst
    }

    fn solver(&self, name: SolverName) -> Box<dyn LocalSolver> {
        let mut solver = local_solver(name, &self.problem, &self.b, &self.sides);
        for (j, &(l, u)) in self.holds.iter().enumerate() {
            solver.hold(j, l, u);
        }
        solver
    }

    fn ask(&self, solver: &mut dyn LocalSolver) -> Solved {
        let term = self.proximal.as_ref().map(|(centre, metric)| Proximal {
            centre,
            metric_inverse: metric,
        });
        solver.minimise(&self.price, term)
    }

    /// `½νᵀMν`.
    fn proximal_cost(&self, nu: &[f64]) -> f64 {
        let Some((_, metric)) = &self.proximal else {
            return 0.0;
        };
        let m = nu.len();
        let mut sum = 0.0;
        for i in 0..m {
            for j in 0..m {
                sum += 0.5 * nu[i] * metric[i * m + j] * nu[j];
            }
        }
        sum
    }
}

fn whole(r: &mut Seeded, low: i64, high: i64) -> f64 {
    (low + r.below((high - low + 1) as u64) as i64) as f64
}

/// Which side of a row or box holds at the optimum.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Held {
    No,
    Lower,
    Upper,
    Value,
}

/// A row's sides and multiplier: positive at the upper side.
fn tie(r: &mut Seeded, value: f64, held: Held, open: bool) -> (f64, f64, f64) {
    let mut room = |open: bool| match r.below(3) {
        0 if open => f64::INFINITY,
        _ => whole(r, 1, 6),
    };
    let (low, high) = (value - room(true), value + room(open));
    match held {
        Held::No => (low, high, 0.0),
        Held::Lower => (value, high, -whole(r, 0, 5)),
        Held::Upper => (low, value, whole(r, 0, 5)),
        Held::Value => (value, value, whole(r, -5, 5)),
    }
}

/// Every tight row has a variable of its own that can move both ways, so that
/// the constraints have a relative interior.
fn plant(kind: Kind, tied: Tie, seed: u64) -> Planted {
    let mut r = Seeded::new(seed * 100 + kind as u64 * 10 + tied as u64);
    let r = &mut r;
    let scaled = matches!(kind, Kind::Scaled | Kind::ScaledLinear);
    let open = kind == Kind::Open;
    let drawn = matches!(tied, Tie::Proximal | Tie::Singular);
    let unit = |r: &mut Seeded| {
        if scaled {
            whole(r, -12, 12).exp2()
        } else {
            1.0
        }
    };
    let tight = r.below(4) as usize;
    let ports = 1 + r.below(4) as usize;
    let pivots = tight + ports;
    let n = pivots + r.below(6) as usize;
    let x: Vec<f64> = (0..n).map(|_| whole(r, -8, 8)).collect();
    let sx: Vec<f64> = (0..n).map(|_| unit(r)).collect();
    let cost_unit = if scaled {
        whole(r, -10, 10).exp2()
    } else {
        1.0
    };

    // Boxes and reduced costs.
    let (mut lower, mut upper, mut rho) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    for c in 0..n {
        let held = match r.below(if c < pivots { 1 } else { 4 }) {
            0 => Held::No,
            1 => Held::Lower,
            2 => Held::Upper,
            _ if kind == Kind::Fixed => Held::Value,
            _ => Held::No,
        };
        let wide = r.below(2) == 0;
        let mut room = || match kind {
            Kind::Wide if wide => 8_f64.exp2(),
            Kind::Vast if wide => 20_f64.exp2(),
            _ => whole(r, 1, 9),
        };
        let (low, high) = (room(), room());
        (lower[c], upper[c], rho[c]) = match held {
            Held::No => (x[c] - low, x[c] + high, 0.0),
            Held::Lower => (x[c], x[c] + high, whole(r, 0, 6)),
            Held::Upper => (x[c] - low, x[c], -whole(r, 0, 6)),
            Held::Value => (x[c], x[c], whole(r, -6, 6)),
        };
        if open {
            if held != Held::Lower && r.below(2) == 0 {
                lower[c] = f64::NEG_INFINITY;
            }
            if held != Held::Upper && r.below(2) == 0 {
                upper[c] = f64::INFINITY;
            }
        }
    }

    // Rows: entry (row, column, value), sides, multiplier.
    let row = |r: &mut Seeded, pivot: Option<usize>| -> Vec<f64> {
        let mut a = vec![0.0; n];
        for (c, v) in a.iter_mut().enumerate() {
            if (c >= pivots || pivot.is_none()) && r.below(3) == 0 {
                *v = whole(r, -3, 3);
            }
        }
        if let Some(p) = pivot {
            a[p] = if r.below(2) == 0 { 1.0 } else { -2.0 };
        }
        a
    };
    let dot = |a: &[f64]| -> f64 { a.iter().zip(&x).map(|(a, x)| a * x).sum() };
    let mut rows = Vec::new();
    for k in 0..tight {
        let a = row(r, Some(k));
        let held = [Held::Lower, Held::Upper, Held::Value][r.below(3) as usize];
        let sides = tie(r, dot(&a), held, open);
        rows.push((a, sides, unit(r)));
    }
    for _ in 0..r.below(4) {
        let a = row(r, None);
        let sides = tie(r, dot(&a), Held::No, open);
        rows.push((a, sides, unit(r)));
    }
    let mut port_rows = Vec::new();
    for j in 0..ports {
        let b = row(r, Some(tight + j));
        let held = match tied {
            Tie::At => Held::Value,
            Tie::Proximal | Tie::Singular => Held::No,
            Tie::Between => [Held::No, Held::Lower, Held::Upper][r.below(3) as usize],
        };
        let mut sides = tie(r, dot(&b), held, open);
        if held == Held::No && r.below(2) == 0 {
            sides = (f64::NEG_INFINITY, f64::INFINITY, 0.0);
        }
        port_rows.push((b, sides, unit(r)));
    }
    let lambda: Vec<f64> = (0..ports).map(|_| whole(r, -5, 5)).collect();
    let nu: Vec<f64> = (0..ports)
        .map(|_| if drawn { whole(r, -4, 4) } else { 0.0 })
        .collect();
    let rank = r.below(ports as u64 + 1) as usize;
    let root: Vec<f64> = (0..ports * rank).map(|_| whole(r, -2, 2)).collect();
    let metric = |i: usize, j: usize| -> f64 {
        let ridge = tied == Tie::Proximal && i == j;
        let low: f64 = (0..rank)
            .map(|k| root[i * rank + k] * root[j * rank + k])
            .sum();
        low + f64::from(u8::from(ridge))
    };

    // The cost: P from a sparse root, q from stationarity.
    let mut p = vec![0.0; n * n];
    if !matches!(kind, Kind::Linear | Kind::ScaledLinear) {
        for _ in 0..=r.below(n as u64) {
            let v: Vec<f64> = (0..n)
                .map(|_| {
                    if r.below(3) == 0 {
                        whole(r, -2, 2)
                    } else {
                        0.0
                    }
                })
                .collect();
            for i in 0..n {
                for j in 0..n {
                    p[i * n + j] += v[i] * v[j];
                }
            }
        }
    }
    let mut q = rho;
    for i in 0..n {
        for j in 0..n {
            q[i] -= p[i * n + j] * x[j];
        }
        for (a, (_, _, w), _) in &rows {
            q[i] -= a[i] * w;
        }
        for (j, (b, (_, _, w), _)) in port_rows.iter().enumerate() {
            q[i] -= b[i] * (w + lambda[j] + nu[j]);
        }
    }
    let s: Vec<f64> = port_rows.iter().map(|(b, _, _)| dot(b)).collect();
    let mut value: f64 = 0.0;
    let mut size: f64 = 0.0;
    for i in 0..n {
        let width = |i: usize| {
            let width = upper[i] - lower[i];
            if width.is_finite() && width > 0.0 {
                width
            } else {
                1.0
            }
        };
        let priced: f64 = port_rows.iter().zip(&lambda).map(|(b, l)| b.0[i] * l).sum();
        size = size.max((q[i] + priced).abs() * width(i));
        for j in 0..n {
            value += 0.5 * x[i] * p[i * n + j] * x[j];
            size = size.max((p[i * n + j] * width(i) * width(j)).abs());
        }
        value += q[i] * x[i];
    }
    for j in 0..ports {
        value += lambda[j] * s[j];
    }
    let mut total = value;
    for i in 0..ports {
        for j in 0..ports {
            total += 0.5 * nu[i] * metric(i, j) * nu[j];
        }
    }
    size = (size + value.abs() + total.abs()).max(1.0);

    // The same in the units of each variable and row.
    let mut a = Vec::new();
    let (mut l, mut u) = (Vec::new(), Vec::new());
    for c in 0..n {
        if lower[c].is_infinite() && upper[c].is_infinite() {
            continue;
        }
        // A box may be written in any unit and with either sign.
        let v = if r.below(4) == 0 { -2.0 } else { 1.0 };
        let (low, high) = (v * sx[c] * lower[c], v * sx[c] * upper[c]);
        a.push((l.len(), c, v));
        l.push(low.min(high));
        u.push(low.max(high));
    }
    for (entries, (low, high, _), unit) in &rows {
        for c in 0..n {
            if entries[c] != 0.0 {
                a.push((l.len(), c, entries[c] * unit / sx[c]));
            }
        }
        l.push(low * unit);
        u.push(high * unit);
    }
    let mut p_entries = Vec::new();
    for i in 0..n {
        for j in i..n {
            if p[i * n + j] != 0.0 {
                p_entries.push((i, j, p[i * n + j] * cost_unit / (sx[i] * sx[j])));
            }
        }
    }
    let mut b = Vec::new();
    for (j, (entries, _, unit)) in port_rows.iter().enumerate() {
        for c in 0..n {
            if entries[c] != 0.0 {
                b.push((j, c, entries[c] * unit / sx[c]));
            }
        }
    }
    let port_unit: Vec<f64> = port_rows.iter().map(|row| row.2).collect();
    let problem = OpenProblem::new(Parts {
        id: Name::new("planted").expect("a name"),
        p: Sparse::from_triplets(n, n, &p_entries),
        q: (0..n).map(|c| q[c] * cost_unit / sx[c]).collect(),
        a: Sparse::from_triplets(l.len(), n, &a),
        l,
        u,
        ports: Vec::new(),
        integer: Vec::new(),
    })
    .expect("well formed");
    let proximal = drawn.then(|| {
        let (mut centre, mut flat) = (Vec::new(), Vec::new());
        for i in 0..ports {
            let moved: f64 = (0..ports).map(|j| metric(i, j) * nu[j]).sum();
            centre.push((s[i] - moved) * port_unit[i]);
            for j in 0..ports {
                flat.push(metric(i, j) * port_unit[i] * port_unit[j] / cost_unit);
            }
        }
        (centre, flat)
    });
    Planted {
        problem,
        b: Sparse::from_triplets(ports, n, &b),
        sides: vec![
            if tied == Tie::At {
                PortSide::At
            } else {
                PortSide::Between
            };
            ports
        ],
        holds: port_rows
            .iter()
            .map(|(_, (l, u, _), unit)| (l * unit, u * unit))
            .collect(),
        price: (0..ports)
            .map(|j| lambda[j] * cost_unit / port_unit[j])
            .collect(),
        proximal,
        value: value * cost_unit,
        total: total * cost_unit,
        size: size * cost_unit,
        boxed: !open,
        port_size: port_rows
            .iter()
            .map(|(b, _, unit)| {
                let reach = |c: usize| (upper[c] - lower[c]).min(1e9);
                let entries = (0..n).map(|c| (b[c] * reach(c)).abs());
                entries.fold(0.0_f64, f64::max) * unit
            })
            .collect(),
    }
}

/// What is promised of an answer and does not hold, in words.
fn broken(p: &Planted, got: &Solved) -> Vec<String> {
    let mut out = Vec::new();
    let mut must = |ok: bool, what: String| {
        if !ok {
            out.push(what);
        }
    };
    let traded: f64 = p.price.iter().zip(&got.s).map(|(l, s)| l * s).sum();
    must(
        got.lower <= p.value,
        format!("lower {} > optimum {}", got.lower, p.value),
    );
    must(
        (p.problem.cost(&got.x) - got.cost).abs() <= 1e-12 * p.size,
        "cost is not that of x".to_owned(),
    );
    must(got.cost_up >= got.cost, "cost_up < cost".to_owned());
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1e-3 + a.abs());
    must(
        p.b.mul(&got.x).iter().zip(&got.s).all(near),
        "s is not Bx".to_owned(),
    );
    must(
        (got.x.len(), got.s.len(), got.nu.len()) == (p.problem.n(), p.b.rows(), p.b.rows())
            && got.sensitivity.is_empty()
            && got.rate.is_empty(),
        "lengths".to_owned(),
    );
    if !got.converged {
        return out;
    }
    must(
        got.infeasibility <= FEASIBLE,
        format!("converged with infeasibility {:e}", got.infeasibility),
    );
    let off = (got.cost + traded + p.proximal_cost(&got.nu) - p.total).abs() / p.size;
    must(off <= NEAR, format!("value off by {off:e}"));
    if p.proximal.is_none() {
        let short = (p.value - got.cost_up - traded) / p.size;
        must(short <= 1e-13, format!("cost_up short by {short:e}"));
        let loose = (p.value - got.lower) / p.size;
        let bounded = p.boxed || got.lower > f64::NEG_INFINITY;
        must(
            !bounded || loose <= NEAR,
            format!("lower loose by {loose:e}"),
        );
    } else {
        must(
            p.drawn_apart(got) <= 10.0 * FEASIBLE,
            format!("Bx - M nu - a is {:e}", p.drawn_apart(got)),
        );
    }
    out
}

/// All seeds of some kinds: every promise must hold of every answer, and
/// nearly all answers must converge.
fn conforms(name: SolverName, kinds: &[Kind], ties: &[Tie]) {
    let mut wrong = Vec::new();
    for &kind in kinds {
        for &tied in ties {
            let mut short = Vec::new();
            for seed in 0..SEEDS {
                let p = plant(kind, tied, seed);
                let got = p.ask(p.solver(name).as_mut());
                if !got.converged {
                    short.push(seed);
                }
                let list = broken(&p, &got);
                if !list.is_empty() {
                    wrong.push(format!("{name} {kind:?} {tied:?} seed {seed}: {list:?}"));
                }
            }
            println!("{name} {kind:?} {tied:?}: {} stopped short", short.len());
            if kind != Kind::Vast && short.len() as f64 > SHORT * SEEDS as f64 {
                wrong.push(format!("{name} {kind:?} {tied:?} stopped short: {short:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn barrier_closed_sides() {
    conforms(SolverName::Barrier, &CLOSED, &[Tie::Between, Tie::At]);
}

#[test]
fn barrier_proximal_terms() {
    conforms(
        SolverName::Barrier,
        &CLOSED,
        &[Tie::Proximal, Tie::Singular],
    );
}

#[test]
fn barrier_open_sides() {
    conforms(SolverName::Barrier, &[Kind::Open], &TIES);
}

#[test]
fn clarabel_closed_sides() {
    conforms(SolverName::Clarabel, &CLOSED, &[Tie::Between, Tie::At]);
}

#[test]
fn clarabel_proximal_terms() {
    conforms(
        SolverName::Clarabel,
        &CLOSED,
        &[Tie::Proximal, Tie::Singular],
    );
}

#[test]
fn clarabel_open_sides() {
    conforms(SolverName::Clarabel, &[Kind::Open], &TIES);
}

#[test]
fn both_give_one_value() {
    for kind in CLOSED.into_iter().filter(|k| *k != Kind::Vast) {
        for tied in [Tie::Between, Tie::At] {
            for seed in 0..SEEDS {
                let p = plant(kind, tied, seed);
                let [a, b] = BOTH.map(|name| p.ask(p.solver(name).as_mut()));
                if a.converged && b.converged {
                    let off = (a.lower - b.lower).abs() / p.size;
                    assert!(off <= NEAR, "{kind:?} {tied:?} seed {seed}: {off:e}");
                }
            }
        }
    }
}

/// An answer depends on the arguments and the sides held last, not on what was
/// asked before.
#[test]
fn answers_have_no_memory() {
    for name in BOTH {
        for seed in 0..20 {
            let p = plant(Kind::Plain, Tie::Between, seed);
            let fresh = p.ask(p.solver(name).as_mut());
            let mut used = p.solver(name);
            for j in 0..p.holds.len() {
                used.hold(j, -1.0, 1.0);
            }
            let price = vec![7.0; p.price.len()];
            used.minimise(&price, None);
            used.minimise(&[], None);
            for (j, &(l, u)) in p.holds.iter().enumerate() {
                used.hold(j, l, u);
            }
            let again = p.ask(used.as_mut());
            assert_eq!(fresh.x, again.x, "{name} seed {seed}");
            assert_eq!(fresh.lower, again.lower, "{name} seed {seed}");
        }
    }
}

/// No prices at all are prices of zero.
#[test]
fn no_price_is_zero() {
    for name in BOTH {
        for seed in 0..20 {
            let p = plant(Kind::Plain, Tie::At, seed);
            let mut solver = p.solver(name);
            let none = solver.minimise(&[], None);
            let zero = solver.minimise(&vec![0.0; p.price.len()], None);
            assert_eq!(none.x, zero.x, "{name} seed {seed}");
        }
    }
}

/// Rows that contradict each other, a port held where it cannot be, and an
/// exchange drawn to where it cannot be by a metric of zero.
#[test]
fn the_infeasible_does_not_converge() {
    for name in BOTH {
        for seed in 0..SEEDS {
            let p = plant(Kind::Plain, Tie::At, seed);
            let ports = p.b.rows();
            let beyond: f64 = 1e3 + 1e3 * p.port_size.iter().fold(0.0_f64, |a, v| a.max(*v));

            let mut held = p.solver(name);
            held.hold(0, beyond, beyond);
            let held = held.minimise(&p.price, None);

            let mut parts = p.problem.parts().clone();
            let n = p.problem.n();
            let mut rows: Vec<_> = parts.a.triplets().collect();
            if n == 1 {
                // Two rows of one variable are boxes: see `crossed_boxes`.
                continue;
            }
            for (l, u) in [(-1e6, 0.0), (1.0, 1e6)] {
                // A sum of two variables, below 0 and above 1.
                let r = parts.l.len();
                rows.extend([(r, 0, 1.0), (r, n - 1, 2.0)]);
                parts.l.push(l);
                parts.u.push(u);
            }
            parts.a = Sparse::from_triplets(parts.l.len(), n, &rows);
            let crossed = OpenProblem::new(parts).expect("well formed");
            let free = vec![PortSide::Between; ports];
            let crossed = local_solver(name, &crossed, &p.b, &free).minimise(&p.price, None);

            let far = vec![beyond; ports];
            let zero = vec![0.0; ports * ports];
            let pinned = Proximal {
                centre: &far,
                metric_inverse: &zero,
            };
            let drawn = local_solver(name, &p.problem, &p.b, &free).minimise(&[], Some(pinned));

            for (what, got) in [("held", held), ("crossed", crossed), ("drawn", drawn)] {
                assert!(
                    !got.converged && got.infeasibility > FEASIBLE,
                    "{name} {what} seed {seed}: infeasible by {:e}, converged {}",
                    got.infeasibility,
                    got.converged
                );
            }
        }
    }
}

/// Two boxes of one variable that do not meet.
fn crossed_boxes(name: SolverName) {
    let problem = OpenProblem::new(Parts {
        id: Name::new("crossed").expect("a name"),
        p: Sparse::zeros(1, 1),
        q: vec![1.0],
        a: Sparse::from_triplets(2, 1, &[(0, 0, 1.0), (1, 0, 1.0)]),
        l: vec![0.0, 2.0],
        u: vec![1.0, 3.0],
        ports: Vec::new(),
        integer: Vec::new(),
    })
    .expect("well formed");
    let b = Sparse::from_triplets(1, 1, &[(0, 0, 1.0)]);
    let got = local_solver(name, &problem, &b, &[PortSide::Between]).minimise(&[], None);
    assert!(!got.converged && got.infeasibility > FEASIBLE, "{got:?}");
}

#[test]
fn clarabel_crossed_boxes() {
    crossed_boxes(SolverName::Clarabel);
}

#[test]
fn barrier_crossed_boxes() {
    crossed_boxes(SolverName::Barrier);
}

#[test]
fn hints_name_solvers() {
    for name in SolverName::ALL {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    for hint in ["", "Clarabel", "osqp", " barrier"] {
        let error = hint.parse::<SolverName>().expect_err("no solver");
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{hint}`")) && text.contains("`auto`, `barrier`, `clarabel`"),
            "{text}"
        );
    }
}
