//! Random families of coupled problems, for benchmarks and tests.
//!
//! Each member has a battery `b` (charge positive), a load `l`, a generator
//! `y` and the battery's energy `e`, one of each a step; it draws
//! `s = b + l − y` from a balance. The families differ in what is hard:
//!
//! | family | what is hard |
//! |---|---|
//! | `strong` | nothing: strongly convex costs |
//! | `cap` | two capacity couplings beside the balance, most rows inactive |
//! | `lp` | linear costs with storage: the prices are a vertex |
//! | `tied` | linear costs and equal values everywhere: prices are not unique |
//! | `onoff` | relaxed on/off loads: linear values, tight energy windows |
//! | `scaled` | members and units from 1e-3 to 1e3 of each other |
//! | `flat` | a storage far larger than anything can fill, without a cost |

use crate::coupled::{Coupled, CoupledMember, CouplingRow, RowKind};
use crate::problem::{Name, OpenProblem, Parts, ProblemError};
use crate::seeded::Seeded;
use crate::sparse::Sparse;

/// The families, in the order in which benchmarks print them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Strongly convex costs.
    Strong,
    /// Capacity rows, mostly inactive.
    Cap,
    /// Linear costs with storage.
    Lp,
    /// Linear costs, tied prices.
    Tied,
    /// Relaxed on/off loads.
    OnOff,
    /// Units `1e±3`.
    Scaled,
    /// A flat, huge storage.
    Flat,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Strong,
        Self::Cap,
        Self::Lp,
        Self::Tied,
        Self::OnOff,
        Self::Scaled,
        Self::Flat,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Cap => "cap",
            Self::Lp => "lp",
            Self::Tied => "tied",
            Self::OnOff => "onoff",
            Self::Scaled => "scaled",
            Self::Flat => "flat",
        }
    }
}

/// One random instance with `members` members and `steps` hourly steps.
///
/// # Errors
///
/// Never for sizes within the limits of [`OpenProblem`]; the error is that of
/// its constructor.
pub fn instance(
    family: Family,
    seed: u64,
    members: usize,
    steps: usize,
) -> Result<Coupled, ProblemError> {
    use Family::{Cap, Flat, Lp, OnOff, Scaled, Tied};
    let mut r = Seeded::new(seed.wrapping_mul(1000).wrapping_add(family as u64));
    let t = steps;
    let capacities = matches!(family, Cap | Scaled);
    let linear = matches!(family, Lp | Tied | OnOff);
    let mut made = Vec::new();
    let mut rhs_load = vec![0.0; t];
    let mut rhs_generation = vec![0.0; t];
    let (load_unit, generation_unit) = if family == Scaled {
        (1e3, 1e-3)
    } else {
        (1.0, 1.0)
    };
    for i in 0..members {
        let mut capacity = r.uniform(0.5, 2.5);
        let mut e0 = capacity * r.uniform(0.3, 0.7);
        let mut power = r.uniform(0.5, 2.0);
        let big = i % 6 == 0;
        let mut y_max: Vec<f64> = if big {
            vec![r.uniform(1.0, 2.5); t]
        } else {
            let (phase, size) = (r.uniform(0.0, 1.0), r.uniform(0.3, 2.0));
            (0..t)
                .map(|k| {
                    let a = std::f64::consts::TAU * (k as f64 / 24.0 + phase);
                    1e-3 + a.sin().max(0.0) * size
                })
                .collect()
        };
        let want: Vec<f64> = (0..t).map(|_| r.uniform(0.2, 1.5)).collect();
        let (weight, value) = (r.uniform(0.5, 3.0), r.uniform(0.5, 2.0));
        let price = if big {
            r.uniform(0.2, 0.8)
        } else {
            r.uniform(0.0, 0.1)
        };
        let mut l_max = 2.0;
        let (mut hb, mut hl, mut hy) = (0.0, 0.0, 0.0);
        let (ql, qy);
        if linear {
            ql = (0..t)
                .map(|_| {
                    if family == Tied {
                        -1.0
                    } else {
                        -value * r.uniform(0.8, 1.2)
                    }
                })
                .collect::<Vec<_>>();
            qy = if family == Tied {
                if big { 0.5 } else { 0.0 }
            } else {
                price
            };
            if family == OnOff {
                hb = 1.0;
                power = 1e-2;
                l_max = r.uniform(0.5, 2.0);
                if big {
                    hy = r.uniform(0.1, 0.3);
                } else {
                    y_max = vec![1e-2; t];
                }
            }
        } else {
            hb = r.uniform(0.01, 0.1);
            hl = weight;
            ql = want.iter().map(|w| -weight * w).collect();
            hy = if big {
                r.uniform(0.05, 0.3)
            } else {
                r.uniform(0.01, 0.1)
            };
            qy = price;
        }
        if family == Flat && i == 1 {
            (capacity, e0, power, hb) = (1e4, 5e3, 1e3, 0.0);
        }
        let energy_max = if family == OnOff {
            r.uniform(0.3, 0.7)
        } else {
            1.5
        } * t as f64
            * l_max;
        let size: f64 = if family == Scaled {
            ten_to(r.uniform(-3.0, 3.0))
        } else {
            1.0
        };
        let load_factor = r.uniform(0.5, 1.5);
        for h in [&mut hb, &mut hl, &mut hy] {
            *h /= size;
        }
        for v in [&mut capacity, &mut e0, &mut power, &mut l_max] {
            *v *= size;
        }
        for v in &mut y_max {
            *v *= size;
        }
        if capacities {
            for k in 0..t {
                let wanted = if hl > 0.0 {
                    (-ql[k] / hl).clamp(0.0, l_max)
                } else {
                    0.0
                };
                rhs_load[k] += load_factor * wanted;
                rhs_generation[k] += y_max[k];
            }
        }
        let problem = member(
            i,
            t,
            &Shape {
                capacity,
                e0,
                power,
                l_max,
                hb,
                hl,
                hy,
                ql,
                qy,
                y_max,
                energy_max: energy_max * size,
                energy_min: -size,
            },
        )?;
        made.push((problem, load_factor));
    }
    let mut rows: Vec<CouplingRow> = Vec::new();
    let mut push = |name: &str, kind, rhs: Vec<f64>| -> Result<(), ProblemError> {
        for (step, rhs) in rhs.into_iter().enumerate() {
            rows.push(CouplingRow {
                coupling: Name::new(name)?,
                step: step as u32,
                kind,
                rhs,
            });
        }
        Ok(())
    };
    push("balance", RowKind::Equal, vec![0.0; t])?;
    if capacities {
        let mut limit = |v: &[f64], often: f64, tight: f64, loose: f64, unit: f64| {
            v.iter()
                .map(|v| {
                    v * unit
                        * if r.uniform(0.0, 1.0) < often {
                            tight
                        } else {
                            loose
                        }
                })
                .collect::<Vec<_>>()
        };
        let load = limit(&rhs_load, 0.3, 0.55, 1.3, load_unit);
        let generation = limit(&rhs_generation, 0.1, 0.5, 1.05, generation_unit);
        push("load", RowKind::AtMost, load)?;
        push("generation", RowKind::AtMost, generation)?;
    }
    let members = made
        .into_iter()
        .map(|(problem, factor)| {
            let n = problem.n();
            let mut b = Vec::new();
            for k in 0..t {
                b.extend([(k, k, 1.0), (k, t + k, 1.0), (k, 2 * t + k, -1.0)]);
                if capacities {
                    b.push((t + k, t + k, factor * load_unit));
                    b.push((2 * t + k, 2 * t + k, generation_unit));
                }
            }
            let m = if capacities { 3 * t } else { t };
            CoupledMember {
                problem,
                rows: (0..m).collect(),
                b: Sparse::from_triplets(m, n, &b),
            }
        })
        .collect();
    Ok(Coupled { members, rows })
}

struct Shape {
    capacity: f64,
    e0: f64,
    power: f64,
    l_max: f64,
    hb: f64,
    hl: f64,
    hy: f64,
    ql: Vec<f64>,
    qy: f64,
    y_max: Vec<f64>,
    energy_max: f64,
    energy_min: f64,
}

fn member(i: usize, t: usize, s: &Shape) -> Result<OpenProblem, ProblemError> {
    let n = 4 * t;
    let mut p = Vec::new();
    let mut q = vec![0.0; n];
    let (mut a, mut l, mut u) = (Vec::new(), Vec::new(), Vec::new());
    let mut bound = |k: usize, lo: f64, hi: f64| {
        a.push((l.len(), k, 1.0));
        l.push(lo);
        u.push(hi);
    };
    for k in 0..t {
        for (block, h) in [(0, s.hb), (1, s.hl), (2, s.hy)] {
            if h > 0.0 {
                p.push((block * t + k, block * t + k, h));
            }
        }
        q[t + k] = s.ql[k];
        q[2 * t + k] = s.qy;
        bound(k, -s.power, s.power);
        bound(t + k, 0.0, s.l_max);
        bound(2 * t + k, 0.0, s.y_max[k]);
        let least = if k + 1 == t {
            -1e-3 * s.capacity
        } else {
            -s.e0
        };
        bound(3 * t + k, least, s.capacity - s.e0);
    }
    for k in 0..t {
        let row = l.len();
        a.push((row, 3 * t + k, 1.0));
        if k > 0 {
            a.push((row, 3 * t + k - 1, -1.0));
        }
        a.push((row, k, -1.0));
        l.push(0.0);
        u.push(0.0);
    }
    let row = l.len();
    a.extend((0..t).map(|k| (row, t + k, 1.0)));
    l.push(s.energy_min);
    u.push(s.energy_max);
    OpenProblem::new(Parts {
        id: Name::new(format!("member-{i:03}"))?,
        p: Sparse::from_triplets(n, n, &p),
        q,
        a: Sparse::from_triplets(l.len(), n, &a),
        l,
        u,
        ports: Vec::new(),
        integer: Vec::new(),
    })
}

fn ten_to(x: f64) -> f64 {
    10.0_f64.powf(x)
}
