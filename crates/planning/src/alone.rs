//! What an asset would do without the others, and what the agreement costs or
//! pays it.

use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::problem::{Name, OpenProblem, Parts, ProblemError};
use cosmosmesh_optimize::sparse::Sparse;
use serde::Serialize;

use crate::mission::{AssetModel, Mission};

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
                cost_value: asset.problem.cost(x) + asset.constant,
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
    /// [`Mission::settlements`]; add [`AssetModel::constant`].
    ///
    /// # Errors
    ///
    /// None for a model that was built from a scenario.
    pub fn alone(&self) -> Result<OpenProblem, ProblemError> {
        let parts = self.problem.parts();
        let mut entries: Vec<_> = parts.a.triplets().collect();
        let (mut l, mut u) = (parts.l.clone(), parts.u.clone());
        for port in &parts.ports {
            for t in 0..port.grid.len() {
                if port.map.row(t).next().is_none() {
                    continue;
                }
                let kept = port.name.as_str() == "relay" && !self.facts.relay_min.is_empty();
                let side = if kept { self.facts.relay_min[t] } else { 0.0 };
                entries.extend(port.map.row(t).map(|(c, v)| (l.len(), c, v)));
                l.push(side);
                u.push(side);
            }
        }
        OpenProblem::new(Parts {
            id: parts.id.clone(),
            p: parts.p.clone(),
            q: parts.q.clone(),
            a: Sparse::from_triplets(l.len(), parts.q.len(), &entries),
            l,
            u,
            ports: Vec::new(),
            integer: parts.integer.clone(),
        })
    }
}
