//! A mission's contracts as a wiring diagram.

use std::collections::BTreeMap;

use cosmosmesh_optimize::compose::{ComposeError, normal_form};
use cosmosmesh_optimize::coupled::Coupled;
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
    /// What is ill typed; a scenario that was parsed gives none, except a
    /// power balance whose members all draw or all supply.
    pub fn wiring(&self) -> Result<Wiring, WiringError> {
        let name = |text: &str| Name::new(text).expect("a port's name is a name");
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

    /// Members (in the order of [`Mission::assets`]) and coupling rows.
    ///
    /// # Errors
    ///
    /// As [`Mission::wiring`].
    pub fn normal_form(&self) -> Result<Coupled, WiringFailure> {
        Ok(normal_form(&self.wiring()?, &self.problems())?)
    }
}
