//! The laws of composition, executed on random problems and diagrams.
//!
//! Open problems are an algebra of the operad of undirected wiring diagrams
//! (see [`wiring`](crate::wiring)); what that says, and what solving adds to
//! it, is checked here case by case. *Structural* laws compare bytes of the
//! canonical form, with no tolerance; *numeric* laws compare optima, up to
//! [`TOLERANCE`].
//!
//! A case is made from one 64-bit seed, which a failure names: a run with
//! that seed and one case repeats it. The suite can be told to break a law on
//! purpose ([`Plant`]), so that it can be seen to catch it.

mod instance;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use instance::Instance;

use crate::central;
use crate::compose::{compose, normal_form};
use crate::coupled::{Coupled, RowKind};
use crate::method::{self, Bounds, Drive, MethodName};
use crate::problem::{Name, OpenProblem, Origin, Parts, Sign};
use crate::seeded::Seeded;
use crate::sparse::Sparse;
use crate::wiring::{Content, CouplingKind, PortRef, Wiring, WiringBox, WiringParts};

/// How far two optima that must be equal may lie apart, relative to the
/// larger of them and 1. The reference solver stops at 1e-8 or better.
pub const TOLERANCE: f64 = 1e-6;

/// Failures of one law that a report describes; the rest is only counted.
const DESCRIBED: usize = 20;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Law {
    /// Composing through the identity diagram changes nothing, on either side.
    Identity,
    /// `compose(outer, compose(inner)) = compose(substitute(outer, inner))`:
    /// nested equals flattened, in whatever order boxes are opened, to the byte.
    Associativity,
    /// The order of boxes, couplings, links, ports, variables and rows plays
    /// no part, to the byte.
    Symmetry,
    /// Composing two diagrams side by side is putting the composites side by
    /// side, to the byte.
    DisjointUnion,
    /// Gathering some boxes into one and opening it again gives back the
    /// diagram, and composing with it gathered the same bytes.
    Gathering,
    /// The members and rows of the normal form, put together, are the
    /// composite, to the byte.
    NormalForm,
    /// The optimum of two diagrams side by side is the sum of their optima.
    SumOfOptima,
    /// Merging boxes into one member keeps the optimum.
    Merging,
    /// The optimum of the composite is the optimum of the normal form, and
    /// the distributed optimum, when a distributed method is given.
    SolveCompose,
    /// `g(λ) ≤ optimum ≤ f(x)` for any prices `λ` (not negative on limits)
    /// and any feasible `x`; `g` of the optimal prices is the optimum; and the
    /// bounds of the distributed method, when one is given, hold.
    Bounds,
}

impl Law {
    /// All of them; first the structural ones.
    pub const ALL: [Self; 10] = [
        Self::Identity,
        Self::Associativity,
        Self::Symmetry,
        Self::DisjointUnion,
        Self::Gathering,
        Self::NormalForm,
        Self::SumOfOptima,
        Self::Merging,
        Self::SolveCompose,
        Self::Bounds,
    ];

    /// Whether it compares optima, not bytes.
    pub fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::SumOfOptima | Self::Merging | Self::SolveCompose | Self::Bounds
        )
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Associativity => "associativity",
            Self::Symmetry => "symmetry",
            Self::DisjointUnion => "disjoint union",
            Self::Gathering => "gathering",
            Self::NormalForm => "normal form",
            Self::SumOfOptima => "sum of optima",
            Self::Merging => "merging keeps the optimum",
            Self::SolveCompose => "solve∘compose = compose∘solve",
            Self::Bounds => "lower ≤ optimum ≤ upper",
        })
    }
}

/// A mistake put into the suite's own use of the library, to see that the
/// laws catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plant {
    /// A composite box forgets that a port it exposes is a supply.
    ComposeDropsSign,
    /// Opening a box drops one of the terms of a sum.
    FlattenDropsLink,
    /// The first port of an agreement is the first in the list, not by rank.
    RankFromOrder,
    /// The identity diagram negates what it passes on.
    IdentityNegates,
    /// The normal form takes limits for equations.
    LimitsAsEquations,
    /// The normal form loses the last coupling row.
    NormalFormLosesRow,
    /// A bound from a stale price: the lower bound is too high.
    StaleBound,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ComposeDropsSign,
        Self::FlattenDropsLink,
        Self::RankFromOrder,
        Self::IdentityNegates,
        Self::LimitsAsEquations,
        Self::NormalFormLosesRow,
        Self::StaleBound,
    ];
}

/// What a distributed method says of a coupled problem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distributed {
    /// A certified lower bound; `-inf` if there is none.
    pub lower: f64,
    /// The cost of a feasible point; `inf` if there is none.
    pub upper: f64,
    /// How far the two may lie apart, relative as in [`TOLERANCE`]: the gap
    /// that was asked of the method.
    pub gap: f64,
}

/// A distributed method, as far as the laws care.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Solves.
    pub solve: fn(&Coupled) -> Result<Distributed, String>,
}

impl Method {
    /// The default method, to a gap of 1e-4.
    pub const ALADIN: Self = Self {
        solve: |problem| agreed(problem, MethodName::Aladin),
    };
    /// The baseline, to a gap of 1e-2: it is slow.
    pub const ADMM: Self = Self {
        solve: |problem| agreed(problem, MethodName::Admm),
    };
}

fn agreed(problem: &Coupled, method: MethodName) -> Result<Distributed, String> {
    let (gap, most_rounds) = match method {
        MethodName::Aladin => (1e-4, 60),
        MethodName::Admm => (1e-2, 400),
    };
    let drive = Drive {
        method,
        gap: 0.0,
        most_rounds,
        ..Drive::default()
    };
    let near = |bounds: &Bounds, _| match (bounds.lower(), bounds.upper()) {
        (Some(l), Some(u)) => u - l <= gap * u.abs().max(1.0),
        _ => false,
    };
    let found = method::run(problem, drive, near).map_err(text)?;
    Ok(Distributed {
        lower: found.lower.unwrap_or(f64::NEG_INFINITY),
        upper: found.upper.unwrap_or(f64::INFINITY),
        gap,
    })
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    /// Cases for each structural law.
    pub cases: u64,
    /// Cases for each numeric law: the first ones of the same cases.
    pub numeric_cases: u64,
    /// The seed of the first case; the others follow from it.
    pub seed: u64,
    /// The distributed method that the numeric laws hold against the
    /// reference; an error is a failure of the law.
    pub distributed: Option<Method>,
    /// A mistake to make on purpose.
    pub plant: Option<Plant>,
}

/// A case in which a law does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The seed that repeats it as the first case of a run.
    pub seed: u64,
    /// What is not as it must be.
    pub what: String,
}

/// What became of one law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LawResult {
    /// The law.
    pub law: Law,
    /// Cases that were run.
    pub cases: u64,
    /// Cases in which it did not hold.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// The largest relative error; 0 for a structural law.
    pub worst: f64,
}

/// What became of all laws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LawReport {
    /// The seed of the first case.
    pub seed: u64,
    /// Cases for each structural law.
    pub cases: u64,
    /// The most that optima may differ, relative.
    pub tolerance: f64,
    /// Whether a distributed method was held against the reference.
    pub distributed: bool,
    /// One result a law, in the order of [`Law::ALL`].
    pub laws: Vec<LawResult>,
}

impl LawReport {
    /// Whether every law held in every case, and there was a case.
    pub fn holds(&self) -> bool {
        self.laws.iter().all(|l| l.failed == 0 && l.cases > 0)
    }

    /// The result of a law.
    pub fn of(&self, law: Law) -> Option<&LawResult> {
        self.laws.iter().find(|l| l.law == law)
    }
}

/// Runs all laws on `cases` cases: the numeric ones on the first tenth of
/// them (at least one), with the default method. `progress` hears the number
/// of cases done. See [`Suite::run`].
pub fn run(cases: u64, seed: u64, progress: &mut dyn FnMut(u64)) -> LawReport {
    let suite = Suite {
        cases,
        numeric_cases: cases.div_ceil(10),
        seed,
        distributed: Some(Method::ALADIN),
        plant: None,
    };
    suite.run(progress)
}

impl Suite {
    /// Runs the laws; `progress` hears the number of cases done.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> LawReport {
        let result = |law| LawResult {
            law,
            cases: 0,
            failed: 0,
            failures: Vec::new(),
            worst: 0.0,
        };
        let mut laws: Vec<LawResult> = Law::ALL.into_iter().map(result).collect();
        for k in 0..self.cases.max(self.numeric_cases) {
            // The first case's seed is the seed itself, so that a failure can
            // be repeated alone.
            let seed = match k {
                0 => self.seed,
                _ => Seeded::new(self.seed ^ k.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next_u64(),
            };
            let case = Case::new(seed, self);
            for result in &mut laws {
                let cases = if result.law.is_numeric() {
                    self.numeric_cases
                } else {
                    self.cases
                };
                if k >= cases {
                    continue;
                }
                result.cases += 1;
                let checked = case.as_ref().map_err(Clone::clone);
                match checked.and_then(|case| case.check(result.law)) {
                    Ok(error) => result.worst = result.worst.max(error),
                    Err(what) => {
                        result.failed += 1;
                        if result.failures.len() < DESCRIBED {
                            result.failures.push(Failure { seed, what });
                        }
                    }
                }
            }
            progress(k + 1);
        }
        LawReport {
            seed: self.seed,
            cases: self.cases,
            tolerance: TOLERANCE,
            distributed: self.distributed.is_some(),
            laws,
        }
    }
}

/// One case: an instance, another to stand beside it, and its composite.
struct Case<'s> {
    suite: &'s Suite,
    seed: u64,
    one: Instance,
    other: Instance,
    whole: OpenProblem,
    bytes: Vec<u8>,
    flat: Wiring,
    agreed: OnceCell<Option<Result<Distributed, String>>>,
}

impl<'s> Case<'s> {
    fn new(seed: u64, suite: &'s Suite) -> Result<Self, String> {
        let one = Instance::new(seed, "")?;
        let other = Instance::new(!seed, "other.")?;
        let whole = compose(&one.wiring, &one.problems).map_err(text)?;
        Ok(Self {
            bytes: whole.canonical_bytes(),
            flat: one.wiring.flatten(),
            agreed: OnceCell::new(),
            suite,
            seed,
            one,
            other,
            whole,
        })
    }

    /// Random choices of a law, apart from those of the instance.
    fn rng(&self, law: Law) -> Seeded {
        Seeded::new(self.seed.rotate_left(17) ^ (law as u64 + 1).wrapping_mul(0x5851_f42d))
    }

    fn planted(&self, plant: Plant) -> bool {
        self.suite.plant == Some(plant)
    }

    fn check(&self, law: Law) -> Result<f64, String> {
        match law {
            Law::Identity => self.identity().map(|()| 0.0),
            Law::Associativity => self.associativity().map(|()| 0.0),
            Law::Symmetry => self.symmetry().map(|()| 0.0),
            Law::DisjointUnion => self.disjoint_union().map(|()| 0.0),
            Law::Gathering => self.gathering().map(|()| 0.0),
            Law::NormalForm => self.normal_form().map(|()| 0.0),
            Law::SumOfOptima => self.sum_of_optima(),
            Law::Merging => self.merging(),
            Law::SolveCompose => self.solve_compose(),
            Law::Bounds => self.bounds(),
        }
    }

    fn same(&self, found: &OpenProblem, what: &str) -> Result<(), String> {
        if found.canonical_bytes() == self.bytes {
            Ok(())
        } else {
            Err(format!("{what}: {}", first_difference(found, &self.whole)))
        }
    }

    fn identity(&self) -> Result<(), String> {
        let mut rng = self.rng(Law::Identity);
        let any = rng.below(self.one.problems.len() as u64) as usize;
        if let Some((name, problem)) = self.one.problems.iter().nth(any) {
            let through = Wiring::identity(name.clone(), problem.interface()).map_err(text)?;
            let alone = BTreeMap::from([(name.clone(), problem.clone())]);
            let mut found = compose(&through, &alone).map_err(text)?;
            if self.planted(Plant::IdentityNegates) {
                found = with_ports(&found, |_| -1.0)?;
            }
            if found.canonical_bytes() != problem.canonical_bytes() {
                let what = first_difference(&found, problem);
                return Err(format!("compose(identity, {name}): {what}"));
            }
            let opened = self.flat.substitute(name, &through).map_err(text)?;
            if opened != self.flat {
                return Err(format!("substituting the identity for {name} changes it"));
            }
            let nested = self.flat.nest(name, through).map_err(text)?;
            let found = compose(&nested, &self.one.problems).map_err(text)?;
            self.same(&found, &format!("{name} inside an identity box"))?;
        }
        // On the outer side: any open diagram, here that of a nested box.
        for b in self.one.wiring.boxes() {
            let Content::Nested(inner) = &b.content else {
                continue;
            };
            let within = restrict(&self.one.problems, inner);
            let plain = compose(inner, &within).map_err(text)?;
            let around = Wiring::identity(b.name.clone(), inner.interface()).map_err(text)?;
            let around = around.substitute(&b.name, inner).map_err(text)?;
            let found = compose(&around, &within).map_err(text)?;
            if found.canonical_bytes() != plain.canonical_bytes() {
                let what = first_difference(&found, &plain);
                return Err(format!("the identity around {}: {what}", b.name));
            }
        }
        Ok(())
    }

    fn associativity(&self) -> Result<(), String> {
        let problems = &self.one.problems;
        let mut flat = self.flat.clone();
        if self.planted(Plant::FlattenDropsLink) && self.one.wiring.depth() > 1 {
            flat = without_a_link(&flat)?;
        }
        let found = compose(&flat, problems).map_err(text)?;
        self.same(&found, "flattened")?;
        let mut rng = self.rng(Law::Associativity);
        let mut step_by_step = self.one.wiring.clone();
        let mut left = nested_boxes(&step_by_step);
        instance::shuffle(&mut rng, &mut left);
        while let Some((name, inner)) = left.pop() {
            let closed = with_leaf(&step_by_step, &name, &inner)?;
            let within = restrict(problems, &inner);
            let mut part = compose(&inner, &within).map_err(text)?;
            if self.planted(Plant::ComposeDropsSign) {
                part = with_ports(&part, Sign::coefficient)?;
            }
            let mut filled: BTreeMap<_, _> = problems
                .iter()
                .filter(|(n, _)| !within.contains_key(*n))
                .map(|(n, p)| (n.clone(), p.clone()))
                .collect();
            filled.insert(name.clone(), part);
            let found = compose(&closed, &filled).map_err(text)?;
            self.same(&found, &format!("with {name} composed first"))?;
            step_by_step = closed.substitute(&name, &inner).map_err(text)?;
            let found = compose(&step_by_step, problems).map_err(text)?;
            self.same(&found, &format!("with {name} opened"))?;
            let deeper = nested_boxes(&step_by_step);
            let deeper = deeper.into_iter().filter(|d| !left.contains(d));
            let mut deeper: Vec<_> = deeper.collect();
            left.append(&mut deeper);
            instance::shuffle(&mut rng, &mut left);
        }
        if step_by_step != self.flat {
            return Err("opened one by one it differs from flattened at once".to_owned());
        }
        Ok(())
    }

    fn symmetry(&self) -> Result<(), String> {
        let mut rng = self.rng(Law::Symmetry);
        let wiring = shuffled(&self.one.wiring, &mut rng)?;
        if wiring != self.one.wiring {
            return Err("the diagram depends on the order of its lists".to_owned());
        }
        let mut wiring = wiring;
        if self.planted(Plant::RankFromOrder) {
            wiring = reversed_ranks(&wiring)?;
        }
        let mut problems = BTreeMap::new();
        for (name, problem) in &self.one.problems {
            let problem = shuffled_problem(problem, &mut rng)?;
            problems.insert(name.clone(), problem);
        }
        let found = compose(&wiring, &problems).map_err(text)?;
        self.same(&found, "with everything in another order")
    }

    /// Both instances in one diagram.
    fn union(&self) -> Result<(Wiring, BTreeMap<Name, OpenProblem>), String> {
        let name = Name::new("union").map_err(text)?;
        let wiring = self.one.wiring.beside(&self.other.wiring, name);
        let mut problems = self.one.problems.clone();
        let other = self.other.problems.iter();
        problems.extend(other.map(|(n, p)| (n.clone(), p.clone())));
        Ok((wiring.map_err(text)?, problems))
    }

    fn disjoint_union(&self) -> Result<(), String> {
        let (union, problems) = self.union()?;
        let found = compose(&union, &problems).map_err(text)?;
        let other = compose(&self.other.wiring, &self.other.problems).map_err(text)?;
        let sum = side_by_side(found.id().clone(), &[&self.whole, &other])?;
        if found.canonical_bytes() == sum.canonical_bytes() {
            Ok(())
        } else {
            Err(first_difference(&found, &sum))
        }
    }

    /// Some boxes of the flat diagram gathered into one: outer, inner.
    fn gathered(&self, law: Law) -> Result<(Name, Wiring, Wiring), String> {
        let mut rng = self.rng(law);
        let mut names: Vec<Name> = self.flat.boxes().iter().map(|b| b.name.clone()).collect();
        instance::shuffle(&mut rng, &mut names);
        let count = 2 + rng.below(names.len() as u64 - 1) as usize;
        let of: BTreeSet<Name> = names.into_iter().take(count).collect();
        let letter = char::from(b'a' + rng.below(26) as u8);
        let name = Name::new(format!("{letter}.merged")).map_err(text)?;
        let (outer, inner) = self.flat.gather(&name, &of).map_err(text)?;
        Ok((name, outer, inner))
    }

    /// The problems for the outer half of a gathered diagram.
    fn merged(&self, name: &Name, inner: &Wiring) -> Result<BTreeMap<Name, OpenProblem>, String> {
        let within = restrict(&self.one.problems, inner);
        let part = compose(inner, &within).map_err(text)?;
        let rest = self.one.problems.iter();
        let rest = rest.filter(|(n, _)| !within.contains_key(*n));
        let mut problems: BTreeMap<_, _> = rest.map(|(n, p)| (n.clone(), p.clone())).collect();
        problems.insert(name.clone(), part);
        Ok(problems)
    }

    fn gathering(&self) -> Result<(), String> {
        let (name, outer, inner) = self.gathered(Law::Gathering)?;
        let opened = outer.substitute(&name, &inner).map_err(text)?;
        if opened != self.flat {
            return Err("gathered and opened again, the diagram differs".to_owned());
        }
        let problems = self.merged(&name, &inner)?;
        let found = compose(&outer, &problems).map_err(text)?;
        self.same(&found, "with boxes gathered")
    }

    fn coupled(&self) -> Result<Coupled, String> {
        let mut coupled = normal_form(&self.one.wiring, &self.one.problems).map_err(text)?;
        if self.planted(Plant::LimitsAsEquations) {
            for row in &mut coupled.rows {
                row.kind = RowKind::Equal;
            }
        }
        if self.planted(Plant::NormalFormLosesRow) && coupled.rows.pop().is_some() {
            let last = coupled.rows.len();
            for m in &mut coupled.members {
                m.rows.retain(|&r| r != last);
                let kept: Vec<_> = m.b.triplets().filter(|t| t.0 < m.rows.len()).collect();
                m.b = Sparse::from_triplets(m.rows.len(), m.b.cols(), &kept);
            }
        }
        Ok(coupled)
    }

    fn normal_form(&self) -> Result<(), String> {
        let found = assembled(self.whole.id().clone(), &self.coupled()?)?;
        self.same(&found, "the normal form put together")
    }

    fn sum_of_optima(&self) -> Result<f64, String> {
        let (union, problems) = self.union()?;
        let both = compose(&union, &problems).map_err(text)?;
        let other = compose(&self.other.wiring, &self.other.problems).map_err(text)?;
        let sum = optimum(&self.whole)? + optimum(&other)?;
        equal(
            "side by side",
            optimum(&both)?,
            "the sum of the optima",
            sum,
        )
    }

    fn merging(&self) -> Result<f64, String> {
        let (name, outer, inner) = self.gathered(Law::Merging)?;
        let problems = self.merged(&name, &inner)?;
        let merged = normal_form(&outer, &problems).map_err(text)?;
        let merged = central::solve(&merged).map_err(text)?.value;
        let apart = central::solve(&self.coupled()?).map_err(text)?.value;
        equal("merged", merged, "apart", apart)
    }

    /// What the distributed method says of the case, found once.
    fn distributed(&self, coupled: &Coupled) -> Result<Option<Distributed>, String> {
        let found = self.agreed.get_or_init(|| {
            let method = self.suite.distributed?;
            Some((method.solve)(coupled))
        });
        found.clone().transpose()
    }

    fn solve_compose(&self) -> Result<f64, String> {
        let coupled = self.coupled()?;
        let whole = optimum(&self.whole)?;
        let members = central::solve(&coupled).map_err(text)?.value;
        let mut worst = equal("the normal form", members, "the composite", whole)?;
        if let Some(found) = self.distributed(&coupled)? {
            let scale = found.upper.abs().max(whole.abs()).max(1.0);
            let error = (found.upper - whole).abs() / scale;
            // A NaN is a failure too.
            if !matches!(error.partial_cmp(&(found.gap + TOLERANCE)), Some(o) if o.is_le()) {
                let upper = found.upper;
                return Err(format!(
                    "distributed {upper}, central {whole}: {error:.2e} apart"
                ));
            }
            worst = worst.max(error);
        }
        Ok(worst)
    }

    fn bounds(&self) -> Result<f64, String> {
        let coupled = self.coupled()?;
        let best = optimum(&self.whole)?;
        let upper = self.one.cost();
        let below = |lower: f64, what: &str, upper: f64, other: &str| {
            let slack = TOLERANCE * lower.abs().max(upper.abs()).max(1.0);
            if lower <= upper + slack {
                Ok(())
            } else {
                Err(format!("{what} {lower} lies above {other} {upper}"))
            }
        };
        below(best, "the optimum", upper, "the cost of a feasible point")?;
        let price = central::solve(&coupled).map_err(text)?.price;
        let tight = dual_value(&coupled, &price)?;
        let worst = equal(
            "the value of the optimal prices",
            tight,
            "the optimum",
            best,
        )?;
        let mut rng = self.rng(Law::Bounds);
        for spread in [0.1, 1.0] {
            let moved = price.iter().zip(&coupled.rows).map(|(p, row)| {
                let p = p + rng.uniform(-spread, spread);
                match row.kind {
                    RowKind::Equal => p,
                    RowKind::AtMost => p.max(0.0),
                }
            });
            let moved: Vec<f64> = moved.collect();
            let mut lower = dual_value(&coupled, &moved)?;
            if self.planted(Plant::StaleBound) {
                // Members at the old prices, the coupling at the new ones.
                let term = |l: &[f64]| -> f64 {
                    l.iter().zip(&coupled.rows).map(|(l, r)| l * r.rhs).sum()
                };
                lower = tight + term(&price) - term(&moved);
            }
            below(lower, "the value of some prices", best, "the optimum")?;
        }
        if let Some(found) = self.distributed(&coupled)? {
            below(
                found.lower,
                "the certified lower bound",
                best,
                "the optimum",
            )?;
            below(
                best,
                "the optimum",
                found.upper,
                "the certified upper bound",
            )?;
        }
        Ok(worst)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn optimum(problem: &OpenProblem) -> Result<f64, String> {
    Ok(central::solve_one(problem).map_err(text)?.0)
}

fn equal(what: &str, a: f64, other: &str, b: f64) -> Result<f64, String> {
    let error = (a - b).abs() / a.abs().max(b.abs()).max(1.0);
    if error <= TOLERANCE {
        Ok(error)
    } else {
        Err(format!("{what} {a}, {other} {b}: {error:.2e} apart"))
    }
}

/// `g(λ) = Σᵢ min (fᵢ + λᵀBᵢxᵢ) − λᵀc`.
fn dual_value(coupled: &Coupled, price: &[f64]) -> Result<f64, String> {
    let constant: f64 = price
        .iter()
        .zip(&coupled.rows)
        .map(|(l, r)| l * r.rhs)
        .sum();
    let mut value = -constant;
    for m in &coupled.members {
        let mine: Vec<f64> = m.rows.iter().map(|&r| price[r]).collect();
        let mut parts = m.problem.parts().clone();
        m.b.add_transposed_mul(&mine, &mut parts.q);
        value += optimum(&OpenProblem::new(parts).map_err(text)?)?;
    }
    Ok(value)
}

fn nested_boxes(wiring: &Wiring) -> Vec<(Name, Wiring)> {
    let nested = wiring.boxes().iter().filter_map(|b| match &b.content {
        Content::Nested(inner) => Some((b.name.clone(), (**inner).clone())),
        Content::Leaf(_) => None,
    });
    nested.collect()
}

/// The diagram with a nested box made a leaf with the same ports.
fn with_leaf(wiring: &Wiring, name: &Name, inner: &Wiring) -> Result<Wiring, String> {
    let mut parts = wiring.parts().clone();
    for b in &mut parts.boxes {
        if b.name == *name {
            *b = WiringBox::leaf(name.clone(), inner.interface());
        }
    }
    Wiring::new(parts).map_err(text)
}

/// The problems of a diagram's leaves.
fn restrict(problems: &BTreeMap<Name, OpenProblem>, to: &Wiring) -> BTreeMap<Name, OpenProblem> {
    let flat = to.flatten();
    let within = problems
        .iter()
        .filter(|(name, _)| flat.find_box(name).is_some());
    within.map(|(name, p)| (name.clone(), p.clone())).collect()
}

fn shuffled(wiring: &Wiring, rng: &mut Seeded) -> Result<Wiring, String> {
    let mut parts: WiringParts = wiring.parts().clone();
    for b in &mut parts.boxes {
        match &mut b.content {
            Content::Leaf(ports) => instance::shuffle(rng, ports),
            Content::Nested(inner) => **inner = shuffled(inner, rng)?,
        }
    }
    instance::shuffle(rng, &mut parts.boxes);
    instance::shuffle(rng, &mut parts.couplings);
    instance::shuffle(rng, &mut parts.links);
    instance::shuffle(rng, &mut parts.outer);
    instance::shuffle(rng, &mut parts.free);
    Wiring::new(parts).map_err(text)
}

/// The same problem with ports, variables and rows in another order.
fn shuffled_problem(problem: &OpenProblem, rng: &mut Seeded) -> Result<OpenProblem, String> {
    let old = problem.parts();
    let mut column: Vec<usize> = (0..problem.n()).collect();
    let mut row: Vec<usize> = (0..old.l.len()).collect();
    instance::shuffle(rng, &mut column);
    instance::shuffle(rng, &mut row);
    let spread = |values: &[f64], place: &[usize]| {
        let mut out = vec![0.0; values.len()];
        for (k, &v) in values.iter().enumerate() {
            out[place[k]] = v;
        }
        out
    };
    let origins = |place: &[usize], old: &[Origin]| {
        let mut out = old.to_vec();
        for (k, origin) in old.iter().enumerate() {
            out[place[k]] = origin.clone();
        }
        out
    };
    let (n, m) = (column.len(), row.len());
    let p = old.p.triplets().map(|(r, c, v)| {
        let (r, c) = (column[r], column[c]);
        (r.min(c), r.max(c), v)
    });
    let a = old.a.triplets().map(|(r, c, v)| (row[r], column[c], v));
    let mut ports = old.ports.clone();
    for port in &mut ports {
        let map = port.map.triplets().map(|(r, c, v)| (r, column[c], v));
        port.map = Sparse::from_triplets(port.map.rows(), n, &map.collect::<Vec<_>>());
    }
    instance::shuffle(rng, &mut ports);
    let parts = Parts {
        id: old.id.clone(),
        p: Sparse::from_triplets(n, n, &p.collect::<Vec<_>>()),
        q: spread(&old.q, &column),
        a: Sparse::from_triplets(m, n, &a.collect::<Vec<_>>()),
        l: spread(&old.l, &row),
        u: spread(&old.u, &row),
        ports,
        integer: Vec::new(),
    };
    let variables = origins(&column, problem.variables());
    let rows = origins(&row, problem.rows());
    OpenProblem::with_origins(parts, variables, rows).map_err(text)
}

/// Problems side by side, written out without the library's composition.
fn side_by_side(id: Name, problems: &[&OpenProblem]) -> Result<OpenProblem, String> {
    let (mut n, mut m) = (0, 0);
    let columns = problems.iter().map(|p| p.n()).sum();
    let (mut p, mut q, mut a) = (Vec::new(), Vec::new(), Vec::new());
    let (mut l, mut u, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    let (mut variables, mut rows) = (Vec::new(), Vec::new());
    for problem in problems {
        let parts = problem.parts();
        p.extend(parts.p.triplets().map(|(r, c, v)| (n + r, n + c, v)));
        a.extend(parts.a.triplets().map(|(r, c, v)| (m + r, n + c, v)));
        q.extend(&parts.q);
        l.extend(&parts.l);
        u.extend(&parts.u);
        for port in &parts.ports {
            let mut port = port.clone();
            let map: Vec<_> = port.map.triplets().map(|(r, c, v)| (r, n + c, v)).collect();
            port.map = Sparse::from_triplets(port.map.rows(), columns, &map);
            ports.push(port);
        }
        variables.extend(problem.variables().iter().cloned());
        rows.extend(problem.rows().iter().cloned());
        n += problem.n();
        m += parts.l.len();
    }
    let parts = Parts {
        id,
        p: Sparse::from_triplets(n, n, &p),
        q,
        a: Sparse::from_triplets(m, n, &a),
        l,
        u,
        ports,
        integer: Vec::new(),
    };
    OpenProblem::with_origins(parts, variables, rows).map_err(text)
}

/// A normal form as one problem, written out without the library's
/// composition.
fn assembled(id: Name, coupled: &Coupled) -> Result<OpenProblem, String> {
    let members: Vec<&OpenProblem> = coupled.members.iter().map(|m| &m.problem).collect();
    let sum = side_by_side(id, &members)?;
    let (mut variables, mut rows) = (sum.variables().to_vec(), sum.rows().to_vec());
    let mut parts = sum.parts().clone();
    parts.ports.clear();
    let own = parts.l.len();
    let mut a: Vec<_> = parts.a.triplets().collect();
    let mut offset = 0;
    for m in &coupled.members {
        let at = |(r, c, v): (usize, usize, f64)| (own + m.rows[r], offset + c, v);
        a.extend(m.b.triplets().map(at));
        offset += m.problem.n();
    }
    for row in &coupled.rows {
        parts.u.push(row.rhs);
        parts.l.push(match row.kind {
            RowKind::Equal => row.rhs,
            RowKind::AtMost => f64::NEG_INFINITY,
        });
        rows.push(Origin {
            owner: row.coupling.clone(),
            index: row.step,
        });
    }
    parts.a = Sparse::from_triplets(parts.l.len(), offset, &a);
    variables.truncate(offset);
    OpenProblem::with_origins(parts, variables, rows).map_err(text)
}

/// Where two problems that must be equal first differ.
fn first_difference(found: &OpenProblem, expected: &OpenProblem) -> String {
    let (Ok(f), Ok(e)) = (found.canonical(), expected.canonical()) else {
        return "no canonical form".to_owned();
    };
    let (fp, ep) = (f.parts(), e.parts());
    let differs = [
        ("the name", fp.id != ep.id),
        ("the variables", f.variables() != e.variables()),
        ("the rows", f.rows() != e.rows()),
        ("P", fp.p != ep.p),
        ("q", fp.q != ep.q),
        ("A", fp.a != ep.a),
        ("the sides", fp.l != ep.l || fp.u != ep.u),
        ("the ports", fp.ports != ep.ports),
    ];
    match differs.iter().find(|d| d.1) {
        Some((what, _)) => format!("{what} differ"),
        None => "the sign of a zero differs".to_owned(),
    }
}

/// Every port's map times a factor that depends on its sign.
fn with_ports(problem: &OpenProblem, factor: impl Fn(Sign) -> f64) -> Result<OpenProblem, String> {
    let mut parts = problem.parts().clone();
    for port in &mut parts.ports {
        let by = factor(port.sign);
        let map: Vec<_> = port
            .map
            .triplets()
            .map(|(r, c, v)| (r, c, by * v))
            .collect();
        port.map = Sparse::from_triplets(port.map.rows(), port.map.cols(), &map);
    }
    let (variables, rows) = (problem.variables().to_vec(), problem.rows().to_vec());
    OpenProblem::with_origins(parts, variables, rows).map_err(text)
}

/// The diagram without the last link of some sum of several.
fn without_a_link(wiring: &Wiring) -> Result<Wiring, String> {
    let mut parts = wiring.parts().clone();
    let several = |c: &&crate::wiring::Coupling| {
        matches!(c.kind, CouplingKind::Capacity { .. }) && wiring.links_of(&c.name).len() > 1
    };
    if let Some(c) = wiring.couplings().iter().find(several) {
        let last = wiring.links_of(&c.name).last().cloned();
        parts.links.retain(|l| Some(l) != last.as_ref());
        if let Some(at) = last.map(|l| l.at())
            && !parts.links.iter().any(|l| l.at() == at)
        {
            parts.free.push(PortRef { ..at });
        }
    }
    Wiring::new(parts).map_err(text)
}

fn reversed_ranks(wiring: &Wiring) -> Result<Wiring, String> {
    let mut parts = wiring.parts().clone();
    for l in &mut parts.links {
        let c = wiring.coupling(&l.coupling);
        if c.is_some_and(|c| matches!(c.kind, CouplingKind::Agreement)) {
            l.rank = u32::MAX - l.rank;
        }
    }
    for b in &mut parts.boxes {
        if let Content::Nested(inner) = &mut b.content {
            **inner = reversed_ranks(inner)?;
        }
    }
    Wiring::new(parts).map_err(text)
}
