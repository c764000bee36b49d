//! What a diagram refuses, and what it makes of a small base.

use std::collections::BTreeMap;

use super::*;
use crate::compose::{ComposeError, compose, normal_form};
use crate::problem::{OpenProblem, Origin, Parts, Port};
use crate::sparse::Sparse;

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn port(text: &str, sign: Sign) -> PortType {
    PortType {
        name: name(text),
        unit: name(if sign == Sign::Level { "km" } else { "kW" }),
        grid: Grid::uniform(2, 3600),
        sign,
    }
}

fn coupling(text: &str, kind: CouplingKind) -> Coupling {
    Coupling {
        name: name(text),
        unit: name(if kind == CouplingKind::Agreement {
            "km"
        } else {
            "kW"
        }),
        grid: Grid::uniform(2, 3600),
        kind,
    }
}

fn balance(text: &str) -> Coupling {
    coupling(text, CouplingKind::Balance { rhs: vec![0.0; 2] })
}

fn link(coupling: &str, of: &str, port: &str) -> Link {
    Link {
        coupling: name(coupling),
        rank: 0,
        of: name(of),
        port: name(port),
    }
}

fn leaf(of: &str, ports: &[(&str, Sign)]) -> WiringBox {
    let ports = ports.iter().map(|(p, sign)| port(p, *sign)).collect();
    WiringBox::leaf(name(of), ports)
}

fn outer(port: &str, coupling: &str, sign: Sign) -> OuterPort {
    OuterPort {
        name: name(port),
        coupling: name(coupling),
        sign,
    }
}

fn free(of: &str, port: &str) -> PortRef {
    PortRef {
        of: name(of),
        port: name(port),
    }
}

/// A rover and a plant on one bus, and a place that both must reach.
fn base() -> WiringParts {
    WiringParts {
        name: name("base"),
        boxes: vec![
            leaf("rover", &[("power", Sign::Draw), ("place", Sign::Level)]),
            leaf("plant", &[("power", Sign::Supply), ("place", Sign::Level)]),
        ],
        couplings: vec![balance("bus"), coupling("meet", CouplingKind::Agreement)],
        links: vec![
            link("bus", "rover", "power"),
            link("bus", "plant", "power"),
            link("meet", "rover", "place"),
            link("meet", "plant", "place"),
        ],
        outer: Vec::new(),
        free: Vec::new(),
    }
}

/// `power` is variable 0, `place` variable 1; the second steps twice that.
fn problem(of: &str, ports: &[(&str, Sign)]) -> OpenProblem {
    let ports = ports.iter().enumerate().map(|(k, (p, sign))| {
        let PortType {
            name,
            unit,
            grid,
            sign,
        } = port(p, *sign);
        Port {
            name,
            unit,
            grid,
            sign,
            map: Sparse::from_triplets(2, 2, &[(0, k, 1.0), (1, k, 2.0)]),
        }
    });
    OpenProblem::new(Parts {
        id: name(of),
        p: Sparse::from_triplets(2, 2, &[(0, 0, 1.0)]),
        q: vec![1.0, -1.0],
        a: Sparse::from_triplets(2, 2, &[(0, 0, 1.0), (1, 1, 1.0)]),
        l: vec![0.0, 0.0],
        u: vec![5.0, 5.0],
        ports: ports.collect(),
        integer: vec![1],
    })
    .expect("a problem")
}

fn problems() -> BTreeMap<Name, OpenProblem> {
    let rover = problem("rover", &[("power", Sign::Draw), ("place", Sign::Level)]);
    let plant = problem("plant", &[("power", Sign::Supply), ("place", Sign::Level)]);
    BTreeMap::from([(name("rover"), rover), (name("plant"), plant)])
}

/// The message for the base with a change.
fn refused(change: impl FnOnce(&mut WiringParts)) -> String {
    let mut parts = base();
    change(&mut parts);
    match Wiring::new(parts) {
        Ok(_) => panic!("it is accepted"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn an_ill_typed_diagram_says_what_does_not_fit() {
    let unit = |p: &mut WiringParts| p.couplings[0].unit = name("W");
    assert_eq!(
        refused(unit),
        "balance bus: port power of box plant has unit kW, expected unit W"
    );
    let grid = |p: &mut WiringParts| p.couplings[1].grid = Grid::uniform(3, 60);
    assert_eq!(
        refused(grid),
        "agreement meet: port place of box plant has a grid of 2 steps from 0 s, each 3600 s, \
         expected a grid of 3 steps from 0 s, each 60 s"
    );
    let sign = |p: &mut WiringParts| {
        p.couplings[0].unit = name("km");
        p.links = vec![link("bus", "rover", "place")];
    };
    assert_eq!(
        refused(sign),
        "balance bus: port place of box rover has sign level, expected sign draw or supply"
    );
    assert_eq!(
        refused(|p| p.links[3].of = name("drone")),
        "port place of box drone, which coupling meet uses: there is no such box"
    );
    assert_eq!(
        refused(|p| p.links[0].port = name("heat")),
        "port heat of box rover: there is no such port; known: place, power"
    );
    assert_eq!(
        refused(|p| p.links[0].coupling = name("grid")),
        "coupling grid, which a link of port power of box rover uses, is not declared"
    );
    assert_eq!(
        refused(|p| {
            p.links.pop();
            p.free.push(free("plant", "place"));
        }),
        "agreement meet has 1 links, expected 2 or more"
    );
    assert_eq!(
        refused(|p| {
            p.links.pop();
            p.links[2] = link("meet", "plant", "place");
        }),
        "agreement meet has 1 links, expected 2 or more"
    );
    assert_eq!(
        refused(|p| p.couplings.push(balance("spare"))),
        "balance spare has 0 links, expected 1 or more"
    );
    assert_eq!(
        refused(|p| {
            p.links.remove(1);
        }),
        "port power of box plant is linked to nothing: link it, or list it as free"
    );
    assert_eq!(
        refused(|p| p.free.push(free("plant", "power"))),
        "port power of box plant is listed as free, but linked to coupling bus"
    );
    assert_eq!(
        refused(|p| p.boxes.push(leaf("rover", &[]))),
        "box rover is declared twice"
    );
    assert_eq!(
        refused(|p| p.couplings.push(balance("bus"))),
        "coupling bus is declared twice"
    );
    assert_eq!(
        refused(|p| p.couplings[0].name = name("rover")),
        "rover is the name of a box and of a coupling: rename one"
    );
    assert_eq!(
        refused(|p| p.links.push(link("bus", "rover", "power"))),
        "coupling bus: port power of box rover is linked twice"
    );
    assert_eq!(
        refused(|p| p.links[0].rank = 1),
        "balance bus: a link has rank 1; only the ports of an agreement are ranked"
    );
    let short = |p: &mut WiringParts| {
        p.couplings[0].kind = CouplingKind::Capacity { limit: vec![1.0] };
    };
    assert_eq!(
        refused(short),
        "coupling bus: limit has 1 values, expected 2, one a step"
    );
    let nan = |p: &mut WiringParts| {
        let rhs = vec![0.0, f64::NAN];
        p.couplings[0].kind = CouplingKind::Balance { rhs };
    };
    assert_eq!(
        refused(nan),
        "coupling bus: right-hand side at step 1 is NaN; it must be a finite number"
    );
}

#[test]
fn an_ill_typed_outer_port_says_what_does_not_fit() {
    let constant = |p: &mut WiringParts| {
        let rhs = vec![0.0, 2.5];
        p.couplings[0].kind = CouplingKind::Balance { rhs };
        p.outer.push(outer("net", "bus", Sign::Draw));
    };
    assert_eq!(
        refused(constant),
        "balance bus: exposed as net, but its right-hand side is 2.5 at step 1: \
         put the constant on the coupling that net is linked to"
    );
    assert_eq!(
        refused(|p| p.outer.push(outer("net", "bus", Sign::Level))),
        "outer port net: balance bus can be exposed as draw or supply, found level"
    );
    assert_eq!(
        refused(|p| p.outer.push(outer("net", "grid", Sign::Draw))),
        "coupling grid, which outer port net uses, is not declared"
    );
    let twice = |p: &mut WiringParts| {
        p.outer.push(outer("net", "bus", Sign::Draw));
        p.outer.push(outer("gross", "bus", Sign::Draw));
    };
    assert!(refused(twice).starts_with("coupling bus: outer ports gross and net both expose it"));
}

#[test]
fn a_balance_that_nothing_can_supply_is_refused_when_the_whole_is_known() {
    let mut parts = base();
    parts.boxes[1] = leaf("plant", &[("power", Sign::Draw), ("place", Sign::Level)]);
    let wiring = Wiring::new(parts).expect("well typed");
    let mut problems = problems();
    let plant = problem("plant", &[("power", Sign::Draw), ("place", Sign::Level)]);
    problems.insert(name("plant"), plant);
    let refused = normal_form(&wiring, &problems).expect_err("nothing supplies");
    assert_eq!(
        refused.to_string(),
        "balance bus: all its ports draw, and its right-hand side is 0 at step 0: nothing \
         supplies them; if a port can do both, declare the other sign and negate its map"
    );
    assert!(compose(&wiring, &problems).is_ok());
}

#[test]
fn absurd_sizes_are_refused() {
    let many = |p: &mut WiringParts| {
        p.boxes = (0..=MAX_BOXES)
            .map(|k| leaf(&format!("b{k}"), &[]))
            .collect();
    };
    assert_eq!(
        refused(many),
        "10001 boxes are more than the limit of 10000"
    );
    let mut wiring = Wiring::new(WiringParts {
        name: name("n"),
        boxes: vec![leaf("inmost", &[])],
        couplings: Vec::new(),
        links: Vec::new(),
        outer: Vec::new(),
        free: Vec::new(),
    })
    .expect("one box");
    for depth in 2..=MAX_DEPTH + 1 {
        let nested = Wiring::new(WiringParts {
            name: name("n"),
            boxes: vec![WiringBox {
                name: name("n"),
                content: Content::Nested(Box::new(wiring.clone())),
            }],
            couplings: Vec::new(),
            links: Vec::new(),
            outer: Vec::new(),
            free: Vec::new(),
        });
        match nested {
            Ok(w) => wiring = w,
            Err(e) => {
                assert_eq!(depth, MAX_DEPTH + 1);
                assert_eq!(
                    e.to_string(),
                    "17 levels of nesting are more than the limit of 16"
                );
                return;
            }
        }
    }
    panic!("it nests without end");
}

#[test]
fn the_composite_is_block_diagonal_with_the_couplings_below() {
    let wiring = Wiring::new(base()).expect("well typed");
    let whole = compose(&wiring, &problems()).expect("it composes");
    let parts = whole.parts();
    assert_eq!(parts.q, [1.0, -1.0, 1.0, -1.0]);
    assert_eq!(parts.integer, [1, 3]);
    let owners: Vec<_> = whole.rows().iter().map(|o| o.owner.as_str()).collect();
    assert_eq!(
        owners,
        [
            "bus", "bus", "meet", "meet", "plant", "plant", "rover", "rover"
        ]
    );
    let rows: Vec<Vec<_>> = (0..4).map(|r| parts.a.row(r).collect()).collect();
    assert_eq!(rows[0], [(0, -1.0), (2, 1.0)]);
    assert_eq!(rows[1], [(0, -2.0), (2, 2.0)]);
    // By (box, port) the plant is the first of the agreement.
    assert_eq!(rows[2], [(1, 1.0), (3, -1.0)]);
    assert!(parts.ports.is_empty());
    let coupled = normal_form(&wiring, &problems()).expect("it is closed");
    assert_eq!(coupled.rows.len(), 4);
    assert_eq!(coupled.members[0].problem.id().as_str(), "plant");
    assert_eq!(coupled.members[0].rows, [0, 1, 2, 3]);
}

/// The base inside a mission that gives it what it lacks.
fn mission(nested: bool) -> Wiring {
    let mut inner = base();
    inner.outer = vec![
        outer("net", "bus", Sign::Supply),
        outer("place", "meet", Sign::Level),
    ];
    let inner = Wiring::new(inner).expect("well typed");
    let outer = Wiring::new(WiringParts {
        name: name("mission"),
        boxes: vec![
            WiringBox::leaf(name("base"), inner.interface()),
            leaf("array", &[("power", Sign::Draw), ("place", Sign::Level)]),
        ],
        couplings: vec![
            coupling(
                "grid",
                CouplingKind::Capacity {
                    limit: vec![3.0; 2],
                },
            ),
            coupling("site", CouplingKind::Agreement),
        ],
        links: vec![
            link("grid", "base", "net"),
            link("grid", "array", "power"),
            link("site", "base", "place"),
            link("site", "array", "place"),
        ],
        outer: Vec::new(),
        free: Vec::new(),
    })
    .expect("well typed");
    let made = if nested {
        outer.nest(&name("base"), inner)
    } else {
        outer.substitute(&name("base"), &inner)
    };
    made.expect("it fits")
}

#[test]
fn opening_a_box_links_its_terms_and_its_level() {
    let open = mission(false);
    assert_eq!(open, mission(true).flatten());
    let at = |c: &str| -> Vec<String> {
        let links = open.links_of(&name(c)).iter();
        links.map(|l| format!("{}.{}", l.of, l.port)).collect()
    };
    assert_eq!(at("grid"), ["array.power", "plant.power", "rover.power"]);
    // The exposed balance has no rows and is gone; the agreement stays.
    assert!(open.coupling(&name("bus")).is_none());
    assert_eq!(at("meet"), ["plant.place", "rover.place"]);
    assert_eq!(at("site"), ["array.place", "plant.place"]);
    let array = problem("array", &[("power", Sign::Draw), ("place", Sign::Level)]);
    let mut problems = problems();
    problems.insert(name("array"), array);
    let nested = compose(&mission(true), &problems).expect("it composes");
    let flat = compose(&open, &problems).expect("it composes");
    assert_eq!(nested.canonical_bytes(), flat.canonical_bytes());
}

#[test]
fn a_box_is_filled_only_with_what_it_declares() {
    let wiring = Wiring::new(base()).expect("well typed");
    let with = |of: &str, p: OpenProblem| {
        let mut problems = problems();
        problems.insert(name(of), p);
        compose(&wiring, &problems)
            .expect_err("it does not fit")
            .to_string()
    };
    let turned = problem("plant", &[("power", Sign::Draw), ("place", Sign::Level)]);
    assert_eq!(
        with("plant", turned),
        "port power of box plant: the box declares sign supply, what fills it has sign draw"
    );
    let rover = problem("rover", &[("power", Sign::Draw), ("place", Sign::Level)]);
    assert_eq!(
        with("plant", rover.clone()),
        "box plant is filled with the problem rover; the names must be equal"
    );
    assert_eq!(
        with("drone", rover),
        "the diagram has no leaf drone for the problem of that name"
    );
    let mut few = problems();
    few.remove(&name("rover"));
    assert_eq!(
        compose(&wiring, &few),
        Err(ComposeError::NoProblem { of: name("rover") })
    );
    let mut parts = base();
    parts.outer.push(outer("net", "bus", Sign::Draw));
    let open = Wiring::new(parts).expect("well typed");
    assert!(matches!(
        normal_form(&open, &problems()),
        Err(ComposeError::Open { .. })
    ));
}

#[test]
fn a_variable_enters_a_row_once() {
    let twice = [("power", Sign::Draw), ("heat", Sign::Draw)];
    let mut parts = problem("rover", &twice).parts().clone();
    parts.ports[1].map = parts.ports[0].map.clone();
    let rover = OpenProblem::new(parts).expect("a problem");
    let wiring = Wiring::new(WiringParts {
        name: name("base"),
        boxes: vec![leaf("rover", &twice)],
        couplings: vec![coupling(
            "bus",
            CouplingKind::Capacity {
                limit: vec![1.0; 2],
            },
        )],
        links: vec![link("bus", "rover", "power"), link("bus", "rover", "heat")],
        outer: Vec::new(),
        free: Vec::new(),
    })
    .expect("well typed");
    let refused = compose(&wiring, &BTreeMap::from([(name("rover"), rover)]));
    let Err(ComposeError::Overlap(overlap)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        overlap.variable,
        Origin {
            owner: name("rover"),
            index: 0
        }
    );
}

fn sheet(text: &str, inner: &[&str]) -> Sheet {
    Sheet {
        name: name(text),
        boxes: inner
            .iter()
            .map(|w| DocumentBox {
                name: name(&format!("{text}.{w}")),
                content: DocumentContent::Wiring(name(w)),
            })
            .collect(),
        couplings: Vec::new(),
        links: Vec::new(),
        outer: Vec::new(),
        free: Vec::new(),
    }
}

#[test]
fn a_document_that_goes_round_in_circles_names_the_circle() {
    let refused = |wirings| {
        let root = name("a");
        let made = Wiring::try_from(Document { root, wirings });
        made.expect_err("it is refused").to_string()
    };
    assert_eq!(
        refused(vec![
            sheet("a", &["b"]),
            sheet("b", &["c"]),
            sheet("c", &["b"])
        ]),
        "cyclic nesting: b → c → b"
    );
    assert_eq!(refused(vec![sheet("a", &["a"])]), "cyclic nesting: a → a");
    assert_eq!(
        refused(vec![sheet("a", &["b"])]),
        "wiring a: box a.b refers to wiring b, which is not declared"
    );
    assert_eq!(
        refused(vec![sheet("a", &[]), sheet("a", &[])]),
        "wiring a is declared twice"
    );
    assert_eq!(
        refused(vec![sheet("a", &[]), sheet("z", &[])]),
        "wiring z is declared but no box that the root reaches refers to it"
    );
    assert_eq!(refused(Vec::new()), "the root wiring a is not declared");
}

#[test]
fn a_document_of_doublings_is_refused_before_it_is_opened() {
    let level = |k: u32| format!("a{k}");
    let mut wirings: Vec<Sheet> = (0..14)
        .map(|k| {
            let next = level(k + 1);
            let mut s = sheet(&level(k), &[&next, &next]);
            s.boxes[1].name = name(&format!("again{k}"));
            s
        })
        .collect();
    wirings.push(sheet(&level(14), &[]));
    let root = name(&level(0));
    let made = Wiring::try_from(Document { root, wirings });
    assert_eq!(made, Err(DocumentError::TooLarge));
    let mut wirings: Vec<Sheet> = (0..20)
        .map(|k| sheet(&level(k), &[&level(k + 1)]))
        .collect();
    wirings.push(sheet(&level(20), &[]));
    let root = name(&level(0));
    let made = Wiring::try_from(Document { root, wirings });
    assert_eq!(made, Err(DocumentError::TooDeep));
}

#[test]
fn what_is_written_is_read_back_and_checked_again() {
    for wiring in [mission(true), mission(false)] {
        let text = serde_json::to_string(&wiring).expect("it can be written");
        let back: Wiring = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(back, wiring);
        let clash = text.replacen("\"kW\"", "\"W\"", 1);
        let refused = serde_json::from_str::<Wiring>(&clash).expect_err("a unit clash");
        assert!(refused.to_string().contains("expected unit"), "{refused}");
        let unknown = text.replacen("\"couplings\"", "\"colour\":1,\"couplings\"", 1);
        assert!(serde_json::from_str::<Wiring>(&unknown).is_err());
    }
    let whole = compose(&Wiring::new(base()).expect("well typed"), &problems());
    let whole = whole.expect("it composes");
    let text = serde_json::to_string(&whole).expect("it can be written");
    let back: OpenProblem = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(back.canonical_bytes(), whole.canonical_bytes());
    let document = r#"{
        "root": "mission",
        "wirings": [
            { "name": "mission", "boxes": [ { "name": "base", "content": { "wiring": "lunar" } } ] },
            { "name": "lunar", "boxes": [ { "name": "rover", "content": { "leaf": [] } } ] }
        ]
    }"#;
    let document: Document = serde_json::from_str(document).expect("a document");
    let wiring = Wiring::try_from(document).expect("well typed");
    assert_eq!(wiring.depth(), 2);
    assert!(wiring.flatten().find_box(&name("rover")).is_some());
}
