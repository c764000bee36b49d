//! Builds one asset's problem: variables with bounds, rows, costs, ports.

use cosmosmesh_optimize::problem::{Grid, Name, OpenProblem, Parts, Port, ProblemError, Sign};
use cosmosmesh_optimize::sparse::Sparse;
use serde::{Deserialize, Serialize};

use crate::time::Steps;

/// What a variable or a derived series of an asset's plan measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Power drawn from the bus (negative: given to it), kW.
    Import,
    /// Power given to the bus (negative: drawn from it), kW.
    Export,
    /// Power into a battery, kW.
    Charge,
    /// Power out of a battery, kW.
    Discharge,
    /// Energy in a battery at the end of the step, kWh.
    Stored,
    /// Power of a solar array that is used, kW.
    Generation,
    /// Power that a solar array could give, kW.
    Available,
    /// Power into a shunt, kW.
    Shunt,
    /// Power of a load that is served, kW.
    Load,
    /// Power of a load that is shed, kW.
    Shed,
    /// Power of a task, kW.
    Task,
    /// Energy of a task over the whole plan, kWh. One value.
    TaskTotal,
    /// Power of an oxygen reactor, kW.
    Reactor,
    /// Oxygen in the tank at the end of the step, kg.
    Oxygen,
    /// Oxygen sold, kg a day.
    OxygenSale,
    /// Oxygen sold over the whole plan, kg. One value.
    OxygenTotal,
    /// Data in a recorder at the end of the step, Gbit.
    Recorded,
    /// Data lost by overwriting in the step, Gbit.
    Lost,
    /// Data returned over the whole plan, Gbit. One value.
    ReturnedTotal,
    /// Minutes of a downlink in the step, min.
    Minutes,
    /// Minutes of a relay kept for own use in the step, min.
    Kept,
    /// Minutes of a relay that serve others in the step, min.
    Served,
    /// Power of transmitters and receivers, kW.
    Radio,
}

impl Measure {
    /// The unit of its values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Stored | Self::TaskTotal => "kWh",
            Self::Oxygen | Self::OxygenTotal => "kg",
            Self::OxygenSale => "kg/d",
            Self::Recorded | Self::Lost | Self::ReturnedTotal => "Gbit",
            Self::Minutes | Self::Kept | Self::Served => "min",
            _ => "kW",
        }
    }
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The device, as the scenario names it.
    pub device: String,
    /// What is measured, and so its unit.
    pub measure: Measure,
    /// The step; `None` for totals over the plan.
    pub step: Option<u32>,
}

/// A variable of a model under construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Var(usize);

/// `Σ terms + constant`, one for each step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Affine {
    pub(crate) terms: Vec<(Var, f64)>,
    pub(crate) constant: f64,
}

/// A problem under construction.
///
/// Every variable comes with a finite box, written as a row with one entry:
/// bounds on the optimum are computed from boxes. A variable that cannot move
/// is not made at all; [`Model::variable`] then gives none, so that every box
/// has an interior.
#[derive(Debug, Default)]
pub(crate) struct Model {
    labels: Vec<Label>,
    boxes: Vec<(f64, f64)>,
    linear: Vec<f64>,
    quadratic: Vec<(usize, usize, f64)>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    entries: Vec<(usize, usize, f64)>,
    ports: Vec<Open>,
}

/// A port under construction: its terms, step by step.
#[derive(Debug)]
struct Open {
    name: &'static str,
    unit: &'static str,
    sign: Sign,
    steps: Vec<Vec<(Var, f64)>>,
}

/// Widths below this are none: they are far under any quantum.
const NO_WIDTH: f64 = 1e-9;

impl Model {
    /// A variable in `[lower, upper]`; `None` if that leaves no room.
    pub(crate) fn variable(
        &mut self,
        device: &str,
        measure: Measure,
        step: Option<usize>,
        (lower, upper): (f64, f64),
    ) -> Option<Var> {
        if upper - lower < NO_WIDTH {
            return None;
        }
        let var = Var(self.labels.len());
        self.labels.push(Label {
            device: device.to_owned(),
            measure,
            step: step.map(|t| t as u32),
        });
        self.boxes.push((lower, upper));
        self.linear.push(0.0);
        self.row((lower, upper), &[(var, 1.0)]);
        Some(var)
    }

    /// `lower ≤ Σ terms ≤ upper`.
    pub(crate) fn row(&mut self, (lower, upper): (f64, f64), terms: &[(Var, f64)]) {
        let r = self.lower.len();
        self.lower.push(lower);
        self.upper.push(upper);
        self.entries.extend(terms.iter().map(|&(v, c)| (r, v.0, c)));
    }

    /// `Σ terms + constant = 0`; does nothing for `0 = 0`.
    pub(crate) fn zero(&mut self, sum: &Affine) {
        if !sum.terms.is_empty() {
            self.row((-sum.constant, -sum.constant), &sum.terms);
        } else if sum.constant != 0.0 {
            // Nothing can move: an empty row says so, and the solver names it.
            self.row((-sum.constant, -sum.constant), &[]);
        }
    }

    /// The largest value of a sum over the boxes of its variables.
    pub(crate) fn largest(&self, sum: &Affine) -> f64 {
        sum.terms.iter().fold(sum.constant, |s, &(v, c)| {
            let (lower, upper) = self.boxes[v.0];
            s + (c * lower).max(c * upper)
        })
    }

    /// Adds `price · v` to the cost.
    pub(crate) fn cost(&mut self, v: Var, price: f64) {
        self.linear[v.0] += price;
    }

    /// Adds `price · v²` to the cost.
    pub(crate) fn square(&mut self, v: Var, price: f64) {
        if price > 0.0 {
            self.quadratic.push((v.0, v.0, 2.0 * price));
        }
    }

    /// Takes from the cost the value of `v` units when the first is worth
    /// `first` and the one at `all` is worth `last`: with the marginal value
    /// falling linearly, `first·v − (first − last)/(2·all)·v²`.
    pub(crate) fn value(&mut self, v: Var, first: f64, last: f64, all: f64) {
        self.cost(v, -first);
        self.square(v, (first - last) / (2.0 * all));
    }

    /// Declares a port: one sum a step.
    pub(crate) fn port(
        &mut self,
        name: &'static str,
        unit: &'static str,
        sign: Sign,
        steps: Vec<Vec<(Var, f64)>>,
    ) {
        // By name, as records keep them.
        let place = self.ports.partition_point(|p| p.name < name);
        let port = Open {
            name,
            unit,
            sign,
            steps,
        };
        self.ports.insert(place, port);
    }

    /// The finished problem and what its variables stand for.
    pub(crate) fn finish(
        self,
        id: Name,
        grid: &Grid,
    ) -> Result<(OpenProblem, Vec<Label>), ProblemError> {
        let (n, m) = (self.labels.len(), self.lower.len());
        let ports = self
            .ports
            .into_iter()
            .map(|port| {
                let steps = port.steps.iter().enumerate();
                let entries: Vec<_> = steps
                    .flat_map(|(t, s)| s.iter().map(move |&(v, c)| (t, v.0, c)))
                    .collect();
                Ok(Port {
                    name: Name::new(port.name)?,
                    unit: Name::new(port.unit)?,
                    grid: grid.clone(),
                    sign: port.sign,
                    map: Sparse::from_triplets(grid.len(), n, &entries),
                })
            })
            .collect::<Result<Vec<_>, ProblemError>>()?;
        let problem = OpenProblem::new(Parts {
            id,
            p: Sparse::from_triplets(n, n, &self.quadratic),
            q: self.linear,
            a: Sparse::from_triplets(m, n, &self.entries),
            l: self.lower,
            u: self.upper,
            ports,
            integer: Vec::new(),
        })?;
        Ok((problem, self.labels))
    }
}

/// What the devices of one asset do to its internal flows, step by step.
pub(crate) struct Flows {
    /// Power drawn minus power given, kW.
    pub(crate) power: Vec<Affine>,
    /// Data into the recorder minus data out of it, Gbit in the step.
    pub(crate) data: Vec<Affine>,
    /// Data returned, Gbit in the step.
    pub(crate) returned: Vec<Affine>,
    /// Minutes of the port `relay`.
    pub(crate) relay: Vec<Vec<(Var, f64)>>,
    /// Minutes of the port `antenna`.
    pub(crate) antenna: Vec<Vec<(Var, f64)>>,
    /// Most data that can come into the recorder over the plan, Gbit.
    pub(crate) most_data_gbit: f64,
}

impl Flows {
    pub(crate) fn new(steps: &Steps) -> Self {
        let n = steps.len();
        Self {
            power: vec![Affine::default(); n],
            data: vec![Affine::default(); n],
            returned: vec![Affine::default(); n],
            relay: vec![Vec::new(); n],
            antenna: vec![Vec::new(); n],
            most_data_gbit: 0.0,
        }
    }
}
