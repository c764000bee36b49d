//! Filling a diagram with problems: one open problem, or the normal form.
//!
//! [`compose`] is the algebra of the operad of wiring diagrams (see
//! [`wiring`](crate::wiring)): block-diagonal in the members, with the
//! couplings as further rows and the outer ports as ports. [`normal_form`]
//! keeps the members apart instead, as the distributed methods need it.
//!
//! # The canonical form
//!
//! The result is *canonical*: variables and rows are sorted by where they
//! come from, ports by name. Every coefficient of a coupling row is `±1`
//! times one entry of one port's map, for a variable may enter a coupling row
//! through one port only ([`ComposeError::Overlap`]; a box that means the sum
//! of two maps declares a port with that sum). So composing never adds two
//! floats, nothing depends on an order of summation, and
//!
//! ```text
//!     compose(outer, compose(inner, …)) = compose(substitute(outer, inner), …)
//! ```
//!
//! holds for [`OpenProblem::canonical_bytes`], not only up to rounding.

use std::collections::{BTreeMap, BTreeSet};

use crate::coupled::{Coupled, CoupledMember, CouplingRow, RowKind};
use crate::problem::{MAX_DIMENSION, Name, OpenProblem, Origin, Parts, Port, ProblemError, Sign};
use crate::sparse::Sparse;
use crate::wiring::{
    Content, Coupling, CouplingKind, PortType, Wiring, WiringError, same_interface,
};

/// The open problem that a diagram makes of the problems in its leaves, in
/// canonical form, named as the diagram.
///
/// With members `i`, couplings as rows and `C_o` the exposed sums and levels:
///
/// ```text
///     minimise    Σᵢ fᵢ(xᵢ)
///     subject to  xᵢ ∈ Xᵢ,  Σᵢ Bᵢxᵢ (= | ≤) c;      ports  s_o = C_o x
/// ```
///
/// A nested box is composed first and then linked like any other.
///
/// # Errors
///
/// When a leaf has no problem or a problem no leaf, when a problem's ports
/// are not what its box declares, when a variable would enter a coupling row
/// twice, or when the whole is too large.
pub fn compose(
    wiring: &Wiring,
    problems: &BTreeMap<Name, OpenProblem>,
) -> Result<OpenProblem, ComposeError> {
    check_names(wiring, problems)?;
    compose_level(wiring, problems)
}

/// The members and coupling rows of a closed diagram, nested boxes opened:
/// members by name, rows by coupling and step.
///
/// For an agreement of `k` ports the step of a row is
/// `(j − 2) · steps + step` for its `j`-th port. A member's `rows` are those
/// in which its map has an entry, be its value zero.
///
/// # Errors
///
/// As [`compose`]; [`ComposeError::Open`] when the diagram has outer ports,
/// for what they will be tied to is not known; and
/// [`WiringError::OneSided`] when a balance of leaves has nothing that could
/// meet it ([`Wiring::check_two_sided`]).
pub fn normal_form(
    wiring: &Wiring,
    problems: &BTreeMap<Name, OpenProblem>,
) -> Result<Coupled, ComposeError> {
    check_names(wiring, problems)?;
    let flat;
    let wiring = if wiring.depth() > 1 {
        flat = wiring.flatten();
        &flat
    } else {
        wiring
    };
    if let Some(o) = wiring.outer().first() {
        return Err(ComposeError::Open {
            port: o.name.clone(),
            coupling: o.coupling.clone(),
        });
    }
    let mut members = Vec::with_capacity(wiring.boxes().len());
    for b in wiring.boxes() {
        members.push(leaf(&b.name, &b.ports(), problems)?.clone());
    }
    within("variables", members.iter().map(OpenProblem::n).sum())?;
    let composite = |m: &&OpenProblem| m.variables().iter().any(|o| o.owner != *m.id());
    let net = members.iter().filter(composite).map(OpenProblem::id);
    wiring.check_two_sided(&net.collect())?;
    let mut rows = Vec::new();
    let mut touched: Vec<Touched> = members.iter().map(|_| Touched::default()).collect();
    for c in wiring.couplings() {
        let terms = terms(wiring, c, &members);
        for row in coupling_rows(c, terms.len()) {
            let mut by_member: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
            for (member, column, value) in row.entries(&terms) {
                by_member.entry(member).or_default().push((column, value));
            }
            for (member, mut entry) in by_member {
                let origin = |k: usize| members[member].variables()[k].clone();
                sort_entries(&mut entry, c, &row, origin)?;
                let touched = &mut touched[member];
                let k = touched.rows.len();
                touched.b.extend(entry.into_iter().map(|(c, v)| (k, c, v)));
                touched.rows.push(rows.len());
            }
            rows.push(CouplingRow {
                coupling: c.name.clone(),
                step: row.index,
                kind: row.kind,
                rhs: row.rhs,
            });
        }
    }
    let members = members.into_iter().zip(touched).map(|(problem, touched)| {
        let b = Sparse::from_triplets(touched.rows.len(), problem.n(), &touched.b);
        CoupledMember {
            problem,
            rows: touched.rows,
            b,
        }
    });
    Ok(Coupled {
        members: members.collect(),
        rows,
    })
}

/// The coupling rows that a member touches, and its entries in them.
#[derive(Default)]
struct Touched {
    rows: Vec<usize>,
    b: Vec<(usize, usize, f64)>,
}

impl OpenProblem {
    /// The types of the ports, by name.
    pub fn interface(&self) -> Vec<PortType> {
        let mut ports: Vec<_> = self.parts().ports.iter().map(port_type).collect();
        ports.sort();
        ports
    }

    /// The same problem with variables and rows sorted by where they come
    /// from, and ports by name.
    ///
    /// # Errors
    ///
    /// When rounding lets `P` pass as positive semidefinite in one order of
    /// the variables and not in the other.
    pub fn canonical(&self) -> Result<Self, ProblemError> {
        let draft = Draft::of(self).sorted();
        Self::with_origins(draft.parts, draft.variables, draft.rows)
    }

    /// The canonical form as bytes: equal exactly if the problems are equal
    /// up to the order of variables, rows and ports.
    ///
    /// A tag, then name, variables with `q` and origin, `P`, rows with sides
    /// and origin, `A`, ports, integers. Lengths and indices are 64-bit
    /// little-endian, texts are length and UTF-8, numbers are the 64 bits of
    /// their IEEE 754 form (so that `0` and `−0` differ).
    pub fn canonical_bytes(&self) -> Vec<u8> {
        if is_sorted(self.parts(), self.variables(), self.rows()) {
            return bytes(self.parts(), self.variables(), self.rows());
        }
        let draft = Draft::of(self).sorted();
        bytes(&draft.parts, &draft.variables, &draft.rows)
    }
}

/// Whether variables and rows are sorted by origin and ports by name.
fn is_sorted(parts: &Parts, variables: &[Origin], rows: &[Origin]) -> bool {
    variables.is_sorted() && rows.is_sorted() && parts.ports.is_sorted_by_key(|p| &p.name)
}

fn bytes(p: &Parts, variables: &[Origin], rows: &[Origin]) -> Vec<u8> {
    let mut out = Bytes(b"cosmosmesh/open-problem/1\n".to_vec());
    out.text(&p.id);
    out.count(p.q.len());
    for (origin, &q) in variables.iter().zip(&p.q) {
        out.origin(origin);
        out.number(q);
    }
    out.matrix(&p.p);
    out.count(p.l.len());
    for (k, origin) in rows.iter().enumerate() {
        out.origin(origin);
        out.number(p.l[k]);
        out.number(p.u[k]);
    }
    out.matrix(&p.a);
    out.count(p.ports.len());
    for port in &p.ports {
        out.text(&port.name);
        out.text(&port.unit);
        out.0.extend(port.grid.start_s.to_le_bytes());
        out.count(port.grid.len());
        for s in &port.grid.step_s {
            out.0.extend(s.to_le_bytes());
        }
        out.0.push(match port.sign {
            Sign::Draw => 0,
            Sign::Supply => 1,
            Sign::Level => 2,
        });
        out.matrix(&port.map);
    }
    out.count(p.integer.len());
    for &k in &p.integer {
        out.count(k);
    }
    out.0
}

fn port_type(p: &Port) -> PortType {
    PortType {
        name: p.name.clone(),
        unit: p.unit.clone(),
        grid: p.grid.clone(),
        sign: p.sign,
    }
}

fn within(what: &'static str, found: usize) -> Result<(), ComposeError> {
    if found > MAX_DIMENSION {
        Err(ComposeError::TooLarge { what, found })
    } else {
        Ok(())
    }
}

/// Every problem has a leaf. (That every leaf has a problem shows when it is
/// looked up.)
fn check_names(
    wiring: &Wiring,
    problems: &BTreeMap<Name, OpenProblem>,
) -> Result<(), ComposeError> {
    fn leaves<'w>(wiring: &'w Wiring, out: &mut BTreeSet<&'w Name>) {
        for b in wiring.boxes() {
            match &b.content {
                Content::Leaf(_) => {
                    out.insert(&b.name);
                }
                Content::Nested(inner) => leaves(inner, out),
            }
        }
    }
    let mut known = BTreeSet::new();
    leaves(wiring, &mut known);
    match problems.keys().find(|name| !known.contains(name)) {
        Some(extra) => Err(ComposeError::NoBox { of: extra.clone() }),
        None => Ok(()),
    }
}

/// The problem of a leaf, checked against what its box declares.
fn leaf<'p>(
    of: &Name,
    declared: &[PortType],
    problems: &'p BTreeMap<Name, OpenProblem>,
) -> Result<&'p OpenProblem, ComposeError> {
    let problem = problems
        .get(of)
        .ok_or_else(|| ComposeError::NoProblem { of: of.clone() })?;
    if problem.id() != of {
        return Err(ComposeError::Id {
            of: of.clone(),
            found: problem.id().clone(),
        });
    }
    same_interface(of, declared, &problem.interface())?;
    Ok(problem)
}

/// A port in a coupling: its member, its map and its coefficient in a sum.
struct Term<'p> {
    member: usize,
    map: &'p Sparse,
    sign: f64,
}

/// The ports of a coupling, by rank, box and port.
fn terms<'p>(wiring: &Wiring, c: &Coupling, members: &'p [OpenProblem]) -> Vec<Term<'p>> {
    let links = wiring.links_of(&c.name).iter();
    let term = |l: &crate::wiring::Link| {
        let found = wiring.boxes().binary_search_by(|b| b.name.cmp(&l.of));
        let member = found.expect("a link's box is declared");
        let port = members[member].port(&l.port);
        let port = port.expect("a filled box has the ports it declares");
        Term {
            member,
            map: &port.map,
            sign: port.sign.coefficient(),
        }
    };
    links.map(term).collect()
}

/// A row of a coupling, before the maps are filled in.
struct Row {
    index: u32,
    step: usize,
    kind: RowKind,
    rhs: f64,
    /// `None`: the sum of all terms. `Some(j)`: the first term minus term `j`.
    against: Option<usize>,
}

fn coupling_rows(c: &Coupling, terms: usize) -> Vec<Row> {
    let steps = c.grid.len();
    let sum = |kind: RowKind, values: &[f64]| {
        let row = |(step, &rhs): (usize, &f64)| Row {
            index: step as u32,
            step,
            kind,
            rhs,
            against: None,
        };
        values.iter().enumerate().map(row).collect()
    };
    match &c.kind {
        CouplingKind::Balance { rhs } => sum(RowKind::Equal, rhs),
        CouplingKind::Capacity { limit } => sum(RowKind::AtMost, limit),
        CouplingKind::Agreement => (1..terms)
            .flat_map(|j| {
                (0..steps).map(move |step| Row {
                    index: ((j - 1) * steps + step) as u32,
                    step,
                    kind: RowKind::Equal,
                    rhs: 0.0,
                    against: Some(j),
                })
            })
            .collect(),
    }
}

impl Row {
    /// Its entries as (member, column in the member, value).
    fn entries(&self, terms: &[Term<'_>]) -> Vec<(usize, usize, f64)> {
        let of = |t: &Term<'_>, sign: f64| {
            let member = t.member;
            let entries = t.map.row(self.step);
            entries
                .map(move |(c, v)| (member, c, sign * v))
                .collect::<Vec<_>>()
        };
        match self.against {
            None => terms.iter().flat_map(|t| of(t, t.sign)).collect(),
            Some(j) => {
                let mut entries = of(&terms[0], 1.0);
                entries.extend(of(&terms[j], -1.0));
                entries
            }
        }
    }
}

/// Sorts a row's entries by column and refuses a column that stands twice.
fn sort_entries(
    entries: &mut [(usize, f64)],
    c: &Coupling,
    row: &Row,
    origin: impl Fn(usize) -> Origin,
) -> Result<(), ComposeError> {
    entries.sort_by_key(|e| e.0);
    match entries.windows(2).find(|w| w[0].0 == w[1].0) {
        Some(w) => Err(ComposeError::Overlap(Box::new(Overlap {
            coupling: c.name.clone(),
            step: row.step,
            variable: origin(w[0].0),
        }))),
        None => Ok(()),
    }
}

fn compose_level(
    wiring: &Wiring,
    problems: &BTreeMap<Name, OpenProblem>,
) -> Result<OpenProblem, ComposeError> {
    let mut members = Vec::with_capacity(wiring.boxes().len());
    for b in wiring.boxes() {
        members.push(match &b.content {
            Content::Leaf(ports) => leaf(&b.name, ports, problems)?.clone(),
            Content::Nested(inner) => compose_level(inner, problems)?,
        });
    }
    assemble(wiring, &members)
}

fn assemble(wiring: &Wiring, members: &[OpenProblem]) -> Result<OpenProblem, ComposeError> {
    let mut draft = Draft::empty(wiring.name().clone());
    within("variables", members.iter().map(OpenProblem::n).sum())?;
    within("rows", members.iter().map(|m| m.parts().l.len()).sum())?;
    let mut offset = Vec::with_capacity(members.len());
    let (mut p, mut a) = (Vec::new(), Vec::new());
    for member in members {
        let parts = member.parts();
        let (n, m) = (draft.parts.q.len(), draft.parts.l.len());
        offset.push(n);
        p.extend(parts.p.triplets().map(|(r, c, v)| (n + r, n + c, v)));
        a.extend(parts.a.triplets().map(|(r, c, v)| (m + r, n + c, v)));
        draft.parts.q.extend(&parts.q);
        draft.parts.l.extend(&parts.l);
        draft.parts.u.extend(&parts.u);
        draft
            .parts
            .integer
            .extend(parts.integer.iter().map(|k| n + k));
        draft.variables.extend(member.variables().iter().cloned());
        draft.rows.extend(member.rows().iter().cloned());
    }
    let n = draft.parts.q.len();
    for c in wiring.couplings() {
        let terms = terms(wiring, c, members);
        let exposed = wiring.exposure(&c.name);
        let rows = if wiring.has_rows(c) {
            coupling_rows(c, terms.len())
        } else {
            Vec::new()
        };
        within("rows", draft.parts.l.len() + rows.len())?;
        let columns = |row: &Row, entries: Vec<(usize, usize, f64)>| {
            let column = |(member, k, v): (usize, usize, f64)| (offset[member] + k, v);
            let mut entries: Vec<_> = entries.into_iter().map(column).collect();
            sort_entries(&mut entries, c, row, |k| draft.variables[k].clone())?;
            Ok::<_, ComposeError>(entries)
        };
        let mut made = Vec::with_capacity(rows.len());
        for row in rows {
            let entries = columns(&row, row.entries(&terms))?;
            made.push((row, entries));
        }
        let mut port = None;
        if let Some(o) = exposed {
            let mut map = Vec::new();
            for step in 0..c.grid.len() {
                let row = Row {
                    index: step as u32,
                    step,
                    kind: RowKind::Equal,
                    rhs: 0.0,
                    against: None,
                };
                let shown = match c.kind {
                    CouplingKind::Agreement => &terms[..1],
                    CouplingKind::Balance { .. } | CouplingKind::Capacity { .. } => &terms[..],
                };
                for (k, v) in columns(&row, row.entries(shown))? {
                    map.push((step, k, o.sign.coefficient() * v));
                }
            }
            port = Some(Port {
                name: o.name.clone(),
                unit: c.unit.clone(),
                grid: c.grid.clone(),
                sign: o.sign,
                map: Sparse::from_triplets(c.grid.len(), n, &map),
            });
        }
        for (row, entries) in made {
            let r = draft.parts.l.len();
            a.extend(entries.into_iter().map(|(k, v)| (r, k, v)));
            draft.parts.u.push(row.rhs);
            draft.parts.l.push(match row.kind {
                RowKind::Equal => row.rhs,
                RowKind::AtMost => f64::NEG_INFINITY,
            });
            draft.rows.push(Origin {
                owner: c.name.clone(),
                index: row.index,
            });
        }
        draft.parts.ports.extend(port);
    }
    draft.parts.p = Sparse::from_triplets(n, n, &p);
    draft.parts.a = Sparse::from_triplets(draft.parts.l.len(), n, &a);
    let draft = draft.sorted();
    for (what, origins) in [("variable", &draft.variables), ("row", &draft.rows)] {
        if let Some(w) = origins.windows(2).find(|w| w[0] == w[1]) {
            return Err(ComposeError::OriginTwice {
                what,
                origin: w[0].clone(),
            });
        }
    }
    Ok(OpenProblem::with_origins(
        draft.parts,
        draft.variables,
        draft.rows,
    )?)
}

/// A problem whose order is still open.
struct Draft {
    parts: Parts,
    variables: Vec<Origin>,
    rows: Vec<Origin>,
}

impl Draft {
    fn empty(id: Name) -> Self {
        Self {
            parts: Parts {
                id,
                p: Sparse::zeros(0, 0),
                q: Vec::new(),
                a: Sparse::zeros(0, 0),
                l: Vec::new(),
                u: Vec::new(),
                ports: Vec::new(),
                integer: Vec::new(),
            },
            variables: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn of(problem: &OpenProblem) -> Self {
        Self {
            parts: problem.parts().clone(),
            variables: problem.variables().to_vec(),
            rows: problem.rows().to_vec(),
        }
    }

    /// Sorted by origin, ports by name.
    fn sorted(self) -> Self {
        if is_sorted(&self.parts, &self.variables, &self.rows) {
            return self;
        }
        let order = |origins: &[Origin]| {
            let mut order: Vec<usize> = (0..origins.len()).collect();
            order.sort_by(|&a, &b| origins[a].cmp(&origins[b]));
            let mut place = vec![0; order.len()];
            for (new, &old) in order.iter().enumerate() {
                place[old] = new;
            }
            (order, place)
        };
        let (by_variable, column) = order(&self.variables);
        let (by_row, row) = order(&self.rows);
        let (n, m) = (column.len(), row.len());
        let parts = self.parts;
        let p: Vec<_> = parts
            .p
            .triplets()
            .map(|(r, c, v)| {
                let (r, c) = (column[r], column[c]);
                (r.min(c), r.max(c), v)
            })
            .collect();
        let a: Vec<_> = parts
            .a
            .triplets()
            .map(|(r, c, v)| (row[r], column[c], v))
            .collect();
        let mut ports = parts.ports;
        for port in &mut ports {
            let map: Vec<_> = port
                .map
                .triplets()
                .map(|(r, c, v)| (r, column[c], v))
                .collect();
            port.map = Sparse::from_triplets(port.map.rows(), n, &map);
        }
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        let mut integer: Vec<_> = parts.integer.iter().map(|&k| column[k]).collect();
        integer.sort_unstable();
        Self {
            parts: Parts {
                id: parts.id,
                p: Sparse::from_triplets(n, n, &p),
                q: by_variable.iter().map(|&k| parts.q[k]).collect(),
                a: Sparse::from_triplets(m, n, &a),
                l: by_row.iter().map(|&k| parts.l[k]).collect(),
                u: by_row.iter().map(|&k| parts.u[k]).collect(),
                ports,
                integer,
            },
            variables: by_variable
                .iter()
                .map(|&k| self.variables[k].clone())
                .collect(),
            rows: by_row.iter().map(|&k| self.rows[k].clone()).collect(),
        }
    }
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn count(&mut self, n: usize) {
        self.0.extend((n as u64).to_le_bytes());
    }

    fn number(&mut self, v: f64) {
        self.0.extend(v.to_bits().to_le_bytes());
    }

    fn text(&mut self, name: &Name) {
        self.count(name.as_str().len());
        self.0.extend(name.as_str().as_bytes());
    }

    fn origin(&mut self, origin: &Origin) {
        self.text(&origin.owner);
        self.count(origin.index as usize);
    }

    fn matrix(&mut self, m: &Sparse) {
        self.count(m.rows());
        self.count(m.cols());
        for r in 0..m.rows() {
            self.count(m.row(r).count());
            for (c, v) in m.row(r) {
                self.count(c);
                self.number(v);
            }
        }
    }
}

/// A variable that would enter a coupling row through two ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The coupling.
    pub coupling: Name,
    /// The step of its grid.
    pub step: usize,
    /// The variable.
    pub variable: Origin,
}

/// Why a diagram and problems do not make a problem.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A leaf has no problem.
    #[error("box {of} has no problem")]
    NoProblem {
        /// The box.
        of: Name,
    },
    /// A problem has no leaf.
    #[error("the diagram has no leaf {of} for the problem of that name")]
    NoBox {
        /// The problem.
        of: Name,
    },
    /// A problem stands under another name than its own.
    #[error("box {of} is filled with the problem {found}; the names must be equal")]
    Id {
        /// The box.
        of: Name,
        /// The problem.
        found: Name,
    },
    /// A problem's ports are not what its box declares, or a balance has
    /// only one side.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// A variable would enter a coupling row through two ports.
    #[error(
        "coupling {} at step {}: variable {} of {} enters through two ports; give its box one port with the sum",
        .0.coupling, .0.step, .0.variable.index, .0.variable.owner
    )]
    Overlap(Box<Overlap>),
    /// Two variables or rows come from one place: a box was used twice.
    #[error("two {what}s are number {} of {}: a name is used twice", .origin.index, .origin.owner)]
    OriginTwice {
        /// Variable or row.
        what: &'static str,
        /// The place.
        origin: Origin,
    },
    /// More than [`MAX_DIMENSION`].
    #[error("together {found} {what} are more than the limit of {MAX_DIMENSION}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// The composite is no problem.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// A normal form is asked of a diagram that is not closed.
    #[error("outer port {port} leaves coupling {coupling} open: close the diagram first")]
    Open {
        /// The outer port.
        port: Name,
        /// The coupling.
        coupling: Name,
    },
}
