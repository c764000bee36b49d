//! Reading, writing and refusing contact plans.

mod common;

use std::fmt::Write as _;

use cosmosmesh_contact::{
    AnomalyKind, BitRate, Contact, ContactPlan, ConvertOptions, Dialect, ErrorKind, Mode, Range,
    Router, Seconds, TimeBase, anomalies, convert, read, recognise, summarise, write,
};
use proptest::prelude::*;

fn load(text: &str) -> cosmosmesh_contact::Reading {
    read("plan", text.as_bytes(), None, Mode::Foreign).unwrap()
}

fn error(text: &str, mode: Mode) -> cosmosmesh_contact::ContactError {
    read("plan", text.as_bytes(), None, mode).unwrap_err()
}

#[test]
fn every_sample_loads_converts_and_routes() {
    for (name, bytes) in common::samples() {
        let reading = read(&name, &bytes, None, Mode::Foreign).unwrap_or_else(|e| panic!("{e}"));
        assert!(!reading.plan.contacts.is_empty(), "{name}");
        assert_eq!(reading.contact_lines.len(), reading.plan.contacts.len());
        let router = Router::new(&reading.plan);
        println!(
            "{name}: {}, {} nodes, {} contacts, {} ignored, {:?}",
            reading.dialect,
            reading.plan.nodes().len(),
            reading.plan.contacts.len(),
            router.ignored_contacts(),
            reading.warnings,
        );
        for to in Dialect::ALL {
            let options = ConvertOptions {
                from: None,
                to,
                reference_posix_s: None,
                mode: Mode::Foreign,
            };
            let conversion = convert(&name, &bytes, options).unwrap_or_else(|e| panic!("{e}"));
            let again = read(
                &name,
                conversion.written.text.as_bytes(),
                Some(to),
                Mode::Foreign,
            )
            .unwrap();
            assert_eq!(recognise(&conversion.written.text).unwrap(), to);
            assert_eq!(
                again.plan.nodes().len(),
                reading.plan.nodes().len(),
                "{name} to {to}"
            );
            assert_eq!(
                again.plan.contacts.len(),
                reading.plan.contacts.len(),
                "{name} to {to}"
            );
        }
        // In its own dialect nothing is lost.
        let written = write(&reading.plan, reading.dialect).unwrap();
        let again = read(&name, written.text.as_bytes(), None, Mode::Foreign).unwrap();
        assert_eq!(again.plan, reading.plan, "{name}");
    }
}

#[test]
fn units_are_those_of_the_dialect() {
    let ion = load("a contact +0 +10 1 2 1000\na range +0 +10 1 2 3\n").plan;
    assert_eq!(ion.contacts[0].rate.bit_per_s(), 8000.0);
    let hdtn = load(
        r#"{"contacts":[{"source":1,"dest":2,"startTime":0,"endTime":10,"rateBitsPerSec":1000,"owlt":3}]}"#,
    )
    .plan;
    assert_eq!(hdtn.contacts[0].rate.bit_per_s(), 1000.0);
    assert_eq!(hdtn.contacts[0].owlt, Seconds::new(3.0));
    let asabr = load("node 0 a\nnode 1 b\ncontact 0 1 0 10 1000 3\n").plan;
    assert_eq!(asabr.contacts[0].rate.bit_per_s(), 1000.0);
}

#[test]
fn relative_references_accumulate() {
    let plan = load("@ +100\na contact +0 +10 1 2 1\n@ +50\na contact +0 +10 1 2 1\n").plan;
    assert_eq!(plan.time_base, TimeBase::Relative);
    assert_eq!(plan.contacts[0].start_s, 100.0);
    assert_eq!(plan.contacts[1].start_s, 150.0);
    let plan = load(
        "@ 2026/11/20-00:00:00\na contact +60 2026/11/20-00:02:00 1 2 1\n@ +3600\na contact +0 +1 1 2 1\n",
    )
    .plan;
    assert_eq!(plan.time_base, TimeBase::Posix);
    assert_eq!(plan.contacts[0].start_s, 1_795_132_860.0);
    assert_eq!(plan.contacts[0].end_s, 1_795_132_920.0);
    assert_eq!(plan.contacts[1].start_s, 1_795_136_400.0);
}

#[test]
fn metadata_survives() {
    let text =
        "m horizon +3600\nm production 1000000\na range +0 +10 1 2 1\na contact +0 +10 1 2 1 0.5\n";
    assert_eq!(write(&load(text).plan, Dialect::Ion).unwrap().text, text);
    // The horizon is moved with the reference that it was relative to.
    let plan = load("@ +40\nm horizon +2\na contact +0 +10 1 2 1\n").plan;
    assert_eq!(plan.metadata, ["m horizon +42"]);
}

#[test]
fn ranges_cut_contacts() {
    let plan = load(
        "a contact +0 +100 1 2 1\na contact +0 +100 2 1 1\na range +0 +50 1 2 3\na range +50 +100 1 2 4\na range +0 +100 2 1 9\n",
    )
    .plan;
    let pieces: Vec<_> = plan
        .pieces()
        .iter()
        .map(|p| (p.contact, p.start_s, p.end_s, p.owlt.get()))
        .collect();
    assert_eq!(
        pieces,
        [
            (0, 0.0, 50.0, 3.0),
            (0, 50.0, 100.0, 4.0),
            (1, 0.0, 100.0, 9.0)
        ]
    );
    // Earlier lines win where ranges overlap; what they leave open is filled.
    let plan = load(
        "a contact +0 +100 1 2 1\na range +20 +30 1 2 1\na range +60 +70 1 2 2\na range +10 +80 1 2 3\na range +0 +100 1 2 4\na range +25 +65 1 2 9\n",
    )
    .plan;
    let owlts: Vec<_> = plan
        .pieces()
        .iter()
        .map(|p| (p.start_s, p.owlt.get()))
        .collect();
    assert_eq!(
        owlts,
        [
            (0.0, 4.0),
            (10.0, 3.0),
            (20.0, 1.0),
            (30.0, 3.0),
            (60.0, 2.0),
            (70.0, 3.0),
            (80.0, 4.0)
        ]
    );
    let implied = load("a contact +0 +100 2 1 1\na range +0 +100 1 2 3\n").plan;
    assert_eq!(implied.pieces().len(), 1);
    let unknown = load("a contact +0 +100 1 2 1\na range +0 +100 2 1 3\n");
    assert_eq!(anomalies(&unknown.plan)[0].kind, AnomalyKind::NoRange);
    assert_eq!(
        write(&unknown.plan, Dialect::Hdtn).unwrap_err().kind,
        ErrorKind::Unsupported
    );
}

#[test]
fn changing_rates_become_contacts() {
    let plan = load(
        r#"{"vertices":{"a":["b"],"b":[]},"contact_type":"PredictedContact_v2","edges":[{"vertices":["a","b"],
        "contacts":[["a","b",10.5,30.25,[[0.0,0.5,[[0.0,100.0,1.0],[20.0,200.0,2.0],[40.0,1.0,1.0]]]]]]}]}"#,
    )
    .plan;
    let seen: Vec<_> = plan
        .contacts
        .iter()
        .map(|c| (c.start_s, c.end_s, c.rate.bit_per_s(), c.confidence))
        .collect();
    assert_eq!(seen, [(10.5, 20.0, 100.0, 0.5), (20.0, 30.25, 200.0, 0.5)]);
}

#[test]
fn strict_mode_points_at_the_contact() {
    let text = "a range +0 +99 1 2 1\na contact +20 +10 1 2 5\n";
    let refused = error(text, Mode::Strict);
    assert_eq!((refused.kind, refused.line), (ErrorKind::Schedule, Some(2)));
    assert_eq!(refused.value, "1 -> 2, 20 to 10");
    assert_eq!(
        refused.to_string(),
        "plan:2: a contact ends at or before its start: `1 -> 2, 20 to 10` (correct the plan, or read it without strict mode)"
    );
    let kept = load(text);
    assert_eq!(kept.plan.contacts.len(), 1);
    assert_eq!(Router::new(&kept.plan).ignored_contacts(), 1);
    assert_eq!(
        kept.warnings,
        ["1 backwards contact kept for conversion, left out of routing"]
    );
    let overlap = "a range +0 +99 1 2 1\na contact +0 +10 1 2 5\na contact +9 +19 1 2 5\n";
    assert_eq!(error(overlap, Mode::Strict).line, Some(3));
    assert_eq!(
        summarise(&load(overlap).plan).anomalies[0].kind,
        AnomalyKind::Overlapping
    );
}

#[test]
fn bad_input_is_refused_with_its_place() {
    for (text, kind, line, value) in [
        ("a contact +0 +x 1 2 5\n", ErrorKind::Syntax, 1, "x"),
        ("\na contact +0 +1 1 2 -5\n", ErrorKind::Value, 2, "-5"),
        ("a contact +0 +1 1 2 5 1.5\n", ErrorKind::Value, 1, "1.5"),
        ("a contact +0 +1 1 2 inf\n", ErrorKind::Syntax, 1, "inf"),
        ("a contact +0 +1 one 2 5\n", ErrorKind::Syntax, 1, "one"),
        (
            "a contact 2026/02/30-00:00:00 +1 1 2 5\n",
            ErrorKind::Syntax,
            1,
            "2026/02/30-00:00:00",
        ),
        (
            "a contact +0 +1 1 2 5\na contact 2026/02/03-00:00:00 2026/02/03-00:00:01 1 2 5\n",
            ErrorKind::Value,
            2,
            "2026/02/03-00:00:00",
        ),
        (
            "a contact +0 +1 1 2 5\nd contact +0 1 2\n",
            ErrorKind::Unsupported,
            2,
            "d contact +0 1 2",
        ),
        ("a contact +0 +1e300 1 2 5\n", ErrorKind::Value, 1, "+1e300"),
        ("node 0 a\ncontact 0 1 0 10 1 1\n", ErrorKind::Value, 2, "1"),
        ("node 0 a\nnode 0 b\n", ErrorKind::Value, 2, "0 b"),
        ("node 0 a b c\n", ErrorKind::Unsupported, 1, "node 0 a b c"),
        (
            "{\"contacts\":[\n{\"source\":1,\"dest\":2,\n\"startTime\":\"x\"}]}",
            ErrorKind::Syntax,
            2,
            "{… 3 members}",
        ),
        (
            "{\"contacts\":[\n{\"source\":1,\"dest\":2,\n\"rateBitsPerSec\":1,\"owlt\":\n-1,\"startTime\":1,\"endTime\":2}]}",
            ErrorKind::Value,
            4,
            "-1",
        ),
        (
            "{\"contacts\":[],\n\"contacts\":[]}",
            ErrorKind::Syntax,
            2,
            ":[]}",
        ),
        ("{\"contacts\":[]", ErrorKind::Syntax, 1, ""),
    ] {
        let refused = error(text, Mode::Foreign);
        assert_eq!(
            (
                refused.kind,
                refused.line,
                refused.value.as_str(),
                refused.file.as_str()
            ),
            (kind, Some(line), value, "plan"),
            "{text}"
        );
        assert!(!refused.remedy.is_empty());
    }
    for text in [
        "",
        "hello\n",
        "{}",
        "{\"contacts\":[],\"edges\":[]}",
        "a contact\nnode 0 x\n",
    ] {
        assert_eq!(
            error(text, Mode::Foreign).kind,
            ErrorKind::Dialect,
            "{text}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(error(&deep, Mode::Foreign).kind, ErrorKind::Limit);
    assert_eq!(
        read("x", &[b'a', b'\n', 0xff], None, Mode::Foreign)
            .unwrap_err()
            .line,
        Some(2)
    );
}

#[test]
fn names_get_numbers_and_rounding_is_inward() {
    let mut plan = ContactPlan::new(TimeBase::Posix);
    let (a, b) = (plan.add_node("rover"), plan.add_node("base"));
    plan.contacts.push(Contact {
        from: a,
        to: b,
        start_s: 1_795_132_800.25,
        end_s: 1_795_132_830.75,
        rate: BitRate::from_bit_per_s(1001.0).unwrap(),
        owlt: Seconds::new(0.25),
        confidence: 1.0,
        id: None,
    });
    let written = write(&plan, Dialect::Ion).unwrap();
    assert_eq!(
        written.text,
        "# node 1 = rover\n# node 2 = base\n\
         a range 2026/11/20-00:00:01 2026/11/20-00:00:30 1 2 1\n\
         a contact 2026/11/20-00:00:01 2026/11/20-00:00:30 1 2 125\n"
    );
    assert_eq!(
        written.numbering,
        [(1, "rover".to_owned()), (2, "base".to_owned())]
    );
    assert_eq!(written.warnings.len(), 4);
}

#[test]
fn a_reference_moves_times() {
    let text = "a range +0 +10 1 2 1\na contact +0 +10 1 2 1000\n";
    let options = ConvertOptions {
        from: None,
        to: Dialect::TvgUtil,
        reference_posix_s: Some(1_795_132_800),
        mode: Mode::Strict,
    };
    let there = convert("x", text.as_bytes(), options).unwrap().written;
    assert!(there.warnings.is_empty(), "{:?}", there.warnings);
    let back = ConvertOptions {
        to: Dialect::Hdtn,
        ..options
    };
    let back = convert("x", there.text.as_bytes(), back)
        .unwrap()
        .written
        .text;
    assert_eq!(load(&back).plan.contacts[0].start_s, 0.0);
}

/// xorshift64*, so that a seed names a run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % bound.max(1)
    }
}

/// Whatever is read from damaged samples, nothing panics, and what is still
/// accepted can be routed, summed up and written.
#[test]
fn damaged_samples_never_panic() {
    let mut inputs = common::samples();
    inputs.push((
        "own.ion".into(),
        b"@ +5\nm horizon +0\na range +0 +9 1 2 1\na contact +0 +9 1 2 5 0.5\n".to_vec(),
    ));
    inputs.push((
        "own.asabr".into(),
        b"node 0 a\nnode 1 b\ncontact 0 1 0 10 1000 3\n".to_vec(),
    ));
    let tokens: [&[u8]; 12] = [
        b"-1",
        b"1e999",
        b"\"",
        b"{",
        b"]",
        b"+",
        b"\xff",
        b"\\ud800",
        b"99999999999999999999",
        b"\n",
        b"nan",
        b"0.5",
    ];
    let mut accepted = 0;
    for (name, bytes) in &inputs {
        let rounds = if bytes.len() > 10_000 { 150 } else { 1_500 };
        let mut random = Seeded(0x9e37_79b9_7f4a_7c15);
        for round in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len());
                match random.below(5) {
                    0 => damaged[at] = random.below(256) as u8,
                    1 => damaged.truncate(at),
                    2 => {
                        let end = (at + random.below(40)).min(damaged.len());
                        damaged.drain(at..end);
                    }
                    3 => {
                        let token = tokens[random.below(tokens.len())];
                        damaged.splice(at..at, token.iter().copied());
                    }
                    _ => {
                        let end = (at + random.below(60)).min(damaged.len());
                        let copy = damaged[at..end].to_vec();
                        damaged.splice(at..at, copy);
                    }
                }
                if damaged.is_empty() {
                    break;
                }
            }
            for dialect in [None, Some(Dialect::ALL[round % 4])] {
                if let Ok(reading) = read(name, &damaged, dialect, Mode::Foreign) {
                    accepted += 1;
                    let router = Router::new(&reading.plan);
                    if !reading.plan.nodes().is_empty() {
                        let _ = router.arrivals(cosmosmesh_contact::NodeIndex(0), 0.0, 8.0);
                    }
                    let _ = summarise(&reading.plan);
                    for to in Dialect::ALL {
                        if let Ok(written) = write(&reading.plan, to) {
                            read("again", written.text.as_bytes(), Some(to), Mode::Foreign)
                                .unwrap_or_else(|e| panic!("{name} round {round}: {to}: {e}"));
                        }
                    }
                }
            }
        }
    }
    println!("{accepted} damaged inputs were still accepted");
    assert!(accepted > 100);
}

prop_compose! {
    fn contact(nodes: u32)(
        from in 0..nodes,
        to in 0..nodes,
        start in 0_u32..100_000,
        length in -50_i64..5_000,
        rate in 0_u32..1_000_000,
        owlt in 0_u32..2_000,
        confidence in 0_u32..=4,
    ) -> (u32, u32, u32, i64, u32, u32, u32) {
        (from, to, start, length, rate, owlt, confidence)
    }
}

/// A plan within what a dialect carries.
fn plan_for(dialect: Dialect, parts: &[(u32, u32, u32, i64, u32, u32, u32)]) -> ContactPlan {
    let fraction = match dialect {
        Dialect::TvgUtil | Dialect::ASabr => 0.1,
        Dialect::Ion | Dialect::Hdtn => 1.0,
    };
    let mut plan = ContactPlan::new(match dialect {
        Dialect::TvgUtil => TimeBase::Posix,
        _ => TimeBase::Relative,
    });
    let mut parts = parts.to_vec();
    if dialect == Dialect::TvgUtil {
        // Contacts are grouped by edge, vertices come first.
        parts.sort_by_key(|p| (p.0, p.1));
    }
    for (index, &(from, to, start, length, rate, owlt, confidence)) in parts.iter().enumerate() {
        let name = |n: u32| match dialect {
            Dialect::Ion | Dialect::Hdtn => (n * 7 + 1).to_string(),
            Dialect::ASabr => format!("n{n}"),
            Dialect::TvgUtil => format!("n \"{n}\" \\ é\n").replace('\n', "/"),
        };
        let end_s = (f64::from(start) * fraction + length as f64 * fraction).max(0.0);
        let (lower, upper) = (name(from), name(to));
        let owlt_value = Seconds::new(f64::from(owlt) * fraction).unwrap();
        if dialect == Dialect::Ion {
            // Its ranges come first in the file.
            let (a, b) = (plan.add_node(&lower), plan.add_node(&upper));
            let start_s = f64::from(start);
            let range = Range {
                from: a,
                to: b,
                start_s,
                end_s,
                owlt: owlt_value,
                both_ways: from < to,
            };
            if !plan.ranges.contains(&range) {
                plan.ranges.push(range);
            }
        }
        let contact = Contact {
            from: plan.add_node(&lower),
            to: plan.add_node(&upper),
            start_s: f64::from(start) * fraction,
            end_s,
            rate: match dialect {
                Dialect::Ion => BitRate::from_byte_per_s(f64::from(rate)).unwrap(),
                _ => BitRate::from_bit_per_s(f64::from(rate) * fraction).unwrap(),
            },
            owlt: (dialect != Dialect::Ion).then_some(owlt_value),
            confidence: match dialect {
                Dialect::Ion | Dialect::TvgUtil => f64::from(confidence) / 4.0,
                _ => 1.0,
            },
            id: (dialect == Dialect::Hdtn).then_some(index as u64 * 3),
        };
        plan.contacts.push(contact);
    }
    if dialect == Dialect::Ion {
        plan.metadata.push("m production -1".into());
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// At each instant the first range that covers it counts.
    #[test]
    fn pieces_follow_the_ranges(
        ranges in prop::collection::vec((0_u32..20, -2_i32..12, 0_u32..9), 0..10),
        start in 0_u32..20, length in 1_u32..20,
    ) {
        let mut text = format!("a contact +{start} +{} 1 2 1\n", start + length);
        for &(from, length, owlt) in &ranges {
            let until = (i64::from(from) + i64::from(length)).max(0);
            writeln!(text, "a range +{from} +{until} 1 2 {owlt}").unwrap();
        }
        let plan = read("p", text.as_bytes(), None, Mode::Foreign).unwrap().plan;
        let pieces = plan.pieces();
        for step in 0..45 {
            let t = f64::from(step) + 0.5;
            let found = pieces.iter().filter(|p| p.start_s < t && t < p.end_s).map(|p| p.owlt).collect::<Vec<_>>();
            let inside = f64::from(start) < t && t < f64::from(start + length);
            let expected = plan.ranges.iter().find(|r| inside && r.start_s < t && t < r.end_s).map(|r| r.owlt);
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{}", t);
        }
    }

    #[test]
    fn read_after_write_is_identity(parts in prop::collection::vec(contact(6), 1..12)) {
        for dialect in Dialect::ALL {
            let plan = plan_for(dialect, &parts);
            let written = write(&plan, dialect).unwrap();
            let reading = read("p", written.text.as_bytes(), Some(dialect), Mode::Foreign).unwrap();
            prop_assert_eq!(&reading.plan, &plan, "{}", written.text);
        }
    }
}
