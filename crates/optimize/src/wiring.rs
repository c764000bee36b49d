//! Undirected wiring diagrams: how open problems are put together.
//!
//! # The mathematics
//!
//! A *diagram* has boxes with ports, couplings (its junctions), links that
//! tie a port to a coupling, and outer ports that expose a coupling. Filling
//! the boxes with [`OpenProblem`](crate::problem::OpenProblem)s and reading
//! the couplings as rows gives an open problem again
//! ([`compose`](crate::compose::compose)): open problems are an algebra of
//! the operad of undirected wiring diagrams (D. Vagner, D. I. Spivak,
//! E. Lerman, "Algebras of open dynamical systems on the operad of wiring
//! diagrams", *Theory and Applications of Categories* 30, 2015; for
//! optimisation: T. Hanks, M. Klawonn, E. Patterson, M. Hale, J. Fairbanks,
//! "A compositional framework for first-order optimization", 2024, and its
//! implementation AlgebraicOptimization.jl).
//!
//! With `σ(p) = +1` for a port that draws and `−1` for one that supplies, and
//! for every step of the coupling's grid,
//!
//! ```text
//!     balance     Σ σ(p)·s_p  =  rhs
//!     capacity    Σ σ(p)·s_p  ≤  limit
//!     agreement   s_1 − s_j   =  0        j = 2 … k, by rank
//! ```
//!
//! An outer port exposes a coupling, at most one port a coupling:
//!
//! * An exposed balance is a pure sum and imposes no row of its own: its port
//!   is `Σ σ(p)·s_p` (as a draw; negated as a supply). It carries no
//!   constant, which belongs to the coupling that it is linked to. So no two
//!   constants are ever added, and nesting costs no rounding.
//! * An exposed capacity keeps its rows and exposes the same sum.
//! * An exposed agreement keeps its rows and exposes `s_1`, the common level.
//!
//! Draws and supplies are flows: only balances and capacities tie them.
//! Levels do not add: only agreements tie them. That split is what makes
//! opening a box total: a sum linked onward is the links of its terms, and a
//! level linked onward is the link of its first port, whereas the agreement
//! of a sum would be neither. (A box whose flow must also agree with another
//! declares a level port with the same map.)
//!
//! # The laws
//!
//! * [`Wiring::substitute`] opens a box; `compose(outer, compose(inner, …))`
//!   and `compose(substitute(outer, inner), …)` are equal to the byte of the
//!   canonical form, and so are nested diagrams and their
//!   [`flatten`](Wiring::flatten)ing.
//! * [`Wiring::identity`] is neutral: substituted for a box it gives back the
//!   diagram, and composing through it gives back the problem.
//! * The order in which boxes, couplings, links and outer ports are listed
//!   plays no part: a `Wiring` keeps them sorted.
//!
//! They are executed in [`laws`](crate::laws), not just claimed. What is not
//! checked here: whether the composite has a feasible point.

mod document;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use document::{Document, DocumentBox, DocumentContent, DocumentError, Sheet};

use crate::problem::{Grid, MAX_DIMENSION, Name, ProblemError, Sign};

/// Most boxes that one diagram may have, nested ones opened.
pub const MAX_BOXES: usize = 10_000;
/// Most couplings that one diagram may have, nested ones opened.
pub const MAX_COUPLINGS: usize = 50_000;
/// Most links that one diagram may have, nested ones opened.
pub const MAX_LINKS: usize = 200_000;
/// Most diagrams inside one another.
pub const MAX_DEPTH: usize = 16;

/// The type of a port: what must match where it is linked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortType {
    /// Its name, unique in its box.
    pub name: Name,
    /// The unit of its values.
    pub unit: Name,
    /// Its time grid.
    pub grid: Grid,
    /// How it enters a coupling.
    pub sign: Sign,
}

/// A port of a box.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRef {
    /// The box.
    #[serde(rename = "box")]
    pub of: Name,
    /// The port of that box.
    pub port: Name,
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "port {} of box {}", self.port, self.of)
    }
}

/// What fills a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A problem that is given when the diagram is composed; its ports.
    Leaf(Vec<PortType>),
    /// A diagram; its outer ports are the ports of the box, its name is the
    /// name of the box.
    Nested(Box<Wiring>),
}

/// A box of a diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WiringBox {
    /// Its name, unique in the diagram; that of a leaf is unique over the
    /// whole nesting.
    pub name: Name,
    /// What fills it.
    pub content: Content,
}

impl WiringBox {
    /// A leaf with these ports.
    pub fn leaf(name: Name, ports: Vec<PortType>) -> Self {
        Self {
            name,
            content: Content::Leaf(ports),
        }
    }

    /// The ports of the box, by name.
    pub fn ports(&self) -> Vec<PortType> {
        match &self.content {
            Content::Leaf(ports) => ports.clone(),
            Content::Nested(inner) => inner.interface(),
        }
    }
}

/// What a coupling asks of the ports that are linked to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CouplingKind {
    /// `Σ σ·s = rhs`, one value a step. When exposed: a sum without rows,
    /// `rhs` all zero.
    Balance {
        /// What the draws exceed the supplies by.
        rhs: Vec<f64>,
    },
    /// `Σ σ·s ≤ limit`, one value a step.
    Capacity {
        /// What the draws may exceed the supplies by.
        limit: Vec<f64>,
    },
    /// `s_1 = s_j` for all others; `k − 1` blocks of rows for `k` ports, in
    /// the order of the links' ranks.
    Agreement,
}

impl CouplingKind {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Balance { .. } => "balance",
            Self::Capacity { .. } => "capacity",
            Self::Agreement => "agreement",
        }
    }

    /// The signs of the ports that it can tie.
    pub fn signs(&self) -> &'static [Sign] {
        match self {
            Self::Balance { .. } | Self::Capacity { .. } => &[Sign::Draw, Sign::Supply],
            Self::Agreement => &[Sign::Level],
        }
    }
}

/// A typed junction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// Its name; of a coupling that has rows, unique over the whole nesting
    /// and different from every leaf's.
    pub name: Name,
    /// The unit of everything that it ties.
    pub unit: Name,
    /// The time grid of everything that it ties.
    pub grid: Grid,
    /// What it asks.
    pub kind: CouplingKind,
}

/// A port tied to a coupling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The coupling.
    pub coupling: Name,
    /// For an agreement, which of its ports this is: by `(rank, box, port)`
    /// when the diagram is built, and then renumbered `0 … k−1`. The first is
    /// the level that is exposed. A rank is kept when boxes are opened, so
    /// that the rows do not depend on how boxes are named. For other
    /// couplings it is 0.
    #[serde(default)]
    pub rank: u32,
    /// The box.
    #[serde(rename = "box")]
    pub of: Name,
    /// The port of that box.
    pub port: Name,
}

impl Link {
    /// The port that it ties.
    pub fn at(&self) -> PortRef {
        PortRef {
            of: self.of.clone(),
            port: self.port.clone(),
        }
    }
}

/// A coupling seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OuterPort {
    /// Its name, unique in the diagram.
    pub name: Name,
    /// The coupling that it exposes.
    pub coupling: Name,
    /// Draw or supply for a balance or capacity, level for an agreement.
    pub sign: Sign,
}

/// What a [`Wiring`] is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WiringParts {
    /// The name of the composite box.
    pub name: Name,
    /// The boxes.
    pub boxes: Vec<WiringBox>,
    /// The couplings.
    pub couplings: Vec<Coupling>,
    /// The links.
    pub links: Vec<Link>,
    /// The outer ports.
    #[serde(default)]
    pub outer: Vec<OuterPort>,
    /// The ports that are deliberately tied to nothing. Every other port must
    /// have a link, and these must have none.
    #[serde(default)]
    pub free: Vec<PortRef>,
}

/// A well-typed wiring diagram; see the module's documentation.
///
/// A value of this type has been checked: every link joins equal units, equal
/// grids and a sign that the coupling can tie; every name that is used is
/// declared, once; every port is tied or marked free; and all that still
/// holds when its nested boxes are opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WiringParts", into = "WiringParts")]
pub struct Wiring {
    parts: WiringParts,
    depth: usize,
    /// Outer ports by the coupling that they expose.
    exposed: Vec<usize>,
}

impl TryFrom<WiringParts> for Wiring {
    type Error = WiringError;
    fn try_from(parts: WiringParts) -> Result<Self, WiringError> {
        Self::new(parts)
    }
}

impl From<Wiring> for WiringParts {
    fn from(w: Wiring) -> Self {
        w.parts
    }
}

impl Wiring {
    /// Takes a diagram, or says which coupling, box or port does not fit.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the order: sizes, boxes, couplings,
    /// outer ports, links, arities, untied ports,
    /// and then the same for the diagram with its nested boxes opened.
    pub fn new(mut parts: WiringParts) -> Result<Self, WiringError> {
        limit("boxes", parts.boxes.len(), MAX_BOXES)?;
        limit("couplings", parts.couplings.len(), MAX_COUPLINGS)?;
        limit("links", parts.links.len(), MAX_LINKS)?;
        limit("outer ports", parts.outer.len(), MAX_COUPLINGS)?;
        limit("free ports", parts.free.len(), MAX_LINKS)?;
        check_boxes(&mut parts)?;
        check_couplings(&mut parts)?;
        check_outer(&mut parts)?;
        check_links(&mut parts)?;
        let depth = 1 + parts
            .boxes
            .iter()
            .map(|b| match &b.content {
                Content::Leaf(_) => 0,
                Content::Nested(inner) => inner.depth,
            })
            .max()
            .unwrap_or(0);
        limit("levels of nesting", depth, MAX_DEPTH)?;
        let mut exposed: Vec<usize> = (0..parts.outer.len()).collect();
        exposed.sort_by(|&a, &b| parts.outer[a].coupling.cmp(&parts.outer[b].coupling));
        let wiring = Self {
            parts,
            depth,
            exposed,
        };
        wiring.check_junctions()?;
        if depth > 1 {
            wiring
                .try_flatten()
                .map_err(|cause| WiringError::Opened(Box::new(cause)))?;
        }
        Ok(wiring)
    }

    /// The name of the composite box.
    pub fn name(&self) -> &Name {
        &self.parts.name
    }

    /// Its parts, sorted.
    pub fn parts(&self) -> &WiringParts {
        &self.parts
    }

    /// The boxes, by name.
    pub fn boxes(&self) -> &[WiringBox] {
        &self.parts.boxes
    }

    /// The box of that name.
    pub fn find_box(&self, name: &Name) -> Option<&WiringBox> {
        let k = self.parts.boxes.binary_search_by(|b| b.name.cmp(name));
        k.ok().map(|k| &self.parts.boxes[k])
    }

    /// The couplings, by name.
    pub fn couplings(&self) -> &[Coupling] {
        &self.parts.couplings
    }

    /// The coupling of that name.
    pub fn coupling(&self, name: &Name) -> Option<&Coupling> {
        let k = self.parts.couplings.binary_search_by(|c| c.name.cmp(name));
        k.ok().map(|k| &self.parts.couplings[k])
    }

    /// The links of a coupling, by rank, box and port.
    pub fn links_of(&self, coupling: &Name) -> &[Link] {
        let links = &self.parts.links;
        let start = links.partition_point(|l| l.coupling < *coupling);
        let end = links.partition_point(|l| l.coupling <= *coupling);
        &links[start..end]
    }

    /// The outer ports, by name.
    pub fn outer(&self) -> &[OuterPort] {
        &self.parts.outer
    }

    /// The outer port that exposes the coupling.
    pub fn exposure(&self, coupling: &Name) -> Option<&OuterPort> {
        let by = |&k: &usize| self.parts.outer[k].coupling.cmp(coupling);
        let k = self.exposed.binary_search_by(by);
        k.ok().map(|k| &self.parts.outer[self.exposed[k]])
    }

    /// Whether the coupling imposes rows: all but exposed balances, which are
    /// sums, and agreements with one port, which are names.
    pub fn has_rows(&self, coupling: &Coupling) -> bool {
        match coupling.kind {
            CouplingKind::Balance { .. } => self.exposure(&coupling.name).is_none(),
            CouplingKind::Capacity { .. } => true,
            CouplingKind::Agreement => self.links_of(&coupling.name).len() > 1,
        }
    }

    /// The ports of the composite box, by name.
    pub fn interface(&self) -> Vec<PortType> {
        let port = |o: &OuterPort| {
            self.coupling(&o.coupling).map(|c| PortType {
                name: o.name.clone(),
                unit: c.unit.clone(),
                grid: c.grid.clone(),
                sign: o.sign,
            })
        };
        self.parts.outer.iter().filter_map(port).collect()
    }

    /// How many diagrams stand inside one another; 1 when all boxes are leaves.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The diagram with one box whose ports are the outer ports: neutral for
    /// [`Wiring::substitute`] on both sides.
    ///
    /// # Errors
    ///
    /// When the ports have a name twice or an empty grid.
    pub fn identity(name: Name, ports: Vec<PortType>) -> Result<Self, WiringError> {
        let couplings = ports.iter().map(|p| Coupling {
            name: p.name.clone(),
            unit: p.unit.clone(),
            grid: p.grid.clone(),
            kind: match p.sign {
                Sign::Level => CouplingKind::Agreement,
                Sign::Draw | Sign::Supply => CouplingKind::Balance {
                    rhs: vec![0.0; p.grid.len()],
                },
            },
        });
        let links = ports.iter().map(|p| Link {
            coupling: p.name.clone(),
            rank: 0,
            of: name.clone(),
            port: p.name.clone(),
        });
        let outer = ports.iter().map(|p| OuterPort {
            name: p.name.clone(),
            coupling: p.name.clone(),
            sign: p.sign,
        });
        Self::new(WiringParts {
            name: name.clone(),
            couplings: couplings.collect(),
            links: links.collect(),
            outer: outer.collect(),
            boxes: vec![WiringBox::leaf(name, ports)],
            free: Vec::new(),
        })
    }

    /// Two diagrams side by side, with nothing between them.
    ///
    /// # Errors
    ///
    /// When a name stands in both.
    pub fn beside(&self, other: &Self, name: Name) -> Result<Self, WiringError> {
        let (mut parts, b) = (self.parts.clone(), other.parts.clone());
        parts.name = name;
        parts.boxes.extend(b.boxes);
        parts.couplings.extend(b.couplings);
        parts.links.extend(b.links);
        parts.outer.extend(b.outer);
        parts.free.extend(b.free);
        Self::new(parts)
    }

    /// The diagram with a leaf filled by a diagram, which stays a box.
    ///
    /// # Errors
    ///
    /// When there is no such leaf, or the outer ports of `inner` are not its
    /// ports, or the result is not well typed.
    pub fn nest(&self, of: &Name, inner: Self) -> Result<Self, WiringError> {
        self.fits(of, &inner)?;
        let mut parts = self.parts.clone();
        for b in &mut parts.boxes {
            if b.name == *of {
                b.content = Content::Nested(Box::new(inner));
                break;
            }
        }
        Self::new(parts)
    }

    /// The diagram with a box opened: its boxes, couplings and links take its
    /// place (operadic substitution). What `inner` nests stays nested.
    ///
    /// A sum that `inner` exposes becomes the links of its terms, a level the
    /// link of its first port. Ports that are left without a link, because
    /// their outer port was free, become free.
    ///
    /// # Errors
    ///
    /// When there is no such box, or the outer ports of `inner` are not its
    /// ports, or the result is not well typed: a name stands in both, or a
    /// port would be linked twice to one coupling.
    pub fn substitute(&self, of: &Name, inner: &Self) -> Result<Self, WiringError> {
        self.fits(of, inner)?;
        Self::new(self.opened(&BTreeMap::from([(of, inner.clone())])))
    }

    /// Splits a diagram in two: `inner` with the boxes `of` and all couplings
    /// that only they share, `outer` with the rest and one leaf `name` for
    /// them. The inverse of [`Wiring::substitute`]: opening `name` in `outer`
    /// with `inner` gives back `self`.
    ///
    /// What a balance or capacity has inside is summed by an exposed balance;
    /// the ports that an agreement has inside are exposed one by one.
    ///
    /// # Errors
    ///
    /// When one of `of` is no box of the diagram, or the name of the new box
    /// or of a level that it must expose is taken or too long.
    pub fn gather(&self, name: &Name, of: &BTreeSet<Name>) -> Result<(Self, Self), WiringError> {
        if let Some(missing) = of.iter().find(|b| self.find_box(b).is_none()) {
            return Err(WiringError::NoSuchBox {
                of: missing.clone(),
            });
        }
        let all = &self.parts;
        let empty = |name: &Name| WiringParts {
            name: name.clone(),
            boxes: Vec::new(),
            couplings: Vec::new(),
            links: Vec::new(),
            outer: Vec::new(),
            free: Vec::new(),
        };
        let (mut outer, mut inner) = (empty(&all.name), empty(name));
        for c in &all.couplings {
            let links = self.links_of(&c.name);
            let within = |l: &&Link| of.contains(&l.of);
            let count = links.iter().filter(within).count();
            if count == links.len() && self.exposure(&c.name).is_none() {
                inner.couplings.push(c.clone());
                inner.links.extend(links.iter().cloned());
                continue;
            }
            outer.couplings.push(c.clone());
            let outside = links.iter().filter(|l| !of.contains(&l.of));
            outer.links.extend(outside.cloned());
            let mut expose = |junction: Name, kind, sign, rank: u32, terms: Vec<Link>| {
                inner.couplings.push(Coupling {
                    name: junction.clone(),
                    unit: c.unit.clone(),
                    grid: c.grid.clone(),
                    kind,
                });
                inner.links.extend(terms.into_iter().map(|l| Link {
                    coupling: junction.clone(),
                    rank: 0,
                    ..l
                }));
                inner.outer.push(OuterPort {
                    name: junction.clone(),
                    coupling: junction.clone(),
                    sign,
                });
                outer.links.push(Link {
                    coupling: c.name.clone(),
                    rank,
                    of: name.clone(),
                    port: junction,
                });
            };
            if let CouplingKind::Agreement = c.kind {
                for l in links.iter().filter(within) {
                    let junction = Name::new(format!("{}:{}", c.name, l.rank))
                        .map_err(|cause| WiringError::Name(Box::new(cause)))?;
                    let term = vec![l.clone()];
                    expose(junction, CouplingKind::Agreement, Sign::Level, l.rank, term);
                }
            } else if count > 0 {
                let terms: Vec<Link> = links.iter().filter(within).cloned().collect();
                let kind = CouplingKind::Balance {
                    rhs: vec![0.0; c.grid.len()],
                };
                expose(c.name.clone(), kind, self.net_sign(links, of), 0, terms);
            }
        }
        for b in &all.boxes {
            let side = if of.contains(&b.name) {
                &mut inner
            } else {
                &mut outer
            };
            side.boxes.push(b.clone());
        }
        for f in &all.free {
            let side = if of.contains(&f.of) {
                &mut inner
            } else {
                &mut outer
            };
            side.free.push(f.clone());
        }
        let inner = Self::new(inner)?;
        let ports = inner.interface();
        outer.boxes.push(WiringBox::leaf(name.clone(), ports));
        Ok((Self::new(outer)?, inner))
    }

    /// The sign under which the sum of some links is exposed: their own if
    /// they have one, else the opposite of one of the others, so that a
    /// balance that is two-sided stays so.
    fn net_sign(&self, links: &[Link], of: &BTreeSet<Name>) -> Sign {
        let sign = |l: &Link| {
            let ports = self.find_box(&l.of).map(WiringBox::ports);
            let port = ports.and_then(|p| p.into_iter().find(|p| p.name == l.port));
            port.map_or(Sign::Draw, |p| p.sign)
        };
        let (inside, outside): (Vec<&Link>, Vec<&Link>) =
            links.iter().partition(|l| of.contains(&l.of));
        let first = sign(inside[0]);
        if inside.iter().all(|l| sign(l) == first) {
            return first;
        }
        match outside.first().map(|l| sign(l)) {
            Some(Sign::Draw) => Sign::Supply,
            _ => Sign::Draw,
        }
    }

    /// The diagram with every nested box opened; all its boxes are leaves.
    #[must_use]
    pub fn flatten(&self) -> Self {
        self.try_flatten()
            .expect("a diagram is built only if it can be opened")
    }

    fn try_flatten(&self) -> Result<Self, WiringError> {
        let mut filled = BTreeMap::new();
        for b in &self.parts.boxes {
            if let Content::Nested(inner) = &b.content {
                filled.insert(&b.name, inner.try_flatten()?);
            }
        }
        Self::new(self.opened(&filled))
    }

    fn fits(&self, of: &Name, inner: &Self) -> Result<(), WiringError> {
        let found = self
            .find_box(of)
            .ok_or_else(|| WiringError::NoSuchBox { of: of.clone() })?;
        if inner.parts.name != *of {
            return Err(WiringError::NestedName {
                of: of.clone(),
                found: inner.parts.name.clone(),
            });
        }
        same_interface(of, &found.ports(), &inner.interface())
    }

    /// [`Wiring::substitute`], for several boxes at once and without the checks.
    fn opened(&self, filled: &BTreeMap<&Name, Self>) -> WiringParts {
        let outer = &self.parts;
        let stays = |of: &Name| !filled.contains_key(of);
        let mut parts = WiringParts {
            name: outer.name.clone(),
            boxes: Vec::new(),
            couplings: outer.couplings.clone(),
            links: Vec::with_capacity(outer.links.len()),
            outer: outer.outer.clone(),
            free: Vec::new(),
        };
        let boxes = outer.boxes.iter().filter(|b| stays(&b.name));
        parts.boxes.extend(boxes.cloned());
        let free = outer.free.iter().filter(|f| stays(&f.of));
        parts.free.extend(free.cloned());
        for link in &outer.links {
            let Some(inner) = filled.get(&link.of) else {
                parts.links.push(link.clone());
                continue;
            };
            let exposing = &inner.parts.outer;
            let Ok(k) = exposing.binary_search_by(|o| o.name.cmp(&link.port)) else {
                continue;
            };
            let terms = inner.links_of(&exposing[k].coupling);
            let terms = match exposing[k].sign {
                Sign::Level => &terms[..1],
                Sign::Draw | Sign::Supply => terms,
            };
            parts.links.extend(terms.iter().map(|t| Link {
                coupling: link.coupling.clone(),
                rank: link.rank,
                of: t.of.clone(),
                port: t.port.clone(),
            }));
        }
        // A leaf may be named as the box that it stands in, so that what was
        // linked outside is told apart from what is linked inside by place,
        // not by name: only the links above and those of `inner` reach it.
        let outside = parts.links.len();
        for inner in filled.values() {
            let from = parts.links.len();
            for c in inner.parts.couplings.iter().filter(|c| inner.has_rows(c)) {
                parts.couplings.push(c.clone());
                parts.links.extend(inner.links_of(&c.name).iter().cloned());
            }
            let tied: BTreeSet<(&Name, &Name)> = parts.links[..outside]
                .iter()
                .chain(&parts.links[from..])
                .map(|l| (&l.of, &l.port))
                .collect();
            let untied = inner.parts.boxes.iter().flat_map(|b| {
                let of = b.name.clone();
                let at = move |p: PortType| PortRef {
                    of: of.clone(),
                    port: p.name,
                };
                b.ports().into_iter().map(at)
            });
            let untied = untied.filter(|at| !tied.contains(&(&at.of, &at.port)));
            parts.free.extend(untied);
            parts.boxes.extend(inner.parts.boxes.iter().cloned());
        }
        parts
    }

    /// Arities, untied ports, number of rows.
    fn check_junctions(&self) -> Result<(), WiringError> {
        let exposed: BTreeSet<&Name> = self.parts.outer.iter().map(|o| &o.coupling).collect();
        let mut rows = 0;
        for c in &self.parts.couplings {
            let links = self.links_of(&c.name);
            let open = usize::from(exposed.contains(&c.name));
            let (found, least) = match c.kind {
                CouplingKind::Agreement => (links.len() + open, 2),
                CouplingKind::Balance { .. } | CouplingKind::Capacity { .. } => (links.len(), 1),
            };
            if found < least || links.is_empty() {
                return Err(WiringError::Arity {
                    coupling: c.name.clone(),
                    kind: c.kind.word(),
                    found: links.len(),
                    least: least - open.min(least - 1),
                });
            }
            rows += match c.kind {
                CouplingKind::Agreement => (links.len() - 1) * c.grid.len(),
                CouplingKind::Balance { .. } | CouplingKind::Capacity { .. } => c.grid.len(),
            };
            limit("coupling rows", rows, MAX_DIMENSION)?;
        }
        let mut tied: BTreeMap<(&Name, &Name), &Name> = BTreeMap::new();
        for l in &self.parts.links {
            tied.insert((&l.of, &l.port), &l.coupling);
        }
        let free: BTreeSet<(&Name, &Name)> =
            self.parts.free.iter().map(|f| (&f.of, &f.port)).collect();
        for b in &self.parts.boxes {
            for p in b.ports() {
                let key = (&b.name, &p.name);
                let at = || PortRef {
                    of: b.name.clone(),
                    port: p.name.clone(),
                };
                match (tied.get(&key), free.contains(&key)) {
                    (None, false) => return Err(WiringError::Untied { port: at() }),
                    (Some(&coupling), true) => {
                        return Err(WiringError::FreeButTied {
                            port: at(),
                            coupling: coupling.clone(),
                        });
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Refuses a closed balance of leaves whose ports all have one sign when
    /// its constant does not stand on the other side: nothing can meet it
    /// when values are what their signs say, not negative.
    ///
    /// This is no part of being well typed: the port of a composite may be a
    /// net flow under either sign, so that a diagram with a closed box can
    /// pass or fail apart from the same with the box opened. It is asked of
    /// whole diagrams, by [`normal_form`](crate::compose::normal_form); a
    /// balance with a port of a box in `net` is passed over.
    ///
    /// # Errors
    ///
    /// [`WiringError::OneSided`].
    pub fn check_two_sided(&self, net: &BTreeSet<&Name>) -> Result<(), WiringError> {
        if self.depth > 1 {
            return self.flatten().check_two_sided(net);
        }
        for c in &self.parts.couplings {
            let CouplingKind::Balance { rhs } = &c.kind else {
                continue;
            };
            let links = self.links_of(&c.name);
            if self.exposure(&c.name).is_none() && !links.iter().any(|l| net.contains(&l.of)) {
                self.balance_two_sided(c, links, rhs)?;
            }
        }
        Ok(())
    }

    fn balance_two_sided(
        &self,
        c: &Coupling,
        links: &[Link],
        rhs: &[f64],
    ) -> Result<(), WiringError> {
        let mut signs = BTreeSet::new();
        for l in links {
            if let Some(Content::Leaf(ports)) = self.find_box(&l.of).map(|b| &b.content) {
                signs.extend(ports.iter().filter(|p| p.name == l.port).map(|p| p.sign));
            }
        }
        let only = match (signs.contains(&Sign::Draw), signs.contains(&Sign::Supply)) {
            (true, false) => Sign::Draw,
            (false, true) => Sign::Supply,
            _ => return Ok(()),
        };
        let side = |v: f64| v * only.coefficient();
        let bad = rhs.iter().position(|&v| side(v) < 0.0);
        let nothing = rhs.iter().all(|&v| v == 0.0);
        if let Some(step) = bad.or(nothing.then_some(0)) {
            return Err(WiringError::OneSided {
                coupling: c.name.clone(),
                only,
                step,
                rhs: rhs[step],
            });
        }
        Ok(())
    }
}

/// Whether two lists of ports, each sorted by name, are the same.
pub(crate) fn same_interface(
    of: &Name,
    expected: &[PortType],
    found: &[PortType],
) -> Result<(), WiringError> {
    let names =
        |ports: &[PortType]| -> Vec<Name> { ports.iter().map(|p| p.name.clone()).collect() };
    for e in expected {
        let k = found.binary_search_by(|f| f.name.cmp(&e.name));
        let Some(f) = k.ok().map(|k| &found[k]) else {
            return Err(WiringError::PortMissing {
                port: PortRef {
                    of: of.clone(),
                    port: e.name.clone(),
                },
                known: names(found),
            });
        };
        if let Some((expected, found)) = difference(e, f) {
            return Err(WiringError::Interface(Box::new(InterfaceClash {
                port: PortRef {
                    of: of.clone(),
                    port: e.name.clone(),
                },
                expected,
                found,
            })));
        }
    }
    let known = |f: &PortType| expected.binary_search_by(|e| e.name.cmp(&f.name)).is_ok();
    match found.iter().find(|f| !known(f)) {
        Some(extra) => Err(WiringError::PortExtra {
            port: PortRef {
                of: of.clone(),
                port: extra.name.clone(),
            },
            known: names(expected),
        }),
        None => Ok(()),
    }
}

fn difference(a: &PortType, b: &PortType) -> Option<(Feature, Feature)> {
    if a.unit != b.unit {
        Some((Feature::Unit(a.unit.clone()), Feature::Unit(b.unit.clone())))
    } else if a.grid != b.grid {
        Some((Feature::Grid(a.grid.clone()), Feature::Grid(b.grid.clone())))
    } else if a.sign != b.sign {
        Some((Feature::Sign(vec![a.sign]), Feature::Sign(vec![b.sign])))
    } else {
        None
    }
}

fn limit(what: &'static str, found: usize, most: usize) -> Result<(), WiringError> {
    if found > most {
        Err(WiringError::TooLarge { what, found, most })
    } else {
        Ok(())
    }
}

fn check_boxes(parts: &mut WiringParts) -> Result<(), WiringError> {
    parts.boxes.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(w) = parts.boxes.windows(2).find(|w| w[0].name == w[1].name) {
        return Err(WiringError::BoxTwice {
            of: w[0].name.clone(),
        });
    }
    for b in &mut parts.boxes {
        match &mut b.content {
            Content::Leaf(ports) => {
                limit("ports of a box", ports.len(), MAX_LINKS)?;
                ports.sort();
                if let Some(w) = ports.windows(2).find(|w| w[0].name == w[1].name) {
                    return Err(WiringError::PortTwice {
                        port: PortRef {
                            of: b.name.clone(),
                            port: w[0].name.clone(),
                        },
                    });
                }
            }
            Content::Nested(inner) => {
                if inner.parts.name != b.name {
                    return Err(WiringError::NestedName {
                        of: b.name.clone(),
                        found: inner.parts.name.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

fn check_couplings(parts: &mut WiringParts) -> Result<(), WiringError> {
    parts.couplings.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(w) = parts.couplings.windows(2).find(|w| w[0].name == w[1].name) {
        return Err(WiringError::CouplingTwice {
            coupling: w[0].name.clone(),
        });
    }
    for c in &mut parts.couplings {
        if c.grid.is_empty() || c.grid.step_s.contains(&0) {
            return Err(WiringError::EmptyGrid {
                coupling: c.name.clone(),
            });
        }
        let (what, values) = match &mut c.kind {
            CouplingKind::Balance { rhs } => ("right-hand side", rhs),
            CouplingKind::Capacity { limit } => ("limit", limit),
            CouplingKind::Agreement => continue,
        };
        if values.len() != c.grid.len() {
            return Err(WiringError::Length {
                coupling: c.name.clone(),
                what,
                found: values.len(),
                expected: c.grid.len(),
            });
        }
        for (step, v) in values.iter_mut().enumerate() {
            if !v.is_finite() {
                return Err(WiringError::NotFinite {
                    coupling: c.name.clone(),
                    what,
                    step,
                    value: *v,
                });
            }
            // One zero: rows are compared by their bits.
            if *v == 0.0 {
                *v = 0.0;
            }
        }
    }
    Ok(())
}

fn check_outer(parts: &mut WiringParts) -> Result<(), WiringError> {
    parts.outer.sort();
    if let Some(w) = parts.outer.windows(2).find(|w| w[0].name == w[1].name) {
        return Err(WiringError::OuterTwice {
            port: w[0].name.clone(),
        });
    }
    let mut exposed: BTreeMap<&Name, &Name> = BTreeMap::new();
    for o in &parts.outer {
        let found = parts
            .couplings
            .binary_search_by(|c| c.name.cmp(&o.coupling));
        let Ok(k) = found else {
            return Err(WiringError::NoSuchCoupling {
                coupling: o.coupling.clone(),
                by: format!("outer port {}", o.name),
            });
        };
        let c = &parts.couplings[k];
        if let Some(first) = exposed.insert(&o.coupling, &o.name) {
            return Err(WiringError::ExposedTwice {
                coupling: c.name.clone(),
                first: first.clone(),
                second: o.name.clone(),
            });
        }
        if !c.kind.signs().contains(&o.sign) {
            return Err(WiringError::OuterSign {
                port: o.name.clone(),
                coupling: c.name.clone(),
                kind: c.kind.word(),
                expected: c.kind.signs(),
                found: o.sign,
            });
        }
        if let CouplingKind::Balance { rhs } = &c.kind
            && let Some(step) = rhs.iter().position(|&v| v != 0.0)
        {
            return Err(WiringError::ExposedConstant {
                coupling: c.name.clone(),
                port: o.name.clone(),
                step,
                value: rhs[step],
            });
        }
    }
    // Rows are known by the coupling's name, a leaf's by the leaf's: one name
    // for both would make the canonical order ambiguous.
    for c in &parts.couplings {
        let sum = exposed.contains_key(&c.name) && !matches!(c.kind, CouplingKind::Capacity { .. });
        let found = parts.boxes.binary_search_by(|b| b.name.cmp(&c.name));
        if let (Ok(k), false) = (found, sum)
            && matches!(parts.boxes[k].content, Content::Leaf(_))
        {
            return Err(WiringError::NameForTwo {
                name: c.name.clone(),
            });
        }
    }
    Ok(())
}

fn check_links(parts: &mut WiringParts) -> Result<(), WiringError> {
    let types: BTreeMap<(&Name, Name), PortType> = parts
        .boxes
        .iter()
        .flat_map(|b| {
            b.ports()
                .into_iter()
                .map(move |p| ((&b.name, p.name.clone()), p))
        })
        .collect();
    let boxes = &parts.boxes;
    let lookup = |at: PortRef, by: &dyn Fn() -> String| {
        let Ok(k) = boxes.binary_search_by(|b| b.name.cmp(&at.of)) else {
            return Err(WiringError::UnknownBox { port: at, by: by() });
        };
        let of = &boxes[k];
        types.get(&(&of.name, at.port.clone())).ok_or_else(|| {
            let known = of.ports().into_iter().map(|p| p.name).collect();
            WiringError::PortMissing { port: at, known }
        })
    };
    parts.links.sort();
    for l in &parts.links {
        let found = parts
            .couplings
            .binary_search_by(|c| c.name.cmp(&l.coupling));
        let Ok(k) = found else {
            return Err(WiringError::NoSuchCoupling {
                coupling: l.coupling.clone(),
                by: format!("a link of {}", l.at()),
            });
        };
        let c = &parts.couplings[k];
        let port = lookup(l.at(), &|| format!("coupling {}", c.name))?;
        let clash = if port.unit != c.unit {
            Some((
                Feature::Unit(c.unit.clone()),
                Feature::Unit(port.unit.clone()),
            ))
        } else if port.grid != c.grid {
            Some((
                Feature::Grid(c.grid.clone()),
                Feature::Grid(port.grid.clone()),
            ))
        } else if !c.kind.signs().contains(&port.sign) {
            let expected = c.kind.signs().to_vec();
            Some((Feature::Sign(expected), Feature::Sign(vec![port.sign])))
        } else {
            None
        };
        if let Some((expected, found)) = clash {
            return Err(WiringError::Clash(Box::new(LinkClash {
                coupling: c.name.clone(),
                kind: c.kind.word(),
                port: l.at(),
                expected,
                found,
            })));
        }
        if l.rank != 0 && !matches!(c.kind, CouplingKind::Agreement) {
            return Err(WiringError::Rank {
                coupling: c.name.clone(),
                kind: c.kind.word(),
                rank: l.rank,
            });
        }
    }
    parts.free.sort();
    for f in &parts.free {
        lookup(f.clone(), &|| "the list of free ports".to_owned())?;
    }
    let mut seen = BTreeSet::new();
    for l in &parts.links {
        if !seen.insert((&l.coupling, &l.of, &l.port)) {
            return Err(WiringError::LinkTwice {
                coupling: l.coupling.clone(),
                port: l.at(),
            });
        }
    }
    // Ranks of an agreement become 0 … k−1; the links are sorted already.
    for start in 0..parts.links.len() {
        let first = start == 0 || parts.links[start].coupling != parts.links[start - 1].coupling;
        let k = parts
            .couplings
            .binary_search_by(|c| c.name.cmp(&parts.links[start].coupling));
        if let (true, Ok(k)) = (first, k)
            && matches!(parts.couplings[k].kind, CouplingKind::Agreement)
        {
            let name = &parts.couplings[k].name;
            for (rank, l) in parts.links[start..]
                .iter_mut()
                .take_while(|l| l.coupling == *name)
                .enumerate()
            {
                l.rank = rank as u32;
            }
        }
    }
    Ok(())
}

/// A property of a port's type, as an error shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feature {
    /// Its unit.
    Unit(Name),
    /// Its time grid.
    Grid(Grid),
    /// Its sign, or the signs that would do.
    Sign(Vec<Sign>),
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Grid(grid) => {
                write!(f, "a grid of {} steps from {} s", grid.len(), grid.start_s)?;
                match grid.step_s.split_first() {
                    Some((first, rest)) if rest.iter().all(|s| s == first) => {
                        write!(f, ", each {first} s")
                    }
                    _ => {
                        let whole: u64 = grid.step_s.iter().map(|&s| u64::from(s)).sum();
                        write!(f, ", unequal, {whole} s in all")
                    }
                }
            }
            Self::Sign(signs) => write!(f, "sign {}", Signs(signs)),
        }
    }
}

struct Signs<'a>(&'a [Sign]);

impl std::fmt::Display for Signs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |s: &Sign| match s {
            Sign::Draw => "draw",
            Sign::Supply => "supply",
            Sign::Level => "level",
        };
        let words: Vec<_> = self.0.iter().map(word).collect();
        f.write_str(&words.join(" or "))
    }
}

struct Names<'a>(&'a [Name]);

impl std::fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (k, name) in self.0.iter().take(12).enumerate() {
            write!(f, "{}{name}", if k == 0 { "" } else { ", " })?;
        }
        if self.0.len() > 12 {
            write!(f, " and {} more", self.0.len() - 12)?;
        }
        Ok(())
    }
}

/// A port that does not fit the coupling that it is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkClash {
    /// The coupling.
    pub coupling: Name,
    /// Balance, capacity or agreement.
    pub kind: &'static str,
    /// The port.
    pub port: PortRef,
    /// What the coupling needs.
    pub expected: Feature,
    /// What the port has.
    pub found: Feature,
}

/// A port that is not of the type that its box declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceClash {
    /// The port.
    pub port: PortRef,
    /// What the box declares.
    pub expected: Feature,
    /// What fills it.
    pub found: Feature,
}

/// Why parts do not make a diagram.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WiringError {
    /// More than a limit.
    #[error("{found} {what} are more than the limit of {most}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two boxes have one name.
    #[error("box {of} is declared twice")]
    BoxTwice {
        /// The box.
        of: Name,
    },
    /// Two ports of a box have one name.
    #[error("{port} is declared twice")]
    PortTwice {
        /// The port.
        port: PortRef,
    },
    /// Two couplings have one name.
    #[error("coupling {coupling} is declared twice")]
    CouplingTwice {
        /// The coupling.
        coupling: Name,
    },
    /// Two outer ports have one name.
    #[error("outer port {port} is declared twice")]
    OuterTwice {
        /// The outer port.
        port: Name,
    },
    /// A leaf and a coupling have one name.
    #[error("{name} is the name of a box and of a coupling: rename one")]
    NameForTwo {
        /// The name.
        name: Name,
    },
    /// One port is linked twice to one coupling.
    #[error("coupling {coupling}: {port} is linked twice")]
    LinkTwice {
        /// The coupling.
        coupling: Name,
        /// The port.
        port: PortRef,
    },
    /// A coupling has two outer ports.
    #[error(
        "coupling {coupling}: outer ports {first} and {second} both expose it; one may (link that one to both places)"
    )]
    ExposedTwice {
        /// The coupling.
        coupling: Name,
        /// One outer port.
        first: Name,
        /// The other.
        second: Name,
    },
    /// A coupling is used that is not declared.
    #[error("coupling {coupling}, which {by} uses, is not declared")]
    NoSuchCoupling {
        /// The coupling.
        coupling: Name,
        /// Who uses it.
        by: String,
    },
    /// A box is used that is not declared.
    #[error("{port}, which {by} uses: there is no such box")]
    UnknownBox {
        /// The port of the box.
        port: PortRef,
        /// Who uses it.
        by: String,
    },
    /// There is no box of that name.
    #[error("there is no box {of}")]
    NoSuchBox {
        /// The box.
        of: Name,
    },
    /// A port is used that the box does not have.
    #[error("{port}: there is no such port; known: {}", Names(.known))]
    PortMissing {
        /// The port.
        port: PortRef,
        /// The ports that there are.
        known: Vec<Name>,
    },
    /// What fills a box has a port that the box does not declare.
    #[error("{port}: the box does not declare it; declared: {}", Names(.known))]
    PortExtra {
        /// The port.
        port: PortRef,
        /// The ports that the box declares.
        known: Vec<Name>,
    },
    /// A link joins what does not fit.
    #[error("{} {}: {} has {}, expected {}", .0.kind, .0.coupling, .0.port, .0.found, .0.expected)]
    Clash(Box<LinkClash>),
    /// A box is filled with what does not fit.
    #[error("{}: the box declares {}, what fills it has {}", .0.port, .0.expected, .0.found)]
    Interface(Box<InterfaceClash>),
    /// A nested diagram has another name than its box.
    #[error("box {of} is filled by a diagram named {found}; give it the box's name")]
    NestedName {
        /// The box.
        of: Name,
        /// The diagram's name.
        found: Name,
    },
    /// An outer port has a sign that its coupling cannot show.
    #[error(
        "outer port {port}: {kind} {coupling} can be exposed as {}, found {}",
        Signs(.expected), Signs(&[*.found])
    )]
    OuterSign {
        /// The outer port.
        port: Name,
        /// The coupling.
        coupling: Name,
        /// Balance, capacity or agreement.
        kind: &'static str,
        /// The signs that would do.
        expected: &'static [Sign],
        /// The sign given.
        found: Sign,
    },
    /// An exposed balance has a constant.
    #[error(
        "balance {coupling}: exposed as {port}, but its right-hand side is {value} at step {step}: put the constant on the coupling that {port} is linked to"
    )]
    ExposedConstant {
        /// The coupling.
        coupling: Name,
        /// The outer port.
        port: Name,
        /// The first step with a constant.
        step: usize,
        /// The constant.
        value: f64,
    },
    /// A rank where none is meant.
    #[error("{kind} {coupling}: a link has rank {rank}; only the ports of an agreement are ranked")]
    Rank {
        /// The coupling.
        coupling: Name,
        /// Balance or capacity.
        kind: &'static str,
        /// The rank.
        rank: u32,
    },
    /// A coupling's grid has no step, or a step of no length.
    #[error("coupling {coupling}: its grid has no steps or one of length 0")]
    EmptyGrid {
        /// The coupling.
        coupling: Name,
    },
    /// A coupling's values are not one for each step.
    #[error("coupling {coupling}: {what} has {found} values, expected {expected}, one a step")]
    Length {
        /// The coupling.
        coupling: Name,
        /// Right-hand side or limit.
        what: &'static str,
        /// How many values there are.
        found: usize,
        /// How many steps there are.
        expected: usize,
    },
    /// A coupling's value is not finite.
    #[error("coupling {coupling}: {what} at step {step} is {value}; it must be a finite number")]
    NotFinite {
        /// The coupling.
        coupling: Name,
        /// Right-hand side or limit.
        what: &'static str,
        /// The step.
        step: usize,
        /// What stands there.
        value: f64,
    },
    /// A coupling has too few links.
    #[error("{kind} {coupling} has {found} links, expected {least} or more")]
    Arity {
        /// The coupling.
        coupling: Name,
        /// Balance, capacity or agreement.
        kind: &'static str,
        /// How many links there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// A closed balance ties only draws, or only supplies, and its constant
    /// is not on the other side.
    #[error(
        "balance {coupling}: all its ports {}, and its right-hand side is {rhs} at step {step}: nothing {}; if a port can do both, declare the other sign and negate its map",
        match .only { Sign::Supply => "supply", _ => "draw" },
        match .only { Sign::Supply => "draws what they give", _ => "supplies them" }
    )]
    OneSided {
        /// The coupling.
        coupling: Name,
        /// The sign that all ports have.
        only: Sign,
        /// The first step at which it shows.
        step: usize,
        /// The constant there.
        rhs: f64,
    },
    /// A port is tied to nothing and not marked free.
    #[error("{port} is linked to nothing: link it, or list it as free")]
    Untied {
        /// The port.
        port: PortRef,
    },
    /// A port is marked free and tied.
    #[error("{port} is listed as free, but linked to coupling {coupling}")]
    FreeButTied {
        /// The port.
        port: PortRef,
        /// A coupling that it is linked to.
        coupling: Name,
    },
    /// A name that was made is none.
    #[error(transparent)]
    Name(Box<ProblemError>),
    /// The diagram is well typed, but not once its nested boxes are opened.
    #[error("with its nested boxes opened: {0}")]
    Opened(Box<WiringError>),
}
