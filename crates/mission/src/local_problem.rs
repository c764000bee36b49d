//! A member's private problem.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::EncodeError;
use crate::error::{Invalid, expect_length, strictly_increasing};
use crate::grid::TimeGrid;
use crate::hash::Commitment;
use crate::ids::{AssetId, ContractId, DomainId, MemberId, PortId};
use crate::numbers::{Finite, ProblemVersion};
use crate::unit::Unit;

/// The private problem of one member:
///
/// ```text
/// minimise    ½ xᵀP x + qᵀx
/// subject to  l ≤ A x ≤ u,   xⱼ an integer for the marked j
/// ports       sₖ = Aₖ x      what the couplings see
/// ```
///
/// It never leaves its owner: no [`Payload`](crate::Payload) can hold one. Its
/// owner shares a [`Commitment`] to it. So it may hold floats where messages
/// have fixed-point integers.
///
/// That `P` is positive semidefinite and that the feasible set is not empty are
/// not checked here; the solver does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalProblem {
    /// Whose problem it is.
    #[serde(alias = "asset_id")]
    pub id: MemberId,
    /// The planning domain.
    pub domain: DomainId,
    /// The assets that the problem plans.
    #[serde(deserialize_with = "crate::json::unique_set")]
    pub assets: BTreeSet<AssetId>,
    /// What is minimised.
    pub objective: Objective,
    /// What must hold, and what couplings see.
    pub constraints: Constraints,
    /// Which local solver to use.
    pub solver_hint: SolverHint,
    /// The revision of this problem.
    pub version: ProblemVersion,
    /// The contract under which it is planned.
    pub contract_id: ContractId,
}

crate::canonical_record!(LocalProblem {
    id, domain, assets, objective, constraints, solver_hint, version, contract_id,
} check LocalProblem::check);

/// A convex quadratic function `½ xᵀP x + qᵀx`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The entries of `P` on and above its diagonal that are not zero, in
    /// increasing order of (row, column).
    pub p: Vec<Triplet>,
    /// `q`; its length is the number of variables.
    pub q: Vec<Finite>,
}

crate::canonical_record!(Objective { p, q });

/// One entry of a sparse matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triplet {
    /// The row.
    pub row: u32,
    /// The column.
    pub column: u32,
    /// The entry; not zero.
    pub value: Finite,
}

crate::canonical_record!(Triplet { row, column, value });

/// What must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constraints {
    /// The rows of `l ≤ A x ≤ u`.
    pub rows: Vec<Row>,
    /// The ports, in increasing order of their names.
    pub ports: Vec<Port>,
    /// The variables that take integer values only.
    #[serde(deserialize_with = "crate::json::unique_set")]
    pub integers: BTreeSet<u32>,
}

crate::canonical_record!(Constraints {
    rows,
    ports,
    integers
});

/// One row of `l ≤ A x ≤ u`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The row's entry of `l`; absent where it is unbounded.
    pub lower: Option<Finite>,
    /// The row's entry of `u`; absent where it is unbounded.
    pub upper: Option<Finite>,
    /// The row's entries of `A` that are not zero, by increasing column.
    pub terms: Vec<Term>,
}

crate::canonical_record!(Row {
    lower,
    upper,
    terms
});

/// One entry of a sparse row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The column: which variable.
    pub column: u32,
    /// The entry; not zero.
    pub value: Finite,
}

crate::canonical_record!(Term { column, value });

/// A named port: what a coupling sees of the problem at each step of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name, unique in the problem.
    pub id: PortId,
    /// The unit of its values.
    pub unit: Unit,
    /// The steps at which it has values.
    pub grid: TimeGrid,
    /// Which signs its values may have.
    pub sign: Sign,
    /// One sparse row for each step: the value is the row times `x`.
    pub rows: Vec<Vec<Term>>,
}

crate::canonical_record!(Port {
    id,
    unit,
    grid,
    sign,
    rows
});

/// Which way a port exchanges. A positive value draws from the coupling, a
/// negative one supplies it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Only draws: values are at least zero.
    Draws,
    /// Only supplies: values are at most zero.
    Supplies,
    /// Either way.
    Either,
}

crate::canonical_enum!(Sign { Draws = 0, Supplies = 1, Either = 2 });

/// Which local solver to use. An unknown hint is an error.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SolverHint {
    /// Whichever suits the method.
    #[default]
    Auto,
    /// The project's own barrier kernel.
    Barrier,
    /// Clarabel, the reference.
    Clarabel,
}

crate::canonical_enum!(SolverHint { Auto = 0, Barrier = 1, Clarabel = 2 });

impl LocalProblem {
    /// The number of variables.
    pub fn variables(&self) -> usize {
        self.objective.q.len()
    }

    /// Checks the rules between the fields: indices below the number of
    /// variables, entries in order and not zero, bounds the right way round, one
    /// row for each step of a port.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        let variables = self.variables();
        let entries = &self.objective.p;
        strictly_increasing(
            "entries of P",
            entries.iter().map(|entry| (entry.row, entry.column)),
        )?;
        for entry in entries {
            check_index("column of P", entry.column, variables)?;
            check_index("row of P", entry.row, entry.column as usize + 1)?;
            check_nonzero("entry of P", entry.value)?;
        }
        for (index, row) in self.constraints.rows.iter().enumerate() {
            check_terms(&row.terms, variables)?;
            if matches!((row.lower, row.upper), (Some(lower), Some(upper)) if lower > upper) {
                return Err(Invalid::EmptyInterval {
                    what: "constraint rows",
                    index,
                });
            }
        }
        let ports = &self.constraints.ports;
        strictly_increasing("ports", ports.iter().map(|port| &port.id))?;
        for port in ports {
            expect_length("rows of a port", port.grid.len(), port.rows.len())?;
            for row in &port.rows {
                check_terms(row, variables)?;
            }
        }
        for &index in &self.constraints.integers {
            check_index("integer mark", index, variables)?;
        }
        Ok(())
    }

    /// A commitment to this problem. The salt is random, fresh for each
    /// commitment, and kept by the owner: whoever shall audit gets the problem
    /// and the salt, and compares.
    ///
    /// # Errors
    /// A problem that breaks a rule has none.
    pub fn commit(&self, salt: &[u8; 32]) -> Result<Commitment, EncodeError> {
        Commitment::to(self, salt)
    }
}

fn check_terms(terms: &[Term], variables: usize) -> Result<(), Invalid> {
    strictly_increasing("terms of a row", terms.iter().map(|term| term.column))?;
    for term in terms {
        check_index("column of a term", term.column, variables)?;
        check_nonzero("term", term.value)?;
    }
    Ok(())
}

fn check_index(what: &'static str, index: u32, length: usize) -> Result<(), Invalid> {
    if (index as usize) < length {
        Ok(())
    } else {
        Err(Invalid::OutOfRange {
            what,
            least: 0,
            most: length as i128 - 1,
            actual: index.into(),
        })
    }
}

fn check_nonzero(what: &'static str, value: Finite) -> Result<(), Invalid> {
    if value.get() == 0.0 {
        Err(Invalid::Zero { what })
    } else {
        Ok(())
    }
}
