//! The mission's record of a private problem, and the problem that the
//! optimiser works on: two spellings of one thing.
//!
//! [`to_record`] and [`from_record`] are inverse to each other on everything
//! that they take; what has no counterpart on the other side is refused. The
//! one difference in meaning is the sign of a port. The record counts what is
//! drawn as positive and says which signs occur; the optimiser's port also has
//! a role, and a supplier's port counts what is given. The role follows from
//! the boxes of the variables: a port supplies if it can give more than it can
//! draw, over all steps. That is also the rule by which scenarios are read.

use std::collections::BTreeSet;

use cosmosmesh_mission as mission;
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::problem::{Grid, Name, OpenProblem, Parts, Port, ProblemError, Sign};
use cosmosmesh_optimize::sparse::Sparse;

/// What a record says besides the problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// The planning domain.
    pub domain: mission::DomainId,
    /// The assets that the problem plans.
    pub assets: BTreeSet<mission::AssetId>,
    /// Which local solver to use.
    pub solver_hint: mission::SolverHint,
    /// The revision of the problem.
    pub version: mission::ProblemVersion,
    /// The contract under which it is planned.
    pub contract_id: mission::ContractId,
}

/// The optimiser's word for a solver hint.
pub fn solver(hint: mission::SolverHint) -> SolverName {
    match hint {
        mission::SolverHint::Auto => SolverName::Auto,
        mission::SolverHint::Barrier => SolverName::Barrier,
        mission::SolverHint::Clarabel => SolverName::Clarabel,
    }
}

/// Why a problem cannot be spelt the other way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A name, number or grid is not one for the record.
    #[error("box {id}: {cause}")]
    Invalid {
        /// The box.
        id: Name,
        /// What is wrong.
        cause: mission::Invalid,
    },
    /// The record is not a problem.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The unit of a port is unknown to the mission.
    #[error("box {id}: port {port} is in `{unit}`, which is no unit of the mission")]
    Unit {
        /// The box.
        id: Name,
        /// The port.
        port: Name,
        /// Its unit.
        unit: Name,
    },
    /// The role of a port is not that which its boxes give.
    #[error("box {id}: port {port} is declared {sign:?}, but can draw {draw} and give {give}")]
    Role {
        /// The box.
        id: Name,
        /// The port.
        port: Name,
        /// Its sign.
        sign: Sign,
        /// Most that it can draw.
        draw: f64,
        /// Most that it can give.
        give: f64,
    },
    /// A stored zero, which a record does not keep.
    #[error("box {id}: a zero is stored in {what}")]
    Zero {
        /// The box.
        id: Name,
        /// Where.
        what: &'static str,
    },
    /// The problem is a composite; a record holds one owner's own.
    #[error("box {id}: its variables or rows are those of other boxes")]
    Composite {
        /// The box.
        id: Name,
    },
}

/// Most that each port draws and gives over its steps, by the boxes of the
/// variables, in the record's sense: drawn is positive.
fn reach(parts: &Parts, port: &Port) -> (f64, f64) {
    let mut boxes = vec![(f64::NEG_INFINITY, f64::INFINITY); parts.q.len()];
    for r in 0..parts.l.len() {
        let mut row = parts.a.row(r);
        if let (Some((c, v)), None) = (row.next(), row.next()) {
            let (a, b) = (parts.l[r] / v, parts.u[r] / v);
            boxes[c].0 = boxes[c].0.max(a.min(b));
            boxes[c].1 = boxes[c].1.min(a.max(b));
        }
    }
    let (mut draw, mut give) = (0.0_f64, 0.0_f64);
    for t in 0..port.map.rows() {
        let (mut most, mut least) = (0.0, 0.0);
        for (c, v) in port.map.row(t) {
            let v = v * port.sign.coefficient();
            let (low, high) = (v * boxes[c].0, v * boxes[c].1);
            most += low.max(high);
            least += low.min(high);
        }
        draw = draw.max(most);
        give = give.max(-least);
    }
    (draw, give)
}

/// The problem as a record.
///
/// # Errors
///
/// What a record cannot hold: see [`RecordError`].
pub fn to_record(
    problem: &OpenProblem,
    heading: Heading,
) -> Result<mission::LocalProblem, RecordError> {
    let parts = problem.parts();
    let id = &parts.id;
    let invalid = |cause| RecordError::Invalid {
        id: id.clone(),
        cause,
    };
    let own = |o: &cosmosmesh_optimize::problem::Origin| o.owner == *id;
    if !problem.variables().iter().chain(problem.rows()).all(own) {
        return Err(RecordError::Composite { id: id.clone() });
    }
    let finite = |value: f64, what| {
        if value == 0.0 {
            return Err(RecordError::Zero {
                id: id.clone(),
                what,
            });
        }
        mission::Finite::new(value).map_err(invalid)
    };
    let p = parts.p.triplets().map(|(r, c, v)| {
        Ok(mission::Triplet {
            row: r as u32,
            column: c as u32,
            value: finite(v, "P")?,
        })
    });
    let q = parts
        .q
        .iter()
        .map(|&v| mission::Finite::new(v).map_err(invalid));
    let side = |v: f64| -> Result<Option<mission::Finite>, RecordError> {
        let bounded = v.is_finite().then(|| mission::Finite::new(v));
        bounded.transpose().map_err(invalid)
    };
    let terms = |m: &Sparse, r: usize, sign: f64, what| {
        m.row(r)
            .map(|(c, v)| {
                Ok(mission::Term {
                    column: c as u32,
                    value: finite(sign * v, what)?,
                })
            })
            .collect::<Result<Vec<_>, RecordError>>()
    };
    let rows = (0..parts.l.len()).map(|r| {
        Ok(mission::Row {
            lower: side(parts.l[r])?,
            upper: side(parts.u[r])?,
            terms: terms(&parts.a, r, 1.0, "A")?,
        })
    });
    let mut ports = Vec::new();
    for port in &parts.ports {
        let (draw, give) = reach(parts, port);
        let role = if give > draw {
            Sign::Supply
        } else {
            Sign::Draw
        };
        if role != port.sign {
            return Err(RecordError::Role {
                id: id.clone(),
                port: port.name.clone(),
                sign: port.sign,
                draw,
                give,
            });
        }
        let unit = mission::Unit::ALL
            .iter()
            .find(|u| u.symbol() == port.unit.as_str());
        let sign = port.sign.coefficient();
        let start = mission::UtcSeconds(port.grid.start_s);
        ports.push(mission::Port {
            id: mission::PortId::new(port.name.as_str()).map_err(invalid)?,
            unit: *unit.ok_or_else(|| RecordError::Unit {
                id: id.clone(),
                port: port.name.clone(),
                unit: port.unit.clone(),
            })?,
            grid: mission::TimeGrid::from_lengths(start, &port.grid.step_s).map_err(invalid)?,
            sign: signs(draw, give),
            rows: (0..port.map.rows())
                .map(|t| terms(&port.map, t, sign, "a port"))
                .collect::<Result<_, _>>()?,
        });
    }
    ports.sort_by(|a, b| a.id.cmp(&b.id));
    let record = mission::LocalProblem {
        id: mission::MemberId::new(id.as_str()).map_err(invalid)?,
        domain: heading.domain,
        assets: heading.assets,
        objective: mission::Objective {
            p: p.collect::<Result<_, RecordError>>()?,
            q: q.collect::<Result<_, RecordError>>()?,
        },
        constraints: mission::Constraints {
            rows: rows.collect::<Result<_, RecordError>>()?,
            ports,
            integers: parts.integer.iter().map(|&k| k as u32).collect(),
        },
        solver_hint: heading.solver_hint,
        version: heading.version,
        contract_id: heading.contract_id,
    };
    record.check().map_err(invalid)?;
    Ok(record)
}

fn signs(draw: f64, give: f64) -> mission::Sign {
    match (draw > 0.0, give > 0.0) {
        (true, true) => mission::Sign::Either,
        (false, true) => mission::Sign::Supplies,
        _ => mission::Sign::Draws,
    }
}

/// The problem of a record, with its ports by name.
///
/// # Errors
///
/// When the record breaks its own rules, is not convex, or a port's signs are
/// not those that its boxes give.
pub fn from_record(record: &mission::LocalProblem) -> Result<OpenProblem, RecordError> {
    let id = Name::new(record.id.as_str())?;
    record.check().map_err(|cause| RecordError::Invalid {
        id: id.clone(),
        cause,
    })?;
    let n = record.variables();
    let p: Vec<_> = record
        .objective
        .p
        .iter()
        .map(|e| (e.row as usize, e.column as usize, e.value.get()))
        .collect();
    let rows = &record.constraints.rows;
    let entries = |rows: &mut dyn Iterator<Item = &Vec<mission::Term>>| -> Vec<_> {
        rows.enumerate()
            .flat_map(|(r, terms)| {
                terms
                    .iter()
                    .map(move |t| (r, t.column as usize, t.value.get()))
            })
            .collect()
    };
    let a = entries(&mut rows.iter().map(|r| &r.terms));
    let mut parts = Parts {
        id: id.clone(),
        p: Sparse::from_triplets(n, n, &p),
        q: record.objective.q.iter().map(|v| v.get()).collect(),
        a: Sparse::from_triplets(rows.len(), n, &a),
        l: rows
            .iter()
            .map(|r| r.lower.map_or(f64::NEG_INFINITY, mission::Finite::get))
            .collect(),
        u: rows
            .iter()
            .map(|r| r.upper.map_or(f64::INFINITY, mission::Finite::get))
            .collect(),
        ports: Vec::new(),
        integer: record
            .constraints
            .integers
            .iter()
            .map(|&k| k as usize)
            .collect(),
    };
    for port in &record.constraints.ports {
        let map = entries(&mut port.rows.iter());
        let port_of = |sign: Sign| -> Result<Port, RecordError> {
            let signed: Vec<_> = map
                .iter()
                .map(|&(r, c, v)| (r, c, sign.coefficient() * v))
                .collect();
            Ok(Port {
                name: Name::new(port.id.as_str())?,
                unit: Name::new(port.unit.symbol())?,
                grid: Grid {
                    start_s: port.grid.start().0,
                    step_s: port.grid.lengths_s().collect(),
                },
                sign,
                map: Sparse::from_triplets(port.grid.len(), n, &signed),
            })
        };
        let drawn = port_of(Sign::Draw)?;
        let (draw, give) = reach(&parts, &drawn);
        if signs(draw, give) != port.sign {
            return Err(RecordError::Role {
                id,
                port: drawn.name,
                sign: Sign::Draw,
                draw,
                give,
            });
        }
        let port = if give > draw {
            port_of(Sign::Supply)?
        } else {
            drawn
        };
        parts.ports.push(port);
    }
    Ok(OpenProblem::new(parts)?)
}
