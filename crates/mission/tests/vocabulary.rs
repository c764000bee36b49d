//! The types by example: what they accept, what they refuse, what they mean.

use cosmosmesh_mission::{
    Canonical, CouplingId, DualVariables, EncodeError, Epoch, Exposure, ExposureRule, Finite,
    FixedVec, Invalid, LocalProblem, MAX_NAME, MAX_STEPS, OperatorId, PlanDelta, PolicyBlock,
    Quantity, Quantum, RegistryEntry, Run, SharedVariables, SignalId, TimeGrid, Unit, UtcSeconds,
    Wide, cbor, from_json, to_json,
};
use serde_json::{Value, json};

fn vector(stem: &str) -> Value {
    let path = format!(
        "{}/../../vectors/v1/{stem}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).expect("a vector")).expect("JSON")
}

#[test]
fn names_are_segments() {
    for good in [
        "a",
        "0",
        "rover-1",
        "base/rover-1/arm",
        "a.b_c",
        &"a".repeat(MAX_NAME),
    ] {
        assert_eq!(CouplingId::new(good).expect(good).as_str(), good);
    }
    let long = "a".repeat(MAX_NAME + 1);
    for bad in [
        "", "/", "a/", "/a", "a//b", "-a", "a-", "a/-b", ".", "..", "a b", "A", "é", "a\0", &long,
    ] {
        assert!(CouplingId::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn units_are_read_as_they_are_written_and_symbols_are_unique() {
    for &unit in Unit::ALL {
        assert_eq!(unit.symbol().parse(), Ok(unit));
    }
    assert!("kwh".parse::<Unit>().is_err());
    assert!("W ".parse::<Unit>().is_err());
}

#[test]
fn factors_between_units_are_exact_and_invert() {
    for &from in Unit::ALL {
        for &to in Unit::ALL {
            let (Ok(there), Ok(back)) = (from.factor_to(to), to.factor_to(from)) else {
                assert_ne!(from.dimension(), to.dimension());
                continue;
            };
            assert_eq!(there.numerator(), back.denominator(), "{from} {to}");
            assert_eq!(there.denominator(), back.numerator(), "{from} {to}");
            // A fraction cut to 64 bits would not pass both.
            let product = u128::from(there.numerator()) * u128::from(back.numerator());
            assert_eq!(
                product,
                u128::from(there.denominator()) * u128::from(back.denominator())
            );
        }
    }
    let factor = Unit::KilowattHour.factor_to(Unit::Joule).expect("energy");
    assert_eq!((factor.numerator(), factor.denominator()), (3_600_000, 1));
    assert_eq!(factor.scale_exactly(2), Some(7_200_000));
    assert_eq!(factor.scale_exactly(i64::MAX), None);
    let factor = Unit::Second.factor_to(Unit::Minute).expect("time");
    assert_eq!(factor.scale_exactly(90), None);
    assert_eq!(factor.scale_exactly(-120), Some(-2));
    let factor = Unit::KilogramOxygenPerDay.factor_to(Unit::KilogramOxygenPerHour);
    assert_eq!(
        factor.map(|f| (f.numerator(), f.denominator())),
        Ok((1, 24))
    );
}

#[test]
fn unlike_units_clash_and_say_so() {
    let error = Unit::Kilogram
        .factor_to(Unit::GramOxygen)
        .expect_err("a clash");
    assert_eq!(
        error.to_string(),
        "kg measures mass, g O2 measures mass of oxygen"
    );
    assert!(!Unit::Watt.is_compatible(Unit::WattHour));
}

#[test]
fn quantities_convert() {
    let quantity: Quantity = "1.5 kWh".parse().expect("a quantity");
    assert_eq!(quantity.in_unit(Unit::Joule), Ok(5.4e6));
    assert!(quantity.in_unit(Unit::Watt).is_err());
    assert_eq!(quantity.to_string(), "1.5 kWh");
    assert!("inf W".parse::<Quantity>().is_err());
    assert!("1.5kWh".parse::<Quantity>().is_err());
}

#[test]
fn quanta_round_once() {
    let milliwatt = Quantum::new(Unit::Watt, -3).expect("in range");
    assert_eq!(milliwatt.nearest(0.0015), Ok(2));
    assert_eq!(milliwatt.floor(0.0019), Ok(1));
    assert_eq!(milliwatt.floor(-0.0011), Ok(-2));
    assert_eq!(milliwatt.to_units(1), 0.001);
    assert!(milliwatt.nearest(f64::NAN).is_err());
    assert!(milliwatt.nearest(1e17).is_err());
    assert_eq!(milliwatt.to_string(), "1e-3 W");
    for text in [
        "1e+3 W", "1e03 W", "1e-0 W", "1e16 W", "1e3W", "2e3 W", "1e3  W",
    ] {
        assert!(text.parse::<Quantum>().is_err(), "{text}");
    }
    for steps in -3000..3000 {
        assert_eq!(milliwatt.floor(milliwatt.to_units(steps)), Ok(steps));
        assert_eq!(milliwatt.nearest(milliwatt.to_units(steps)), Ok(steps));
    }
}

#[test]
fn a_grid_knows_its_steps() {
    let grid = TimeGrid::from_lengths(UtcSeconds(100), &[10, 10, 30]).expect("valid");
    assert_eq!(
        grid.runs(),
        [
            Run {
                count: 2,
                length_s: 10
            },
            Run {
                count: 1,
                length_s: 30
            }
        ]
    );
    assert_eq!(
        (grid.len(), grid.duration_s(), grid.end()),
        (3, 50, UtcSeconds(150))
    );
    assert_eq!(grid.lengths_s().collect::<Vec<_>>(), [10, 10, 30]);
    assert_eq!(grid.step_start(2), UtcSeconds(120));
    for (time, step) in [
        (99, None),
        (100, Some(0)),
        (109, Some(0)),
        (110, Some(1)),
        (120, Some(2)),
        (149, Some(2)),
        (150, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ] {
        assert_eq!(grid.step_at(UtcSeconds(time)), step, "{time}");
    }
    assert_eq!(
        grid.to_cbor().expect("valid"),
        [0x82, 0x18, 100, 0x82, 0x82, 2, 10, 0x82, 1, 0x18, 30]
    );
}

#[test]
fn a_grid_has_one_form() {
    let start = UtcSeconds(0);
    let split = vec![
        Run {
            count: 1,
            length_s: 10,
        },
        Run {
            count: 1,
            length_s: 10,
        },
    ];
    assert!(TimeGrid::from_runs(start, split).is_err());
    assert!(TimeGrid::from_lengths(start, &[]).is_err());
    assert!(TimeGrid::from_lengths(start, &[10, 0]).is_err());
    assert!(TimeGrid::uniform(start, MAX_STEPS as u32, 1).is_ok());
    assert!(TimeGrid::uniform(start, MAX_STEPS as u32 + 1, 1).is_err());
    assert!(TimeGrid::uniform(start, u32::MAX, 1).is_err());
    assert!(TimeGrid::uniform(UtcSeconds(i64::MAX), 1, 1).is_err());
    // As the wire would have it: two runs that are one.
    assert!(TimeGrid::from_cbor(&[0x82, 0, 0x82, 0x82, 1, 10, 0x82, 1, 10]).is_err());
}

#[test]
fn numbers_are_finite_and_zero_is_positive() {
    assert!(Finite::new(f64::NAN).is_err());
    assert!(Finite::new(f64::INFINITY).is_err());
    assert!(Finite::new(-0.0).is_ok_and(|zero| zero.get().is_sign_positive()));
}

#[test]
fn wide_integers_take_the_shortest_form() {
    let encoded = |value| Wide(value).to_cbor().expect("valid");
    assert_eq!(encoded(-1), [0x20]);
    assert_eq!(
        encoded(u64::MAX.into()),
        [0x1b, 255, 255, 255, 255, 255, 255, 255, 255]
    );
    assert_eq!(
        encoded(-1 - i128::from(u64::MAX)),
        [0x3b, 255, 255, 255, 255, 255, 255, 255, 255]
    );
    // RFC 8949, appendix A.
    assert_eq!(encoded(1 << 64), [0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        encoded(-(1 << 64) - 1),
        [0xc3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn integers_have_one_json_form() {
    let read = |text: &str| from_json::<Epoch>(text).map(|epoch| epoch.0).ok();
    assert_eq!(read("9007199254740991"), Some((1 << 53) - 1));
    assert_eq!(read("\"9007199254740992\""), Some(1 << 53));
    assert_eq!(read("\"18446744073709551615\""), Some(u64::MAX));
    for bad in [
        "9007199254740992",
        "\"9007199254740991\"",
        "\"5\"",
        "\"09007199254740992\"",
        "1.0",
        "-1",
        "1e3",
        "\"18446744073709551616\"",
        "null",
        "true",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(
        to_json(&Epoch(1 << 53)).expect("valid"),
        "\"9007199254740992\"\n"
    );
}

#[test]
fn aliases_are_accepted_on_input() {
    let rename = |mut value: Value, from: &str, to: &str| {
        let fields = value.as_object_mut().expect("an object");
        let field = fields.remove(from).expect(from);
        fields.insert(to.to_owned(), field);
        value.to_string()
    };
    let problem = vector("local_problem");
    let aliased: LocalProblem =
        from_json(&rename(problem.clone(), "id", "asset_id")).expect("alias");
    assert_eq!(aliased, from_json(&problem.to_string()).expect("valid"));
    let shared = vector("shared_variables");
    let aliased: SharedVariables =
        from_json(&rename(shared.clone(), "round", "iter_id")).expect("alias");
    assert_eq!(aliased, from_json(&shared.to_string()).expect("valid"));
    let duals = vector("dual_variables");
    assert!(from_json::<DualVariables>(&rename(duals, "round", "iter_id")).is_ok());
    // Both at once is twice the same field.
    let mut twice = problem;
    twice["asset_id"] = json!("rover-2");
    assert!(from_json::<LocalProblem>(&twice.to_string()).is_err());
}

#[test]
fn json_refuses_what_is_unknown_or_twice() {
    let entry = |text: &str| from_json::<RegistryEntry>(text).is_ok();
    assert!(entry(
        r#"{"adapter_id":"a","supported_domains":["b"],"contract_version":1}"#
    ));
    assert!(!entry(
        r#"{"adapter_id":"a","supported_domains":["b"],"contract_version":1,"x":0}"#
    ));
    assert!(!entry(
        r#"{"adapter_id":"a","supported_domains":["b","b"],"contract_version":1}"#
    ));
    assert!(!entry(
        r#"{"adapter_id":"a","adapter_id":"a","supported_domains":[],"contract_version":1}"#
    ));
    let duals = vector("dual_variables").to_string();
    let twice = duals.replacen(r#""aa":[]"#, r#""aa":[],"aa":[]"#, 1);
    assert_ne!(duals, twice);
    assert!(from_json::<DualVariables>(&duals).is_ok());
    assert!(from_json::<DualVariables>(&twice).is_err());
    let mut problem = vector("local_problem");
    problem["solver_hint"] = json!("magic");
    assert!(from_json::<LocalProblem>(&problem.to_string()).is_err());
}

#[test]
fn json_refuses_what_cbor_refuses() {
    let mut shared = vector("shared_variables");
    shared["priors"]["points"][0]["sensitivity"] = json!([1, 2]);
    let error = from_json::<SharedVariables>(&shared.to_string()).expect_err("a bad length");
    assert_eq!(error.to_string(), "sensitivity has 2 items, expected 6");
    let mut problem = vector("local_problem");
    problem["constraints"]["integers"] = json!([3]);
    let error = from_json::<LocalProblem>(&problem.to_string()).expect_err("a bad index");
    assert_eq!(error.to_string(), "integer mark is 3, expected 0 to 2");
}

#[test]
fn limits_bind_both_ways() {
    let long = FixedVec(vec![0; cbor::MAX_ITEMS + 1]);
    assert_eq!(
        long.to_cbor(),
        Err(EncodeError::TooLong {
            limit: cbor::MAX_ITEMS,
            actual: cbor::MAX_ITEMS + 1
        })
    );
    assert!(FixedVec(vec![0; cbor::MAX_ITEMS]).to_cbor().is_ok());
    let large: Vec<FixedVec> = (0..3)
        .map(|_| FixedVec(vec![i64::MAX; cbor::MAX_ITEMS]))
        .collect();
    assert!(matches!(large.to_cbor(), Err(EncodeError::TooLarge { .. })));
    assert!(PlanDelta::from_cbor(&vec![0; cbor::MAX_BYTES + 1]).is_err());
}

#[test]
fn nesting_is_limited() {
    #[derive(Debug)]
    struct Nest(Vec<Nest>);

    impl Canonical for Nest {
        fn write(&self, writer: &mut cbor::Writer) {
            self.0.write(writer);
        }

        fn read(reader: &mut cbor::Reader<'_>) -> Result<Self, cbor::DecodeError> {
            Canonical::read(reader).map(Self)
        }
    }

    let nest = |depth: usize| (1..depth).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]));
    let bytes = nest(cbor::MAX_DEPTH).to_cbor().expect("within the limit");
    assert!(Nest::from_cbor(&bytes).is_ok());
    assert_eq!(
        nest(cbor::MAX_DEPTH + 1).to_cbor(),
        Err(EncodeError::TooDeep {
            limit: cbor::MAX_DEPTH
        })
    );
    assert!(Nest::from_cbor(&vec![0x81; 1 << 20]).is_err());
}

#[test]
fn the_least_exposing_rule_wins_and_the_default_is_hidden() {
    let signal = SignalId::new("habitat/occupancy").expect("valid");
    let (one, other) = (OperatorId::new("a"), OperatorId::new("b"));
    let (one, other) = (one.expect("valid"), other.expect("valid"));
    let rule = |recipient, level| ExposureRule {
        signal: signal.clone(),
        recipient,
        level,
    };
    let mut policy = PolicyBlock::default();
    assert_eq!(policy.exposure(&signal, &one), Exposure::Hidden);
    policy.exposure_rules.push(rule(None, Exposure::Exact));
    policy
        .exposure_rules
        .push(rule(Some(one.clone()), Exposure::Noised));
    assert_eq!(policy.exposure(&signal, &one), Exposure::Noised);
    assert_eq!(policy.exposure(&signal, &other), Exposure::Exact);
}

#[test]
fn a_commitment_binds_and_hides() {
    let problem: LocalProblem = from_json(&vector("local_problem").to_string()).expect("valid");
    let mut other = problem.clone();
    other.objective.q[0] = Finite::new(0.2).expect("finite");
    let commit = |problem: &LocalProblem, salt| problem.commit(&[salt; 32]).expect("valid");
    assert_eq!(commit(&problem, 1), commit(&problem, 1));
    assert_ne!(commit(&problem, 1), commit(&problem, 2));
    assert_ne!(commit(&problem, 1), commit(&other, 1));
}

#[test]
fn a_problem_that_is_ill_formed_has_no_encoding() {
    let good: LocalProblem = from_json(&vector("local_problem").to_string()).expect("valid");
    let refused = |change: fn(&mut LocalProblem)| {
        let mut problem = good.clone();
        change(&mut problem);
        match problem.to_cbor() {
            Err(EncodeError::Invalid(invalid)) => invalid,
            outcome => panic!("{outcome:?}"),
        }
    };
    assert!(matches!(
        refused(|p| p.objective.p.swap(0, 1)),
        Invalid::Order { .. }
    ));
    assert!(matches!(
        refused(|p| p.objective.p[0].row = 2),
        Invalid::OutOfRange { .. } | Invalid::Order { .. }
    ));
    assert!(matches!(
        refused(|p| p.objective.p[2].column = 9),
        Invalid::OutOfRange { .. }
    ));
    assert!(matches!(
        refused(|p| p.constraints.rows[0].lower = Finite::new(1e9).ok()),
        Invalid::EmptyInterval { index: 0, .. }
    ));
    assert!(matches!(
        refused(|p| drop(p.constraints.ports[0].rows.pop())),
        Invalid::Length {
            expected: 3,
            actual: 2,
            ..
        }
    ));
    assert!(matches!(
        refused(|p| p.constraints.rows[0].terms[0].value = Finite::default()),
        Invalid::Zero { .. }
    ));
}
