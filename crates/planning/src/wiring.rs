//! A mission's contracts as a wiring diagram.

use std::collections::BTreeMap;

use cosmosmesh_optimize::compose::{ComposeError, normal_form};
use cosmosmesh_optimize::coupled::{Coupled, RowKind};
use cosmosmesh_optimize::problem::{Name, OpenProblem};
use cosmosmesh_optimize::wiring::{
    Coupling, CouplingKind as Junction, Link, Wiring, WiringBox, WiringError, WiringParts,
};

use crate::mission::Mission;
use crate::scenario::CouplingKind;

/// Why a mission has no normal form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WiringFailure {
    /// The diagram is ill typed.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The problems do not fit the diagram.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

impl Mission {
    /// The diagram: one box for each asset, one coupling for each contract.
    ///
    /// # Errors
    ///
    /// What is ill typed; a scenario that was parsed gives none.
    pub fn wiring(&self) -> Result<Wiring, WiringError> {
        let name = |text: &str| Name::new(text).expect("units and ports of resources are names");
        let grid = self.steps.grid(self.start_unix_s);
        let mut couplings = Vec::new();
        let mut links = Vec::new();
        for c in &self.contracts {
            couplings.push(Coupling {
                name: c.id.clone(),
                unit: name(c.resource.unit()),
                grid: grid.clone(),
                kind: match c.kind {
                    CouplingKind::Balance => Junction::Balance {
                        rhs: c.capacity.clone(),
                    },
                    CouplingKind::Capacity => Junction::Capacity {
                        limit: c.capacity.clone(),
                    },
                },
            });
            links.extend(c.members.iter().map(|m| Link {
                coupling: c.id.clone(),
                rank: 0,
                of: m.clone(),
                port: name(c.resource.port()),
            }));
        }
        Wiring::new(WiringParts {
            name: self.name.clone(),
            boxes: self
                .assets
                .iter()
                .map(|a| WiringBox::leaf(a.id.clone(), a.problem.interface()))
                .collect(),
            couplings,
            links,
            outer: Vec::new(),
            free: Vec::new(),
        })
    }

    /// The problems of the assets, by name.
    pub fn problems(&self) -> BTreeMap<Name, OpenProblem> {
        self.assets
            .iter()
            .map(|a| (a.id.clone(), a.problem.clone()))
            .collect()
    }

    /// Members (in the order of [`Mission::assets`]) and coupling rows. Rows
    /// that nobody can touch are left out, if they hold: the minutes of a step
    /// without contact have no price.
    ///
    /// # Errors
    ///
    /// As [`Mission::wiring`].
    pub fn normal_form(&self) -> Result<Coupled, WiringFailure> {
        let mut coupled = normal_form(&self.wiring()?, &self.problems())?;
        let mut kept = vec![false; coupled.rows.len()];
        for &row in coupled.members.iter().flat_map(|m| &m.rows) {
            kept[row] = true;
        }
        for (kept, row) in kept.iter_mut().zip(&coupled.rows) {
            let holds = match row.kind {
                RowKind::Equal => row.rhs == 0.0,
                RowKind::AtMost => row.rhs >= 0.0,
            };
            *kept |= !holds;
        }
        let mut place = Vec::with_capacity(kept.len());
        let mut count = 0;
        for &kept in &kept {
            place.push(count);
            count += usize::from(kept);
        }
        for member in &mut coupled.members {
            for row in &mut member.rows {
                *row = place[*row];
            }
        }
        let mut kept = kept.into_iter();
        coupled.rows.retain(|_| kept.next() == Some(true));
        Ok(coupled)
    }
}
