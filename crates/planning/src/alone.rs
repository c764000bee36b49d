//! What an asset would do without the others, and what the agreement costs or
//! pays it.

use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::problem::{Name, OpenProblem, Parts, Port, ProblemError, Sign};
use cosmosmesh_optimize::sparse::Sparse;
use serde::Serialize;

use crate::mission::{AssetModel, Mission};
use crate::time::Steps;

/// What an agreement means to one asset, in the mission's value unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settlement {
    /// The asset.
    pub asset: Name,
    /// Who owns it.
    pub owner: String,
    /// The cost of its own plan: what it spends less what that is worth.
    pub cost_value: f64,
    /// What it pays the others at the agreed prices; negative: what it gets.
    pub payment_value: f64,
}

impl Mission {
    /// Every asset's cost and payment at `price`, one price a row of
    /// `coupled` (see [`Mission::normal_form`]); `solution` has one vector an
    /// asset, in the order of [`Mission::assets`].
    ///
    /// An asset pays the price for what it draws and gets it for what it
    /// supplies. What a capacity earns goes to its holder, if that is an asset
    /// here. At optimal prices nobody is worse off than alone: with `s` its
    /// exchange, its plan minimises `cost + price·s` over all its plans, among
    /// them the one of [`AssetModel::alone`], which pays nothing. So
    /// `cost alone − cost − payment ≥ 0` is what the asset gains.
    ///
    /// # Panics
    ///
    /// If solution or prices do not fit.
    pub fn settlements(
        &self,
        coupled: &Coupled,
        solution: &[Vec<f64>],
        price: &[f64],
    ) -> Vec<Settlement> {
        assert_eq!(solution.len(), self.assets.len(), "one solution an asset");
        assert_eq!(price.len(), coupled.rows.len(), "one price a row");
        let mut settlements = Vec::new();
        for ((asset, x), member) in self.assets.iter().zip(solution).zip(&coupled.members) {
            assert_eq!(
                asset.id,
                *member.problem.id(),
                "members in the order of the assets"
            );
            let drawn = member.b.mul(x);
            let mut payment: f64 = member
                .rows
                .iter()
                .zip(&drawn)
                .map(|(&r, s)| price[r] * s)
                .sum();
            for (row, price) in coupled.rows.iter().zip(price) {
                let held = self
                    .contracts
                    .iter()
                    .any(|c| c.id == row.coupling && c.holder.as_ref() == Some(&asset.id));
                if held {
                    payment -= price * row.rhs;
                }
            }
            settlements.push(Settlement {
                asset: asset.id.clone(),
                owner: asset.owner.clone(),
                cost_value: asset.problem.cost(x),
                payment_value: payment,
            });
        }
        settlements
    }
}

impl AssetModel {
    /// The asset on its own: no power comes or goes, no minutes of a contract
    /// are used; a relay keeps all of its minutes. No ports are left.
    ///
    /// It may be infeasible: a rover without its plug may not live through a
    /// night. Then the asset cannot stand alone, and what the agreement is
    /// worth to it is its life. Exchanges are fixed by equations at the edge
    /// of their boxes, so that this problem has no interior: give it to a
    /// solver that needs none (Clarabel), not to a barrier kernel.
    ///
    /// Its optimum is comparable with cost plus payment of
    /// [`Mission::settlements`].
    ///
    /// # Errors
    ///
    /// None for a model that was built from a scenario.
    pub fn alone(&self) -> Result<OpenProblem, ProblemError> {
        let side = |port: &Port, t: usize| {
            let kept = port.name.as_str() == "relay" && !self.facts.relay_min.is_empty();
            let side = if kept { self.facts.relay_min[t] } else { 0.0 };
            (side, side)
        };
        let parts = self.problem.parts();
        self.fixed(parts.p.clone(), parts.q.clone(), &side)
    }

    /// How much energy the asset would have to be brought to live on its own:
    /// as [`AssetModel::alone`], but it may draw power, and the cost is what it
    /// draws, in kWh. `None` without a power port. Infeasible, too, when not
    /// even its plug saves it.
    ///
    /// # Errors
    ///
    /// None for a model that was built from a scenario.
    pub fn shortfall(&self, steps: &Steps) -> Result<Option<OpenProblem>, ProblemError> {
        let parts = self.problem.parts();
        let power = parts.ports.iter().find(|p| p.name.as_str() == "power");
        let Some(power) = power else {
            return Ok(None);
        };
        let sign = power.sign.coefficient();
        let mut q = vec![0.0; parts.q.len()];
        for (t, c, v) in power.map.triplets() {
            q[c] += sign * v * steps.hours(t);
        }
        let side = |port: &Port, t: usize| match (port.name.as_str(), port.sign) {
            ("power", Sign::Supply) => (f64::NEG_INFINITY, 0.0),
            ("power", _) => (0.0, f64::INFINITY),
            ("relay", _) if !self.facts.relay_min.is_empty() => {
                (self.facts.relay_min[t], self.facts.relay_min[t])
            }
            _ => (0.0, 0.0),
        };
        let n = parts.q.len();
        self.fixed(Sparse::zeros(n, n), q, &side).map(Some)
    }

    /// The problem with another cost, no ports, and rows that hold the values
    /// of its ports within sides.
    fn fixed(
        &self,
        p: Sparse,
        q: Vec<f64>,
        side: &dyn Fn(&Port, usize) -> (f64, f64),
    ) -> Result<OpenProblem, ProblemError> {
        let parts = self.problem.parts();
        let mut entries: Vec<_> = parts.a.triplets().collect();
        let (mut l, mut u) = (parts.l.clone(), parts.u.clone());
        for port in &parts.ports {
            for t in 0..port.grid.len() {
                if port.map.row(t).next().is_none() {
                    continue;
                }
                let (least, most) = side(port, t);
                entries.extend(port.map.row(t).map(|(c, v)| (l.len(), c, v)));
                l.push(least);
                u.push(most);
            }
        }
        OpenProblem::new(Parts {
            id: parts.id.clone(),
            p,
            a: Sparse::from_triplets(l.len(), q.len(), &entries),
            q,
            l,
            u,
            ports: Vec::new(),
            integer: parts.integer.clone(),
        })
    }
}
