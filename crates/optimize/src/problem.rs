//! One member's problem with named ports: the box of a wiring diagram.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::sparse::Sparse;

/// Most variables or rows that one problem may have.
pub const MAX_DIMENSION: usize = 200_000;

/// A name in the sense of a diagram: of a box, a port or a coupling.
///
/// Names are compared as they are spelt; 1 to 120 characters of
/// `a–z A–Z 0–9 _ - . / :`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// Takes a name, or says what is wrong with it.
    ///
    /// # Errors
    ///
    /// [`ProblemError::Name`] when it is empty, too long or has a character
    /// that is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, ProblemError> {
        let name = name.into();
        let ok = !name.is_empty()
            && name.len() <= 120
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-./:".contains(c));
        if ok {
            Ok(Self(name.into()))
        } else {
            Err(ProblemError::Name(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = ProblemError;
    fn try_from(name: String) -> Result<Self, ProblemError> {
        Self::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The time grid of a port: where it starts and how long its steps are.
/// Two ports can be tied only when their grids are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grid {
    /// Start of the first step, in seconds of the caller's time scale.
    pub start_s: i64,
    /// Length of each step, in seconds.
    pub step_s: Vec<u32>,
}

impl Grid {
    /// A grid of `n` equal steps from 0.
    pub fn uniform(n: usize, step_s: u32) -> Self {
        Self {
            start_s: 0,
            step_s: vec![step_s; n],
        }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.step_s.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.step_s.is_empty()
    }
}

/// How the value of a port enters a coupling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// A positive value takes from the coupling: it counts `+1` in a balance
    /// and against a capacity.
    Draw,
    /// A positive value gives to the coupling: it counts `−1`.
    Supply,
    /// A level that neither takes nor gives: only an agreement can tie it.
    Level,
}

impl Sign {
    /// The coefficient of the port in a sum: `+1` for what it draws, `−1` for
    /// what it supplies, `+1` for a level.
    pub fn coefficient(self) -> f64 {
        match self {
            Self::Draw | Self::Level => 1.0,
            Self::Supply => -1.0,
        }
    }
}

/// A named linear image `s = C x` of a problem's variables, one value a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its name, unique in its problem.
    pub name: Name,
    /// The unit of its values; only equal units can be tied.
    pub unit: Name,
    /// Its time grid.
    pub grid: Grid,
    /// How it enters a coupling.
    pub sign: Sign,
    /// `C`: as many rows as the grid has steps, as many columns as the
    /// problem has variables.
    pub map: Sparse,
}

/// Where a variable or a row comes from: kept through composition, so that
/// the canonical form of a composite does not depend on how it was nested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The leaf box (or, for a row, the coupling) that it belongs to.
    pub owner: Name,
    /// Its index there.
    pub index: u32,
}

/// What an [`OpenProblem`] is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// The name of the box.
    pub id: Name,
    /// Upper triangle of `P`, `n × n`.
    pub p: Sparse,
    /// `q`, length `n`.
    pub q: Vec<f64>,
    /// `A`, `m × n`. A row with one entry is a bound on a variable.
    pub a: Sparse,
    /// Lower sides, length `m`; `-inf` for none.
    #[serde(with = "infinite")]
    pub l: Vec<f64>,
    /// Upper sides, length `m`; `inf` for none.
    #[serde(with = "infinite")]
    pub u: Vec<f64>,
    /// The ports.
    pub ports: Vec<Port>,
    /// Indices of variables that must be whole numbers, ascending.
    #[serde(default)]
    pub integer: Vec<usize>,
}

/// A convex quadratic problem with named ports.
///
/// `minimise ½xᵀPx + qᵀx  subject to  l ≤ Ax ≤ u`; see the crate's
/// documentation. A value of this type is well formed: sizes agree, numbers
/// are finite, `P` is positive semidefinite, `l ≤ u`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct OpenProblem {
    parts: Parts,
    variables: Vec<Origin>,
    rows: Vec<Origin>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    parts: Parts,
    variables: Vec<Origin>,
    rows: Vec<Origin>,
}

impl From<OpenProblem> for Stored {
    fn from(p: OpenProblem) -> Self {
        Self {
            parts: p.parts,
            variables: p.variables,
            rows: p.rows,
        }
    }
}

impl TryFrom<Stored> for OpenProblem {
    type Error = ProblemError;
    fn try_from(s: Stored) -> Result<Self, ProblemError> {
        Self::with_origins(s.parts, s.variables, s.rows)
    }
}

impl OpenProblem {
    /// A leaf: its variables and rows are its own.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the parts.
    pub fn new(parts: Parts) -> Result<Self, ProblemError> {
        let own = |n: usize| {
            (0..n)
                .map(|k| Origin {
                    owner: parts.id.clone(),
                    index: k as u32,
                })
                .collect::<Vec<_>>()
        };
        let (variables, rows) = (own(parts.q.len()), own(parts.l.len()));
        Self::with_origins(parts, variables, rows)
    }

    /// A composite whose variables and rows are known by where they come from.
    ///
    /// # Errors
    ///
    /// As [`OpenProblem::new`].
    pub fn with_origins(
        parts: Parts,
        variables: Vec<Origin>,
        rows: Vec<Origin>,
    ) -> Result<Self, ProblemError> {
        check(&parts)?;
        let n = parts.q.len();
        if variables.len() != n || rows.len() != parts.l.len() {
            return Err(ProblemError::Size {
                id: parts.id.clone(),
                what: "origins",
                found: variables.len(),
                expected: n,
            });
        }
        Ok(Self {
            parts,
            variables,
            rows,
        })
    }

    /// The name of the box.
    pub fn id(&self) -> &Name {
        &self.parts.id
    }

    /// Number of variables.
    pub fn n(&self) -> usize {
        self.parts.q.len()
    }

    /// Its parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Where each variable comes from.
    pub fn variables(&self) -> &[Origin] {
        &self.variables
    }

    /// Where each row comes from.
    pub fn rows(&self) -> &[Origin] {
        &self.rows
    }

    /// The port of that name.
    pub fn port(&self, name: &Name) -> Option<&Port> {
        self.parts.ports.iter().find(|p| p.name == *name)
    }

    /// `½xᵀPx + qᵀx`.
    pub fn cost(&self, x: &[f64]) -> f64 {
        let linear: f64 = self.parts.q.iter().zip(x).map(|(q, x)| q * x).sum();
        self.parts.p.half_quadratic(x) + linear
    }

    /// The largest violation of `l ≤ Ax ≤ u` at `x`, in the units of the rows.
    pub fn violation(&self, x: &[f64]) -> f64 {
        let ax = self.parts.a.mul(x);
        let mut worst: f64 = 0.0;
        for (k, v) in ax.iter().enumerate() {
            worst = worst.max(self.parts.l[k] - v).max(v - self.parts.u[k]);
        }
        worst
    }
}

fn check(p: &Parts) -> Result<(), ProblemError> {
    let (n, m) = (p.q.len(), p.l.len());
    let size = |what, found: usize, expected: usize| {
        if found == expected {
            Ok(())
        } else {
            Err(ProblemError::Size {
                id: p.id.clone(),
                what,
                found,
                expected,
            })
        }
    };
    let finite = |what: &'static str, index: usize, value: f64| {
        if value.is_finite() {
            Ok(())
        } else {
            Err(ProblemError::NotFinite {
                id: p.id.clone(),
                what,
                index,
                value,
            })
        }
    };
    for (what, found) in [("variables", n), ("rows", m)] {
        if found > MAX_DIMENSION {
            return Err(ProblemError::TooLarge {
                id: p.id.clone(),
                what,
                found,
            });
        }
    }
    size("rows of P", p.p.rows(), n)?;
    size("columns of P", p.p.cols(), n)?;
    size("columns of A", p.a.cols(), n)?;
    size("rows of A", p.a.rows(), m)?;
    size("upper sides", p.u.len(), m)?;
    for (what, s) in [("P", &p.p), ("A", &p.a)] {
        if !s.is_well_formed() {
            return Err(ProblemError::Malformed {
                id: p.id.clone(),
                what,
            });
        }
        for (r, _, v) in s.triplets() {
            finite(what, r, v)?;
        }
    }
    for (k, &v) in p.q.iter().enumerate() {
        finite("q", k, v)?;
    }
    for k in 0..m {
        let (l, u) = (p.l[k], p.u[k]);
        if l.is_nan() || u.is_nan() || l == f64::INFINITY || u == f64::NEG_INFINITY {
            let value = if l.is_nan() || l == f64::INFINITY {
                l
            } else {
                u
            };
            return Err(ProblemError::NotFinite {
                id: p.id.clone(),
                what: "side",
                index: k,
                value,
            });
        }
        if l > u {
            return Err(ProblemError::Crossed {
                id: p.id.clone(),
                row: k,
                lower: l,
                upper: u,
            });
        }
    }
    for port in &p.ports {
        size("columns of a port's map", port.map.cols(), n)?;
        size("rows of a port's map", port.map.rows(), port.grid.len())?;
        if !port.map.is_well_formed() {
            return Err(ProblemError::Malformed {
                id: p.id.clone(),
                what: "a port's map",
            });
        }
        for (r, _, v) in port.map.triplets() {
            finite("a port's map", r, v)?;
        }
        if p.ports.iter().filter(|o| o.name == port.name).count() > 1 {
            return Err(ProblemError::PortTwice {
                id: p.id.clone(),
                port: port.name.clone(),
            });
        }
    }
    if p.integer.iter().any(|&k| k >= n) || p.integer.windows(2).any(|w| w[0] >= w[1]) {
        return Err(ProblemError::Malformed {
            id: p.id.clone(),
            what: "the list of integers",
        });
    }
    positive_semidefinite(p)
}

/// Refuses a `P` that is not positive semidefinite up to rounding.
///
/// Lower entries are refused, then `P + εD` with `D` its largest diagonal
/// entry is factored by rows (sparse Cholesky, envelope form); a pivot that is
/// not positive names its variable.
fn positive_semidefinite(p: &Parts) -> Result<(), ProblemError> {
    let n = p.q.len();
    let scale = p.p.triplets().fold(0.0_f64, |m, (_, _, v)| m.max(v.abs()));
    if scale == 0.0 {
        return Ok(());
    }
    // Columns of the lower factor, kept as sorted lists: up-looking Cholesky.
    let mut lower: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
    for (r, c, v) in p.p.triplets() {
        if c < r {
            return Err(ProblemError::Malformed {
                id: p.id.clone(),
                what: "P (give its upper triangle)",
            });
        }
        lower[c].push((r, v));
    }
    let mut rows: Vec<Vec<(usize, f64)>> = Vec::with_capacity(n);
    let mut work = vec![0.0; n];
    for i in 0..n {
        let entries = std::mem::take(&mut lower[i]);
        let first = entries.first().map_or(i, |e| e.0);
        let mut diagonal = scale * 1e-9;
        for (k, v) in entries {
            if k == i {
                diagonal += v;
            } else {
                work[k] = v;
            }
        }
        let mut row = Vec::new();
        for k in first..i {
            let known: &Vec<(usize, f64)> = &rows[k];
            let pivot = known[known.len() - 1].1;
            let mut v = work[k];
            for &(c, lkc) in &known[..known.len() - 1] {
                v -= lkc * work[c];
            }
            work[k] = v / pivot;
            if work[k] != 0.0 {
                row.push((k, work[k]));
                diagonal -= work[k] * work[k];
            }
        }
        for k in first..i {
            work[k] = 0.0;
        }
        if diagonal <= 0.0 || diagonal.is_nan() {
            return Err(ProblemError::Indefinite {
                id: p.id.clone(),
                variable: i,
            });
        }
        row.push((i, diagonal.sqrt()));
        rows.push(row);
    }
    Ok(())
}

/// Why parts do not make a problem.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// A name is not one.
    #[error("`{0}` is no name: use 1 to 120 letters, digits or _ - . / :")]
    Name(String),
    /// Two sizes that must agree do not.
    #[error("box {id}: {what}: found {found}, expected {expected}")]
    Size {
        /// The box.
        id: Name,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// More than [`MAX_DIMENSION`].
    #[error("box {id}: {found} {what} are more than the limit of {MAX_DIMENSION}")]
    TooLarge {
        /// The box.
        id: Name,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A number is not finite.
    #[error("box {id}: {what}[{index}] is {value}; it must be a finite number")]
    NotFinite {
        /// The box.
        id: Name,
        /// The vector or matrix.
        what: &'static str,
        /// The row in it.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// A lower side lies above its upper side.
    #[error("box {id}: row {row} asks for at least {lower} and at most {upper}: no value fits")]
    Crossed {
        /// The box.
        id: Name,
        /// The row.
        row: usize,
        /// Its lower side.
        lower: f64,
        /// Its upper side.
        upper: f64,
    },
    /// A matrix or list is not in the form that it must have.
    #[error("box {id}: {what} is not well formed: entries must be sorted, unique and inside")]
    Malformed {
        /// The box.
        id: Name,
        /// Which one.
        what: &'static str,
    },
    /// `P` has a negative direction, so that the problem is not convex.
    #[error(
        "box {id}: P is not positive semidefinite (seen at variable {variable}): the cost is not convex"
    )]
    Indefinite {
        /// The box.
        id: Name,
        /// The first variable at which it shows.
        variable: usize,
    },
    /// Two ports have one name.
    #[error("box {id}: port {port} is declared twice")]
    PortTwice {
        /// The box.
        id: Name,
        /// The port.
        port: Name,
    },
}

/// Infinite sides as the strings `"-inf"` and `"inf"`, so that every text
/// format can carry them.
mod infinite {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Side {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(v: &[f64], s: S) -> Result<S::Ok, S::Error> {
        let sides = v.iter().map(|&x| {
            if x.is_infinite() {
                Side::Text(if x > 0.0 { "inf" } else { "-inf" }.to_owned())
            } else {
                Side::Number(x)
            }
        });
        s.collect_seq(sides)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<Vec<f64>, D::Error> {
        Vec::<Side>::deserialize(d)?
            .into_iter()
            .map(|side| match side {
                Side::Number(x) => Ok(x),
                Side::Text(t) if t == "inf" => Ok(f64::INFINITY),
                Side::Text(t) if t == "-inf" => Ok(f64::NEG_INFINITY),
                Side::Text(t) => Err(serde::de::Error::custom(format!(
                    "`{t}` is no side: give a number, \"inf\" or \"-inf\""
                ))),
            })
            .collect()
    }
}
