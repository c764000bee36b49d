//! What is wrong in a scenario is said with its line, its value and a remedy.

use cosmosmesh_planning::error::ScenarioError;
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::Scenario;
use cosmosmesh_planning::shipped::shipped;

fn refused(text: &str) -> ScenarioError {
    match Scenario::parse("bad.toml", text) {
        Err(e) => e,
        Ok(scenario) => Mission::build(&scenario).expect_err("this scenario is bad"),
    }
}

/// The line of the first place in `text` where `part` stands.
fn line_of(text: &str, part: &str) -> usize {
    let at = text
        .find(part)
        .unwrap_or_else(|| panic!("`{part}` is not there"));
    text[..at].matches('\n').count() + 1
}

struct Case {
    scenario: &'static str,
    /// Replaced once.
    from: &'static str,
    to: &'static str,
    /// Where the error must point: the line of this text.
    at: &'static str,
    /// What the message must contain.
    says: &'static str,
    /// What the remedy must contain.
    remedy: &'static str,
}

const fn energy(
    from: &'static str,
    to: &'static str,
    at: &'static str,
    says: &'static str,
    remedy: &'static str,
) -> Case {
    Case {
        scenario: "energy_balance",
        from,
        to,
        at,
        says,
        remedy,
    }
}

const CASES: &[Case] = &[
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nowner = \"habitat\"",
        "owner = \"habitat\"",
        "a balance has no owner",
        "commitment",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nreserve = 1.0",
        "reserve = 1.0",
        "a balance has no reserve",
        "commitment",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nweight = [{ member = \"nobody\", parts = 1 }]",
        "nobody",
        "not a member",
        "one of the members",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\ncurtailment = [\"rover\", \"rover\"]",
        "curtailment",
        "twice",
        "once",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\ncommitment = [{ member = \"rover\", amount = 1e6 }]",
        "amount = 1e6",
        "can supply",
        "export_limit_w",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nfloor = [{ member = \"rover\", amount = 1.0 }]",
        "floor = ",
        "commitment",
        "add `from`",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nfloor = [{ member = \"rover\", from = \"solar_plant\", amount = 1.0 }]",
        "floor = ",
        "committed itself to nothing",
        "add a `commitment`",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\ncommitment = [{ member = \"solar_plant\", amount = 0.5 }]\nfloor = [{ member = \"rover\", from = \"solar_plant\", amount = 1.0 }]",
        "amount = 0.5",
        "floors and reserve",
        "lower",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\nquorum = 1",
        "quorum = 1",
        "1 receipts",
        "2 to 3",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"habitat\"\n[coupling.lease]\ncolour = 1",
        "colour = 1",
        "unknown field",
        "spelling",
    ),
    energy(
        "quantum = 0.000001",
        "quantum = 0.001\ncolour = 1",
        "colour",
        "unknown field",
        "spelling",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_kwh = 2 ",
        "capacity_kwh",
        "unknown field",
        "spelling",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_wh = -2000 ",
        "capacity_wh = -2000",
        "out of range",
        "greater than 0",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_wh = nan ",
        "capacity_wh = nan",
        "not a finite number",
        "finite",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_wh = inf ",
        "capacity_wh = inf",
        "not a finite number",
        "finite",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_wh = 1e300 ",
        "capacity_wh = 1e300",
        "beyond",
        "magnitude",
    ),
    energy(
        "capacity_wh = 2000 ",
        "capacity_wh = \"2 kWh\" ",
        "\"2 kWh\"",
        "invalid type",
        "type",
    ),
    energy(
        "reserve_wh = 400",
        "reserve_wh = 4000",
        "reserve_wh = 4000",
        "leaves nothing",
        "below",
    ),
    energy(
        "initial_wh = 900",
        "initial_wh = 100",
        "initial_wh = 100",
        "below the reserve",
        "at least 400",
    ),
    energy(
        "final_wh = 900",
        "final_wh = 9000",
        "final_wh = 9000",
        "more than the capacity",
        "at most 2000",
    ),
    energy(
        "charge_efficiency = 0.96",
        "charge_efficiency = 1.1",
        "charge_efficiency = 1.1",
        "out of range",
        "at most 1",
    ),
    energy(
        "unit = \"kW\"",
        "unit = \"min\"",
        "unit = \"min\"",
        "unit clash",
        "unit = \"kW\"",
    ),
    energy(
        "quantum = 0.000001",
        "quantum = 0",
        "quantum = 0",
        "out of range",
        "greater than 0",
    ),
    energy(
        "members = [\"rover\",",
        "members = [\"rovr\",",
        "\"rovr\"",
        "unknown member",
        "name an asset",
    ),
    energy(
        "members = [\"rover\",",
        "members = [\"rover\", \"rover\",",
        "members = [\"rover\", \"rover\"",
        "twice",
        "once",
    ),
    energy(
        "slack = \"habitat\"",
        "slack = \"tower\"",
        "slack = \"tower\"",
        "not a member",
        "one of the members",
    ),
    energy(
        "id = \"habitat\"",
        "id = \"rover\"",
        "id = \"rover\"\nkind = \"habitat\"",
        "declared twice",
        "of its own",
    ),
    energy(
        "id = \"habitat\"",
        "id = \"The Habitat\"",
        "The Habitat",
        "is no name",
        "a-z",
    ),
    energy(
        "count = 24",
        "count = 100000",
        "grid = ",
        "100000 steps",
        "at most 400|1 to 400",
    ),
    energy(
        "step_s = 3600",
        "step_s = 0",
        "grid = ",
        "steps of 0 s",
        "60 s",
    ),
    energy(
        "horizon_h = 24",
        "horizon_h = 25",
        "horizon_h = 25",
        "add up to 24",
        "24",
    ),
    energy(
        "start_utc = \"2026-11-01T00:00:00Z\"",
        "start_utc = \"2026-11-31T00:00:00Z\"",
        "2026-11-31",
        "no instant",
        "UTC",
    ),
    energy(
        "minimum_wh = 800",
        "minimum_wh = 2400",
        "minimum_wh = 2400",
        "not below the most",
        "less than",
    ),
    energy(
        "power_limit_w = 400\n",
        "power_limit_w = 40\n",
        "minimum_wh = 800",
        "more than its windows can give",
        "widen",
    ),
    energy(
        "{ from_h = 2, to_h = 12 }",
        "{ from_h = 12, to_h = 2 }",
        "from_h = 12",
        "backwards",
        "end after",
    ),
    energy(
        "profile = [0.34,",
        "profile = [0.34, 0.34,",
        "profile = [0.34, 0.34",
        "25 values for 24 steps",
        "one value a step",
    ),
    energy(
        "to = \"oxygen_plant\"",
        "to = \"oxigen_plant\"",
        "oxigen_plant",
        "nothing here is called",
        "oxygen_plant",
    ),
    energy(
        "delay_s = 0.05\n\n[[link]]\nfrom = \"habitat\"\nto = \"solar",
        "\n[[link]]\nfrom = \"habitat\"\nto = \"solar",
        "from = \"habitat\"",
        "always on, has windows, or is computed",
        "exactly one",
    ),
    energy(
        "import_limit_w = 600 ",
        "import_limit_w = 0 ",
        "[asset.bus]",
        "carries nothing",
        "above 0",
    ),
    energy(
        "import_limit_w = 0\nexport_limit_w = 10000",
        "import_limit_w = 20000\nexport_limit_w = 10000",
        "members = ",
        "all members of `power_bus` can draw more than they give",
        "export limit",
    ),
    energy(
        "delay_s = 0.05\n",
        "delay_s = 0.05\nwindow = [\n  { from_s = 0, to_s = 900 },\n  { from_s = 600, to_s = 1200 },\n]\n",
        "{ from_s = 600",
        "before the one above ends",
        "without overlaps",
    ),
    energy(
        "delay_s = 0.05\n",
        "delay_s = 0.05\nwindow = [\n  { from_s = 900, to_s = 600 },\n]\n",
        "{ from_s = 900",
        "backwards",
        "end after",
    ),
    energy("[mission]", "[mission", "[mission", "", "TOML"),
    energy(
        "power_w = 50 ",
        "power_w = 50\npower_w = 60 ",
        "power_w = 60",
        "duplicate key",
        "once",
    ),
    energy(
        "horizon_h = 24\n",
        "",
        "[mission]",
        "missing field `horizon_h`",
        "add the field",
    ),
    energy(
        "kind = \"rover\"\n",
        "kind = \"rover\"\nsolver_hint = \"osqp\"\n",
        "solver_hint = \"osqp\"",
        "expected one of `auto`, `barrier`, `clarabel`",
        "one of the words",
    ),
    energy(
        "kind = \"balance\"",
        "kind = \"sum\"",
        "kind = \"sum\"",
        "unknown variant",
        "one of the words",
    ),
    Case {
        scenario: "shackleton_relay",
        from: "eccentricity = 0.58",
        to: "eccentricity = 1.58",
        at: "eccentricity = 1.58",
        says: "not closed",
        remedy: "below 1",
    },
    Case {
        scenario: "shackleton_relay",
        from: "semi_major_axis_km = 5740",
        to: "semi_major_axis_km = 1740",
        at: "from = \"habitat\"\nto = \"relay_orbiter\"",
        says: "",
        remedy: "places",
    },
    Case {
        scenario: "shackleton_relay",
        from: "capacity = { share_of_step = 0.06 }",
        to: "capacity = { share_of_step = 0.06, constant = 3 }",
        at: "capacity = { share_of_step",
        says: "2 ways",
        remedy: "one of",
    },
    Case {
        scenario: "shackleton_relay",
        from: "place = \"frozen_orbit\"",
        to: "place = \"dsn\"",
        at: "place = \"dsn\"",
        says: "no place",
        remedy: "site or an orbiter",
    },
    Case {
        scenario: "shackleton_relay",
        from: "closers = [\"habitat\"",
        to: "closers = [\"dsn\"",
        at: "closers = [\"dsn\"",
        says: "`dsn` is no member of any coupling",
        remedy: "assets that share something",
    },
    Case {
        scenario: "shackleton_relay",
        from: "closers = [\"habitat\"",
        to: "closers = [\"rover_1\"",
        at: "closers = [\"rover_1\"",
        says: "`rover_1` closes twice",
        remedy: "once",
    },
];

#[test]
fn every_error_has_its_place() {
    for case in CASES {
        let sound = shipped(case.scenario).unwrap();
        assert!(
            sound.contains(case.from),
            "`{}` is not in {}",
            case.from,
            case.scenario
        );
        let text = sound.replacen(case.from, case.to, 1);
        let error = refused(&text);
        println!("{error}");
        assert_eq!(error.file(), "bad.toml");
        assert_eq!(error.line(), line_of(&text, case.at), "{error}");
        assert!(error.message().contains(case.says), "{error}");
        let remedies: Vec<&str> = case.remedy.split('|').collect();
        assert!(
            remedies.iter().any(|r| error.remedy().contains(r)),
            "{error}"
        );
        assert!(error.column() >= 1);
        let place = format!("bad.toml:{}:{}: ", error.line(), error.column());
        assert!(error.to_string().starts_with(&place), "{error}");
    }
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let text = "#".repeat(2 << 20);
    assert!(refused(&text).remedy().contains("bytes"));
}

#[test]
fn absurd_sizes_are_refused() {
    let text = shipped("energy_balance").unwrap();
    let link = "[[link]]\nfrom = \"rover\"\nto = \"habitat\"\nrate_bit_per_s = 1\ndelay_s = 1\n";
    let error = refused(&format!("{text}\n{}", link.repeat(2000)));
    assert!(error.message().contains("2003 links"), "{error}");
    let load = "[[asset.load]]\nname = \"one\"\npower_w = 1\n";
    let error = refused(&text.replacen(
        "[[asset.load]]",
        &format!("{}[[asset.load]]", load.repeat(99)),
        1,
    ));
    assert!(error.message().contains("100 loads"), "{error}");
    assert_eq!(error.line(), line_of(text, "id = \"rover\""));
}

#[test]
fn cut_texts_never_panic() {
    let text = shipped("energy_balance").unwrap();
    for end in (0..text.len()).step_by(97) {
        if let Some(part) = text.get(..end) {
            let _ = Scenario::parse("cut.toml", part);
        }
    }
}
