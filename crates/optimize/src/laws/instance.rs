//! Random closed diagrams with problems that are feasible by construction.

use std::collections::{BTreeMap, BTreeSet};

use crate::problem::{Grid, Name, OpenProblem, Parts, Port, Sign};
use crate::seeded::Seeded;
use crate::sparse::Sparse;
use crate::wiring::{
    Coupling, CouplingKind, Link, OuterPort, PortRef, PortType, Wiring, WiringBox, WiringParts,
};

/// A closed, possibly nested diagram, its problems and a feasible point.
///
/// Two to four boxes on the outermost level and two or three in a nested one,
/// at most three levels and two nested boxes; two to four steps; three to ten variables a leaf,
/// all of them bounded; `P` zero, diagonal or of rank one or two. The point
/// is drawn first: bounds, rows, right-hand sides and limits are laid around
/// it.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The diagram.
    pub wiring: Wiring,
    /// The problem of each leaf.
    pub problems: BTreeMap<Name, OpenProblem>,
    /// A feasible point: the variables of each leaf.
    pub point: BTreeMap<Name, Vec<f64>>,
}

impl Instance {
    /// The instance of a seed. `prefix` begins every name in it.
    ///
    /// # Errors
    ///
    /// Never, unless the generator itself is wrong; then what was ill typed.
    pub fn new(seed: u64, prefix: &str) -> Result<Self, String> {
        let mut rng = Seeded::new(seed);
        let steps = 2 + rng.below(3) as usize;
        let unit = |rng: &mut Seeded, unit: &str| -> Result<Unit, String> {
            let step_s: Vec<u32> = (0..steps).map(|_| 60 * (1 + rng.below(3) as u32)).collect();
            Ok(Unit {
                name: name(unit)?,
                grid: Grid { start_s: 0, step_s },
                level: (0..steps).map(|_| rng.uniform(0.5, 1.5)).collect(),
            })
        };
        let units = [unit(&mut rng, "kW")?, unit(&mut rng, "Mbit")?];
        let mut made = Maker {
            rng,
            prefix,
            units,
            count: 0,
            room: 3,
            problems: BTreeMap::new(),
            point: BTreeMap::new(),
        };
        let whole = made.fresh("whole")?;
        let (wiring, _) = made.wiring(&whole, 0)?;
        Ok(Self {
            wiring,
            problems: made.problems,
            point: made.point,
        })
    }

    /// The cost of the feasible point: an upper bound.
    pub fn cost(&self) -> f64 {
        let cost = |(name, problem): (&Name, &OpenProblem)| problem.cost(&self.point[name]);
        self.problems.iter().map(cost).sum()
    }
}

fn name(text: impl Into<String>) -> Result<Name, String> {
    Name::new(text).map_err(|e| e.to_string())
}

struct Unit {
    name: Name,
    grid: Grid,
    /// What every level of this unit is at the feasible point.
    level: Vec<f64>,
}

struct Maker<'p> {
    rng: Seeded,
    prefix: &'p str,
    units: [Unit; 2],
    count: usize,
    /// Further boxes that may be nested.
    room: usize,
    problems: BTreeMap<Name, OpenProblem>,
    point: BTreeMap<Name, Vec<f64>>,
}

/// A port, the variables behind it and its value at the feasible point.
#[derive(Clone)]
struct Made {
    of: Name,
    port: PortType,
    support: BTreeSet<(Name, usize)>,
    value: Vec<f64>,
}

impl Maker<'_> {
    fn chance(&mut self, p: f64) -> bool {
        self.rng.uniform(0.0, 1.0) < p
    }

    /// A new name, whose place in the alphabet is random.
    fn fresh(&mut self, what: &str) -> Result<Name, String> {
        self.count += 1;
        let letter = char::from(b'a' + self.rng.below(26) as u8);
        name(format!("{}{letter}.{what}{}", self.prefix, self.count))
    }

    fn wiring(&mut self, id: &Name, depth: usize) -> Result<(Wiring, Vec<Made>), String> {
        let count = 2 + self.rng.below(if depth == 0 { 3 } else { 2 });
        let mut parts = WiringParts {
            name: id.clone(),
            boxes: Vec::new(),
            couplings: Vec::new(),
            links: Vec::new(),
            outer: Vec::new(),
            free: Vec::new(),
        };
        let mut ports = Vec::new();
        for _ in 0..count {
            if depth < 2 && self.room >= 2 && self.chance(0.5) {
                self.room -= 1;
                let inner = self.fresh("group")?;
                let (wiring, made) = self.wiring(&inner, depth + 1)?;
                ports.extend(made);
                parts.boxes.push(WiringBox {
                    name: inner,
                    content: crate::wiring::Content::Nested(Box::new(wiring)),
                });
            } else {
                let (leaf, made) = self.leaf()?;
                ports.extend(made);
                parts.boxes.push(leaf);
            }
        }
        let mut exposed = Vec::new();
        for u in 0..self.units.len() {
            let unit = self.units[u].name.clone();
            let (levels, flows): (Vec<Made>, Vec<Made>) = ports
                .iter()
                .filter(|p| p.port.unit == unit)
                .cloned()
                .partition(|p| p.port.sign == Sign::Level);
            for k in 0..=self.rng.below(2) {
                exposed.extend(self.sum(&mut parts, id, u, &flows, k == 0, depth > 0)?);
            }
            exposed.extend(self.agreement(&mut parts, id, u, &levels, depth > 0)?);
        }
        let tied: BTreeSet<_> = parts.links.iter().map(Link::at).collect();
        let at = |p: &Made| PortRef {
            of: p.of.clone(),
            port: p.port.name.clone(),
        };
        parts.free = ports.iter().map(at).filter(|p| !tied.contains(p)).collect();
        // The order of the lists must not matter, so it is random.
        shuffle(&mut self.rng, &mut parts.boxes);
        shuffle(&mut self.rng, &mut parts.links);
        shuffle(&mut self.rng, &mut parts.couplings);
        let wiring = Wiring::new(parts).map_err(|e| format!("generator: {e}"))?;
        Ok((wiring, exposed))
    }

    /// A random choice of ports with no variable in common.
    fn choose(&mut self, ports: &[Made]) -> Vec<Made> {
        let mut used = BTreeSet::new();
        let mut chosen = Vec::new();
        for p in ports {
            if self.chance(0.8) && used.is_disjoint(&p.support) {
                used.extend(p.support.iter().cloned());
                chosen.push(p.clone());
            }
        }
        chosen
    }

    fn sum(
        &mut self,
        parts: &mut WiringParts,
        id: &Name,
        unit: usize,
        ports: &[Made],
        may_balance: bool,
        may_expose: bool,
    ) -> Result<Option<Made>, String> {
        let chosen = self.choose(ports);
        if chosen.is_empty() {
            return Ok(None);
        }
        let steps = self.units[unit].grid.len();
        let mut value = vec![0.0; steps];
        for p in &chosen {
            for t in 0..steps {
                value[t] += p.port.sign.coefficient() * p.value[t];
            }
        }
        let expose = may_expose && self.chance(0.7);
        let balance = may_balance && self.chance(0.6);
        let kind = if balance {
            CouplingKind::Balance {
                rhs: if expose {
                    vec![0.0; steps]
                } else {
                    value.clone()
                },
            }
        } else {
            let slack = |v: &f64| v + self.rng.uniform(0.01, 0.5);
            CouplingKind::Capacity {
                limit: value.iter().map(slack).collect(),
            }
        };
        let coupling = self.couple(parts, unit, kind, &chosen)?;
        if !expose {
            return Ok(None);
        }
        let sign = if self.chance(0.5) {
            Sign::Draw
        } else {
            Sign::Supply
        };
        let support = chosen.iter().flat_map(|p| p.support.iter().cloned());
        let shown = Made {
            of: id.clone(),
            port: self.port("sum", unit, sign)?,
            support: support.collect(),
            value: value.iter().map(|v| sign.coefficient() * v).collect(),
        };
        parts.outer.push(OuterPort {
            name: shown.port.name.clone(),
            coupling,
            sign,
        });
        Ok(Some(shown))
    }

    fn agreement(
        &mut self,
        parts: &mut WiringParts,
        id: &Name,
        unit: usize,
        ports: &[Made],
        may_expose: bool,
    ) -> Result<Option<Made>, String> {
        let mut chosen = self.choose(ports);
        let expose = may_expose && self.chance(0.7);
        if chosen.is_empty() || (chosen.len() == 1 && !expose) {
            return Ok(None);
        }
        shuffle(&mut self.rng, &mut chosen);
        let coupling = self.couple(parts, unit, CouplingKind::Agreement, &chosen)?;
        if !expose {
            return Ok(None);
        }
        let shown = Made {
            of: id.clone(),
            port: self.port("level", unit, Sign::Level)?,
            support: chosen[0].support.clone(),
            value: chosen[0].value.clone(),
        };
        parts.outer.push(OuterPort {
            name: shown.port.name.clone(),
            coupling,
            sign: Sign::Level,
        });
        Ok(Some(shown))
    }

    fn couple(
        &mut self,
        parts: &mut WiringParts,
        unit: usize,
        kind: CouplingKind,
        ports: &[Made],
    ) -> Result<Name, String> {
        let coupling = self.fresh("coupling")?;
        let ranked = matches!(kind, CouplingKind::Agreement);
        for (k, p) in ports.iter().enumerate() {
            parts.links.push(Link {
                coupling: coupling.clone(),
                rank: if ranked { k as u32 } else { 0 },
                of: p.of.clone(),
                port: p.port.name.clone(),
            });
        }
        parts.couplings.push(Coupling {
            name: coupling.clone(),
            unit: self.units[unit].name.clone(),
            grid: self.units[unit].grid.clone(),
            kind,
        });
        Ok(coupling)
    }

    fn port(&mut self, what: &str, unit: usize, sign: Sign) -> Result<PortType, String> {
        Ok(PortType {
            name: self.fresh(what)?,
            unit: self.units[unit].name.clone(),
            grid: self.units[unit].grid.clone(),
            sign,
        })
    }

    fn leaf(&mut self) -> Result<(WiringBox, Vec<Made>), String> {
        let id = self.fresh("leaf")?;
        let n = 3 + self.rng.below(8) as usize;
        let x: Vec<f64> = (0..n).map(|_| self.rng.uniform(0.5, 2.0)).collect();
        let (mut a, mut l, mut u) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..n {
            a.push((k, k, 1.0));
            l.push(x[k] - self.rng.uniform(0.2, 2.0));
            u.push(x[k] + self.rng.uniform(0.2, 2.0));
        }
        for _ in 0..self.rng.below(3) {
            let row = l.len();
            let mut at = 0.0;
            for k in 0..n {
                if self.chance(0.5) {
                    let v = self.rng.uniform(-1.0, 1.0);
                    a.push((row, k, v));
                    at += v * x[k];
                }
            }
            l.push(f64::NEG_INFINITY);
            u.push(at + self.rng.uniform(0.01, 1.0));
        }
        let mut ports = Vec::new();
        let mut made = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let unit = self.rng.below(2) as usize;
            let sign = [Sign::Draw, Sign::Supply, Sign::Level][self.rng.below(3) as usize];
            let port = self.port("port", unit, sign)?;
            let mut map = Vec::new();
            for t in 0..port.grid.len() {
                let first = self.rng.below(n as u64) as usize;
                let second = (first + 1 + self.rng.below(n as u64 - 1) as usize) % n;
                if sign == Sign::Level {
                    // Two weights that make the level at the feasible point.
                    let level = self.units[unit].level[t];
                    let part = self.rng.uniform(0.2, 0.8);
                    map.push((t, first, level * part / x[first]));
                    map.push((t, second, level * (1.0 - part) / x[second]));
                } else {
                    map.push((t, first, self.rng.uniform(0.2, 1.5)));
                    if self.chance(0.5) {
                        map.push((t, second, self.rng.uniform(0.2, 1.5)));
                    }
                }
            }
            let map = Sparse::from_triplets(port.grid.len(), n, &map);
            made.push(Made {
                of: id.clone(),
                support: map.triplets().map(|(_, k, _)| (id.clone(), k)).collect(),
                value: map.mul(&x),
                port: port.clone(),
            });
            ports.push(Port {
                name: port.name,
                unit: port.unit,
                grid: port.grid,
                sign,
                map,
            });
        }
        let declared = made.iter().map(|m| m.port.clone()).collect();
        let parts = Parts {
            id: id.clone(),
            p: self.curvature(n),
            q: (0..n).map(|_| self.rng.uniform(-2.0, 2.0)).collect(),
            a: Sparse::from_triplets(l.len(), n, &a),
            l,
            u,
            ports,
            integer: Vec::new(),
        };
        let problem = OpenProblem::new(parts).map_err(|e| format!("generator: {e}"))?;
        self.problems.insert(id.clone(), problem);
        self.point.insert(id.clone(), x);
        Ok((WiringBox::leaf(id, declared), made))
    }

    /// Zero, diagonal, or of rank one or two.
    fn curvature(&mut self, n: usize) -> Sparse {
        let mut p = Vec::new();
        match self.rng.below(4) {
            0 => {}
            1 => p.extend((0..n).map(|k| (k, k, self.rng.uniform(0.1, 3.0)))),
            rank => {
                for _ in 1..rank {
                    let v: Vec<f64> = (0..n).map(|_| self.rng.uniform(-1.0, 1.0)).collect();
                    for i in 0..n {
                        p.extend((i..n).map(|j| (i, j, v[i] * v[j])));
                    }
                }
            }
        }
        Sparse::from_triplets(n, n, &p)
    }
}

/// Fisher–Yates.
pub(super) fn shuffle<T>(rng: &mut Seeded, items: &mut [T]) {
    for k in (1..items.len()).rev() {
        items.swap(k, rng.below(k as u64 + 1) as usize);
    }
}
