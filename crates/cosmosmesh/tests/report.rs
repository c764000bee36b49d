//! The report is one safe, self-contained page, and the files of a run are
//! what programs and spreadsheets expect.

use std::collections::BTreeSet;

use cosmosmesh::kpi;
use cosmosmesh::leases::{LeaseFigures, MemberLeases};
use cosmosmesh::report::{
    Allocation, Alone, AssetGain, AssetReport, BoundKind, ContactUse, ContactWindows,
    CouplingReport, OwnerReport, ReportData, RoundReport, ScenarioInfo, SeriesReport, Summary,
    fill, render, verdict,
};
use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::model::Measure;
use cosmosmesh_planning::scenario::{CouplingKind, Kind, Resource, Scenario};
use cosmosmesh_planning::schedule::Kpis;
use cosmosmesh_planning::shipped::shipped;
use cosmosmesh_planning::time::Span;
use serde_json::Value;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{2028}";

/// Three steps of unequal length and one of everything, with a name of our
/// choice wherever a name can stand.
fn sample(name: &str) -> ReportData {
    let text = name.to_owned();
    ReportData {
        scenario: ScenarioInfo {
            name: text.clone(),
            description: text.clone(),
            value_unit: text.clone(),
            start_unix_s: 1_793_491_200,
        },
        edges_s: vec![0, 3_600, 10_800, 97_200],
        summary: Summary {
            method: text.clone(),
            seed: 7,
            members: 2,
            rounds: 1,
            gap_wanted: 1e-4,
            loss_share: 0.3,
            agreed: true,
            plan_final: true,
            final_entries: 12,
            provisional_entries: 1,
            bound: BoundKind::Certified,
            bound_reason: text.clone(),
            lower_value: Some(-12.0005),
            upper_value: Some(-12.0),
            certified_relative_gap: Some(4.2e-5),
            central_relative_error: Some(1e-6),
            coupling_violation_max: 0,
            physical_residual_max: 1e-9,
            violations: Vec::new(),
            messages: 4,
            bytes_sent: 2_048,
            virtual_time_s: 4_000.0,
            state_digest: text.clone(),
        },
        assets: vec![AssetReport {
            name: text.clone(),
            kind: Kind::Rover,
            owner: text.clone(),
            series: vec![SeriesReport {
                device: text.clone(),
                measure: Measure::Stored,
                unit: "kWh".to_owned(),
                initial: Some(1.0),
                floor: Some(0.5),
                ceiling: Some(2.0),
                values: vec![1.0, 0.333_333_333_333, f64::NAN],
            }],
            dark: vec![Span {
                from_s: 60,
                to_s: 120,
            }],
            contacts: vec![ContactWindows {
                peer: text.clone(),
                spans: vec![Span {
                    from_s: 0,
                    to_s: 600,
                }],
                delay_s: 0.1,
                rate_bit_per_s: 1e6,
            }],
            kpis: Kpis::default(),
        }],
        couplings: vec![CouplingReport {
            name: text.clone(),
            resource: Resource::Relay,
            kind: CouplingKind::Capacity,
            unit: "min".to_owned(),
            capacity: Some(vec![10.0, 20.0, 30.0]),
            price_unit: text.clone(),
            price: vec![Some(0.5), None, Some(0.25)],
            members: vec![Allocation {
                member: text.clone(),
                values: vec![10.0, 0.0, -0.0],
            }],
        }],
        leases: LeaseFigures {
            granted_share: Some(1.0),
            commitments: 0,
            transfers: 1,
            refused: 0,
            excess_quanta: 0,
            holdings: vec![MemberLeases {
                coupling: text.clone(),
                member: text.clone(),
                unit: text.clone(),
                wanted: Some(10.0),
                held: 12.0,
                usable: 11.0,
                committed: 0.0,
            }],
        },
        rounds: vec![RoundReport {
            round: 1,
            virtual_time_s: 4_000.0,
            lower_value: Some(-12.0005),
            upper_value: None,
            relative_gap: None,
            imbalance: vec![0.25],
            received: 1,
            members: 2,
            carried: vec![text.clone()],
        }],
        contacts: vec![ContactUse {
            from: text.clone(),
            to: text.clone(),
            start_s: 0.0,
            end_s: 600.0,
            bytes: u64::from(u32::MAX) + 1,
            messages: 4,
        }],
        owners: vec![OwnerReport {
            name: text.clone(),
            assets: vec![
                AssetGain {
                    asset: text.clone(),
                    alone: Alone::Cost(-5.0),
                    cost_value: -10.0,
                    payment_value: 2.0,
                },
                AssetGain {
                    asset: text.clone(),
                    alone: Alone::Infeasible(text.clone()),
                    cost_value: -2.0,
                    payment_value: -1.0,
                },
            ],
        }],
        alone_means: text,
        total: Kpis::default(),
    }
}

fn embedded(page: &str) -> Value {
    let start = "<script type=\"application/json\" id=\"data\">";
    let from = page.find(start).unwrap() + start.len();
    let to = from + page[from..].find("</script>").unwrap();
    serde_json::from_str(&page[from..to]).unwrap()
}

#[test]
fn hostile_names_stay_text() {
    let page = render(&sample(HOSTILE));
    assert!(!page.contains("<img"), "a name made an element");
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    let data = embedded(&page);
    assert_eq!(
        data["scenario"]["name"], HOSTILE,
        "and is still the same name"
    );
    assert_eq!(
        data["owners"][0]["assets"][1]["alone"]["infeasible"],
        HOSTILE
    );
}

#[test]
fn every_name_is_escaped_wherever_it_stands() {
    // Outside of scripts and styles, no sharp bracket of ours is left bare.
    let page = render(&sample("<zz>"));
    let plain = render(&sample("zz"));
    let count = |page: &str| page.matches("<zz").count();
    assert_eq!(count(&page), 0);
    assert!(page.contains("&lt;zz&gt;"));
    assert_eq!(page.matches('<').count(), plain.matches('<').count());
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = render(&sample("quiet"));
    for word in [
        "http:",
        "https:",
        "//cdn",
        "url(//",
        "@import",
        "src=",
        "<link",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!page.contains(word), "the page has `{word}`");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("innerHTML") && !page.contains("eval("));
}

#[test]
fn the_embedded_data_are_those_of_the_run() {
    let data = embedded(&render(&sample("rover")));
    assert_eq!(data["edges_s"], serde_json::json!([0, 3600, 10800, 97200]));
    assert_eq!(
        data["assets"][0]["series"][0]["values"],
        serde_json::json!([1, 0.333_333, null]),
        "six digits, and nothing where there is no number"
    );
    assert_eq!(data["assets"][0]["series"][0]["measure"], "stored");
    assert_eq!(
        data["couplings"][0]["price"],
        serde_json::json!([0.5, null, 0.25])
    );
    assert_eq!(data["rounds"][0]["lower_value"], -12.0005);
    assert_eq!(data["summary"]["bound"], "certified");
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(kpi::files(&sample("a")), kpi::files(&sample("a")));
}

#[test]
fn verdicts_claim_what_is_known() {
    let mut data = sample("x");
    assert_eq!(
        verdict(&data),
        "Agreed, and certified to be within 0.0042 % of the best possible plan"
    );
    data.summary.bound = BoundKind::Conditional;
    assert!(verdict(&data).contains("on a condition"));
    data.summary.bound = BoundKind::None;
    assert!(verdict(&data).contains("cannot be said"));
    data.summary.bound = BoundKind::Certified;
    data.summary.certified_relative_gap = None;
    assert!(verdict(&data).contains("cannot be said"));
    data.summary.agreed = false;
    assert!(verdict(&data).contains("not agreed"));
    data.summary.agreed = true;
    data.summary.coupling_violation_max = 1;
    assert!(verdict(&data).contains("not sound"));
    assert!(render(&data).contains("class=\"verdict bad\""));
    data.summary.coupling_violation_max = 0;
    data.summary.violations = vec!["The habitat lacks 3 kW in step 4.".to_owned()];
    assert!(verdict(&data).contains("not sound"));
    assert!(render(&data).contains("The habitat lacks 3 kW in step 4."));
}

#[test]
fn a_gap_wider_than_wanted_is_said() {
    let mut data = sample("x");
    assert!(!render(&data).contains("asked for"));
    data.summary.certified_relative_gap = Some(0.03);
    let page = render(&data);
    assert!(page.contains("within 3 % of the best"));
    assert!(page.contains("more than the 0.01 % asked for"));
}

#[test]
fn gains_have_signs() {
    let data = sample("x");
    let [owner] = &data.owners[..] else {
        panic!("one owner")
    };
    assert_eq!(owner.assets[0].agreed_value(), 8.0);
    assert_eq!(owner.assets[0].gain_value(), Some(3.0));
    assert_eq!(owner.assets[1].agreed_value(), 3.0);
    assert_eq!(owner.assets[1].gain_value(), None);
    assert_eq!((owner.agreed_value(), owner.gain_value()), (11.0, None));
    let page = render(&data);
    assert!(page.contains("+3.00"));
    assert!(page.contains("pays 2.00") && page.contains("gets 1.00"));
    assert!(page.contains("1 of 2 assets cannot go alone"));
}

fn file<'a>(files: &'a [kpi::OutFile], path: &str) -> &'a str {
    &files.iter().find(|f| f.path == path).unwrap().text
}

#[test]
fn tables_are_quoted() {
    let files = kpi::files(&sample("a,\"b\"\n=c"));
    let table = file(&files, "contacts.csv");
    assert_eq!(
        table,
        "from,to,start_s,end_s,bytes,messages\r\n\
         \"a,\"\"b\"\"\n=c\",\"a,\"\"b\"\"\n=c\",0,600,4294967296,4\r\n"
    );
    let formula = kpi::contacts_csv(&sample("=1+1"));
    assert!(formula.contains("\r\n'=1+1,'=1+1,"));
    let plain = kpi::kpis_csv(&sample("rover_1"));
    assert!(plain.starts_with("scope,name,quantity,value,unit\r\n"));
    assert!(plain.contains("\r\nrun,rover_1,certified_relative_gap,0.000042,1\r\n"));
    assert!(
        plain.contains("\r\nowner,rover_1,gain,,rover_1\r\n"),
        "none is empty"
    );
}

#[test]
fn steps_keep_their_length() {
    let files = kpi::files(&sample("rover_1"));
    assert_eq!(
        file(&files, "plan/rover_1.csv"),
        "step,start_utc,start_s,length_s,rover_1.stored [kWh]\r\n\
         0,2026-11-01T00:00:00Z,0,3600,1\r\n\
         1,2026-11-01T01:00:00Z,3600,7200,0.333333333333\r\n\
         2,2026-11-01T03:00:00Z,10800,86400,\r\n"
    );
    let couplings = file(&files, "plan/couplings.csv");
    assert!(couplings.ends_with("2,2026-11-01T03:00:00Z,10800,86400,0.25,30,0\r\n"));
}

#[test]
fn key_figures_are_json() {
    let text = kpi::kpis_json(&sample(HOSTILE));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["format"], "cosmosmesh-kpis/1");
    assert_eq!(json["steps"], 3);
    assert_eq!(json["owners"][0]["assets"][0]["gain_value"], 3.0);
    assert_eq!(json["owners"][0]["gain_value"], Value::Null);
    assert_eq!(json["summary"]["coupling_violation_max"], 0);
    assert_eq!(json["assets"][HOSTILE]["kpis"]["cost_value"], 0.0);
}

#[test]
fn paths_stay_inside_the_directory_and_apart() {
    let mut data = sample("../../etc/passwd");
    for name in ["../../ETC/passwd", "couplings", "", ".hidden", "a:b"] {
        let mut asset = data.assets[0].clone();
        name.clone_into(&mut asset.name);
        data.assets.push(asset);
    }
    let files = kpi::files(&data);
    let paths: BTreeSet<String> = files.iter().map(|f| f.path.to_lowercase()).collect();
    assert_eq!(paths.len(), files.len(), "{paths:?}");
    for path in &paths {
        for part in path.split('/') {
            assert!(!part.is_empty() && !part.starts_with('.'), "{path}");
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(part.chars().all(fits), "{path}");
        }
    }
}

/// A plan of a shipped scenario that nobody solved: all exchanges and prices
/// are made up, sizes are real.
fn shipped_sample(name: &str) -> (Mission, Coupled, ReportData) {
    let scenario = Scenario::parse(name, shipped(name).unwrap()).unwrap();
    let mission = Mission::build(&scenario).unwrap();
    let coupled = mission.normal_form().unwrap();
    let x: Vec<Vec<f64>> = mission
        .assets
        .iter()
        .map(|a| (0..a.problem.n()).map(|i| 1.0 / (3.0 + i as f64)).collect())
        .collect();
    let exchange: Vec<Vec<f64>> = coupled
        .members
        .iter()
        .zip(&x)
        .map(|(m, x)| m.b.mul(x))
        .collect();
    let price = vec![1.0 / 3.0; coupled.rows.len()];
    let report = mission.report(&x);
    let settlements = mission.settlements(&coupled, &x, &price);
    let alone = vec![Alone::Cost(0.0); settlements.len()];
    let data = ReportData {
        scenario: fill::scenario(&mission),
        edges_s: mission.steps.edges_s().to_vec(),
        assets: fill::assets(&mission, &report),
        couplings: fill::couplings(&mission, &coupled, &exchange, &price),
        owners: fill::owners(&settlements, &alone),
        alone_means: fill::ALONE_BY_ASSET.to_owned(),
        total: report.total.clone(),
        ..sample("x")
    };
    (mission, coupled, data)
}

#[test]
fn a_mission_fills_a_report() {
    for name in ["energy_balance", "shackleton_relay"] {
        let (mission, _, data) = shipped_sample(name);
        let page = render(&data);
        assert!(page.len() < 1_000_000, "{name}: {} bytes", page.len());
        assert_eq!(data.assets.len(), mission.assets.len());
        assert_eq!(data.couplings.len(), mission.contracts.len());
        let n = mission.steps.len();
        for asset in &data.assets {
            assert!(!asset.contacts.is_empty(), "{name} {}", asset.name);
            assert!(asset.series.iter().all(|s| s.values.len() == n));
        }
        for c in &data.couplings {
            assert_eq!(c.price.len(), n);
            assert!(c.members.iter().all(|m| m.values.len() == n));
            let is_power = c.resource == Resource::Power;
            for (t, price) in c.price.iter().enumerate() {
                let hours = if is_power {
                    mission.steps.hours(t)
                } else {
                    1.0
                };
                assert!(price.is_none_or(|p| (p * hours - 1.0 / 3.0).abs() < 1e-12));
            }
        }
        let owned: usize = data.owners.iter().map(|o| o.assets.len()).sum();
        assert_eq!(owned, mission.assets.len());
    }
}
