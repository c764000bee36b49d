//! Nested diagrams as a document: diagrams that refer to one another by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Content, Coupling, Link, MAX_BOXES, MAX_DEPTH, OuterPort, PortRef, PortType, Wiring, WiringBox,
    WiringError, WiringParts,
};
use crate::problem::Name;

/// Diagrams by name, one of which is the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The diagram that is the whole.
    pub root: Name,
    /// All diagrams, in any order.
    pub wirings: Vec<Sheet>,
}

/// One diagram of a [`Document`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// Its name in the document.
    pub name: Name,
    /// The boxes.
    pub boxes: Vec<DocumentBox>,
    /// The couplings.
    #[serde(default)]
    pub couplings: Vec<Coupling>,
    /// The links.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The outer ports.
    #[serde(default)]
    pub outer: Vec<OuterPort>,
    /// The ports that are deliberately tied to nothing.
    #[serde(default)]
    pub free: Vec<PortRef>,
}

/// A box of a [`Sheet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentBox {
    /// Its name.
    pub name: Name,
    /// What fills it.
    pub content: DocumentContent,
}

/// What fills a box of a [`Sheet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentContent {
    /// A problem with these ports.
    Leaf(Vec<PortType>),
    /// The diagram of that name in the document.
    Wiring(Name),
}

impl TryFrom<Document> for Wiring {
    type Error = DocumentError;

    /// Resolves the names; every diagram that is not the root takes the name
    /// of the box that it fills.
    fn try_from(document: Document) -> Result<Self, DocumentError> {
        let mut sheets = BTreeMap::new();
        for sheet in &document.wirings {
            if sheets.insert(&sheet.name, sheet).is_some() {
                return Err(DocumentError::Twice {
                    wiring: sheet.name.clone(),
                });
            }
        }
        let Some(&root) = sheets.get(&document.root) else {
            return Err(DocumentError::NoRoot {
                root: document.root.clone(),
            });
        };
        let mut resolver = Resolver {
            sheets: &sheets,
            open: Vec::new(),
            done: BTreeSet::new(),
            boxes: 0,
        };
        resolver.acyclic(root)?;
        if let Some(unused) = sheets.keys().find(|n| !resolver.done.contains(**n)) {
            return Err(DocumentError::Unused {
                wiring: (*unused).clone(),
            });
        }
        resolver.resolve(root, &root.name, 1)
    }
}

struct Resolver<'d> {
    sheets: &'d BTreeMap<&'d Name, &'d Sheet>,
    open: Vec<&'d Name>,
    done: BTreeSet<&'d Name>,
    boxes: usize,
}

impl<'d> Resolver<'d> {
    fn sheet(&self, by: &Sheet, of: &Name, wiring: &Name) -> Result<&'d Sheet, DocumentError> {
        self.sheets
            .get(wiring)
            .copied()
            .ok_or_else(|| DocumentError::Unknown {
                by: by.name.clone(),
                of: of.clone(),
                wiring: wiring.clone(),
            })
    }

    /// Depth-first over the references; each diagram is entered once.
    fn acyclic(&mut self, sheet: &'d Sheet) -> Result<(), DocumentError> {
        if let Some(k) = self.open.iter().position(|n| **n == sheet.name) {
            let mut cycle: Vec<Name> = self.open[k..].iter().map(|&n| n.clone()).collect();
            cycle.push(sheet.name.clone());
            return Err(DocumentError::Cycle { cycle });
        }
        if self.done.contains(&sheet.name) {
            return Ok(());
        }
        // Longer cycles than the depth limit are still named, but a chain is
        // refused before the stack is at risk.
        if self.open.len() > 32 * MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        self.open.push(&sheet.name);
        for b in &sheet.boxes {
            if let DocumentContent::Wiring(name) = &b.content {
                let inner = self.sheet(sheet, &b.name, name)?;
                self.acyclic(inner)?;
            }
        }
        self.open.pop();
        self.done.insert(&sheet.name);
        Ok(())
    }

    fn resolve(
        &mut self,
        sheet: &'d Sheet,
        name: &Name,
        depth: usize,
    ) -> Result<Wiring, DocumentError> {
        if depth > MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        // Counted as they are opened: a chain of doublings is refused early.
        self.boxes += sheet.boxes.len();
        if self.boxes > MAX_BOXES {
            return Err(DocumentError::TooLarge);
        }
        let mut boxes = Vec::with_capacity(sheet.boxes.len());
        for b in &sheet.boxes {
            let content = match &b.content {
                DocumentContent::Leaf(ports) => Content::Leaf(ports.clone()),
                DocumentContent::Wiring(wiring) => {
                    let inner = self.sheet(sheet, &b.name, wiring)?;
                    Content::Nested(Box::new(self.resolve(inner, &b.name, depth + 1)?))
                }
            };
            boxes.push(WiringBox {
                name: b.name.clone(),
                content,
            });
        }
        Wiring::new(WiringParts {
            name: name.clone(),
            boxes,
            couplings: sheet.couplings.clone(),
            links: sheet.links.clone(),
            outer: sheet.outer.clone(),
            free: sheet.free.clone(),
        })
        .map_err(|cause| DocumentError::Wiring {
            wiring: sheet.name.clone(),
            cause: Box::new(cause),
        })
    }
}

/// Why a document makes no diagram.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Two diagrams have one name.
    #[error("wiring {wiring} is declared twice")]
    Twice {
        /// The diagram.
        wiring: Name,
    },
    /// The root is not declared.
    #[error("the root wiring {root} is not declared")]
    NoRoot {
        /// The root.
        root: Name,
    },
    /// A box refers to a diagram that is not declared.
    #[error("wiring {by}: box {of} refers to wiring {wiring}, which is not declared")]
    Unknown {
        /// The diagram with the box.
        by: Name,
        /// The box.
        of: Name,
        /// What it refers to.
        wiring: Name,
    },
    /// A diagram that the root does not reach.
    #[error("wiring {wiring} is declared but no box that the root reaches refers to it")]
    Unused {
        /// The diagram.
        wiring: Name,
    },
    /// A diagram contains itself.
    #[error("cyclic nesting: {}", .cycle.iter().map(Name::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle {
        /// The way round, its first name again at the end.
        cycle: Vec<Name>,
    },
    /// More than [`MAX_DEPTH`] diagrams inside one another.
    #[error("wirings are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More than [`MAX_BOXES`] boxes once every reference is opened.
    #[error("with every reference opened there are more than {MAX_BOXES} boxes")]
    TooLarge,
    /// A diagram is ill typed.
    #[error("wiring {wiring}: {cause}")]
    Wiring {
        /// The diagram.
        wiring: Name,
        /// What is wrong with it.
        cause: Box<WiringError>,
    },
}
