//! The agreement of a shipped scenario, from end to end in one process.

use std::collections::BTreeSet;
use std::sync::Arc;

use cosmosmesh::run::{Options, Run, Since, run, shipped_scenario, signing_key};
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_log::{Draft, Entry};
use cosmosmesh_mission::{MemberId, Payload};
use cosmosmesh_optimize::problem::OpenProblem;
use cosmosmesh_optimize::seeded::Seeded;
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::Scenario;

const NAME: &str = "energy_balance";

/// What a message says; votes and statuses are none.
fn payload(entry: &Entry) -> Option<Payload> {
    entry.envelope().ok().map(|envelope| envelope.payload)
}

fn agree(options: &Options) -> Run {
    let text = shipped_scenario(NAME).expect("it is shipped");
    run("energy_balance.toml", text, options, &mut |_| {}).expect("it runs")
}

#[test]
fn a_plan_is_agreed_certified_and_sound() {
    let found = agree(&Options {
        check_central: true,
        ..Options::default()
    })
    .figures;
    assert!(found.agreed, "{found:?}");
    assert!(found.violations.is_empty(), "{:?}", found.violations);
    assert_eq!(found.coupling_violation_max, 0);
    assert!(found.certified_relative_gap.expect("certified") <= 1e-4);
    assert!(found.central_relative_error.expect("compared") <= 1e-4);
    assert!(found.physical_residual_max <= 1e-6);
    let (lower, upper) = (
        found.lower_value.expect("a bound"),
        found.upper_value.expect("a plan"),
    );
    assert!(lower <= upper);
}

#[test]
fn members_with_another_local_solver_agree_too() {
    let text = shipped_scenario(NAME).expect("it is shipped");
    let hinted = text.replace("owner = ", "solver_hint = \"clarabel\"\nowner = ");
    assert_ne!(text, hinted);
    let options = Options::default();
    let theirs = run("hinted.toml", &hinted, &options, &mut |_| {}).expect("it runs");
    let ours = agree(&options);
    assert!(theirs.figures.agreed, "{:?}", theirs.figures);
    assert!(theirs.figures.violations.is_empty());
    let (a, b) = (theirs.figures.upper_value, ours.figures.upper_value);
    let (a, b) = (a.expect("a plan"), b.expect("a plan"));
    assert!((a - b).abs() <= 1e-4 * b.abs(), "{a} and {b}");
}

#[test]
fn the_same_seed_gives_the_same_digest_also_when_messages_are_lost() {
    for (seed, loss) in [(0, 0.0), (1, 0.3), (2, 0.3)] {
        let options = Options {
            seed,
            loss,
            gap: 1e-3,
            ..Options::default()
        };
        let (one, two) = (agree(&options), agree(&options));
        assert_eq!(one.figures, two.figures, "seed {seed}, loss {loss}");
        assert!(
            one.figures.agreed,
            "seed {seed}, loss {loss}: {:?}",
            one.figures
        );
    }
}

#[test]
fn the_state_is_a_function_of_the_set_of_messages() {
    let found = agree(&Options {
        loss: 0.3,
        seed: 3,
        gap: 1e-3,
        ..Options::default()
    });
    let opened = found.ledger.state().opened;
    assert!(opened.iter().any(|c| c.attempt > 0), "several attempts");
    let digest = found.ledger.state().digest;
    let terms = found.ledger.log().terms();
    let all: Vec<Entry> = found.ledger.entries().map(|e| (**e).clone()).collect();
    let insert = |ledger: &mut Ledger, entry: &Entry| {
        let verified = terms.verify(entry.clone()).expect("a good entry");
        ledger.insert(verified).expect("a good entry")
    };
    for seed in 0..5 {
        let mut chance = Seeded::new(seed);
        let mut order: Vec<usize> = (0..all.len()).collect();
        for k in (1..order.len()).rev() {
            order.swap(k, chance.below(k as u64 + 1) as usize);
        }
        let mut ledger = found.ledger.clone_empty();
        for k in order {
            insert(&mut ledger, &all[k]);
            // Duplicates change nothing.
            let again = insert(&mut ledger, &all[k]);
            assert!(again.attached.is_empty());
        }
        assert_eq!(ledger.state().digest, digest, "order of seed {seed}");
    }
    // Without a message that counted, the state says what is missing.
    let counted = all
        .iter()
        .find_map(|e| match payload(e) {
            Some(Payload::DualVariables(d)) => d.cohort.first().copied(),
            _ => None,
        })
        .expect("a cohort");
    let mut ledger = found.ledger.clone_empty();
    for e in &all {
        if e.id() != counted {
            insert(&mut ledger, e);
        }
    }
    let state = ledger.state();
    assert!(state.missing.contains(&counted));
    assert!(state.faults.is_empty());
    assert_ne!(state.digest, digest);
}

#[test]
fn every_member_ends_with_the_same_log_and_what_comes_later_is_provisional() {
    for loss in [0.0, 0.3] {
        let found = agree(&Options {
            loss,
            seed: 3,
            gap: 1e-3,
            ..Options::default()
        });
        assert!(found.figures.violations.is_empty(), "{:?}", found.figures);
        assert_eq!(found.logs.len(), 4);
        let contract = found.ledger.contract();
        let digest = |ledger: &Ledger| {
            let digest = ledger.state().final_digest;
            blake3::Hash::from_bytes(digest).to_hex().to_string()
        };
        for (member, log) in &found.logs {
            let ledger = Ledger::of(contract.clone(), log.clone());
            assert_eq!(digest(&ledger), found.figures.state_digest, "{member}");
        }
        // The contract as a file leads to the same.
        let bytes = contract.to_bytes().expect("an encoding");
        let read = Arc::new(Contract::from_bytes(&bytes).expect("a contract"));
        assert_eq!(read.hash(), contract.hash());
        let (_, log) = &found.logs[2];
        let mut ledger = Ledger::of(read, log.clone());
        assert_eq!(digest(&ledger), found.figures.state_digest);
        // An entry that comes after the last closing is part of nothing yet.
        let last = ledger.entries().find(|e| {
            let tip = log.tip(contract.author(2)).expect("it said something");
            log.find(&e.id()) == Some(tip)
        });
        let last = last.expect("its last").clone();
        let by = &last.header().author;
        let mut own = ledger.entries().filter(|e| e.header().author == *by);
        let message = own.find_map(|e| e.envelope().ok());
        drop(own);
        let mut envelope = message.expect("it said something");
        (envelope.seq.0, envelope.backlink) = (last.header().seq.0 + 1, Some(last.id()));
        let late = Draft::of_envelope(&envelope, vec![]).expect("a draft");
        let late = late.sign(&signing_key(3, 2)).expect("an entry");
        let verified = log.terms().verify(late).expect("its author's");
        ledger.insert(verified).expect("well placed");
        assert_eq!(ledger.log().len(), log.len() + 1);
        assert_eq!(digest(&ledger), found.figures.state_digest);
        let state = ledger.state();
        let settled = ledger.settled(&state);
        assert_ne!(state.digest, settled.state().digest);
        assert_eq!(state.final_digest, settled.state().final_digest);
    }
}

#[test]
fn bytes_that_are_no_contract_are_refused() {
    let found = agree(&Options {
        gap: 1e-2,
        ..Options::default()
    });
    let contract = found.ledger.contract();
    let bytes = contract.to_bytes().expect("an encoding");
    for length in (0..bytes.len()).step_by(7) {
        Contract::from_bytes(&bytes[..length]).expect_err("cut");
    }
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        // What still is a contract is another one.
        if let Ok(other) = Contract::from_bytes(&bent) {
            assert_ne!(other.hash(), contract.hash(), "byte {at}");
        }
    }
}

#[test]
fn prices_that_do_not_follow_from_their_cohort_prove_a_fault() {
    let found = agree(&Options::default());
    let log = found.ledger.log();
    let third =
        |e: &&Arc<Entry>| matches!(payload(e), Some(Payload::DualVariables(d)) if d.round.0 == 3);
    let good = found.ledger.entries().find(third).expect("a closing");
    let find = |id| log.find(id).expect("a parent");
    let parents: Vec<_> = good.header().parents().map(find).collect();
    let mut envelope = good.envelope().expect("a message");
    let Payload::DualVariables(d) = &mut envelope.payload else {
        panic!("a closing");
    };
    let (_, prices) = d.multipliers.iter_mut().next().expect("a coupling");
    prices.0[0] += 1;
    let author = good.header().author.as_str();
    let closer = found.ledger.contract().place(author).expect("a member");
    let draft = Draft::of_envelope(&envelope, good.header().deps.clone()).expect("a draft");
    let bent = draft.sign(&signing_key(0, closer)).expect("an entry");
    let verified = log.terms().verify(bent.clone()).expect("the closer's");
    // As it looks to someone who has not heard the other.
    let mut ledger = Ledger::of(found.ledger.contract().clone(), log.at(&parents));
    assert!(ledger.state().faults.is_empty());
    ledger.insert(verified.clone()).expect("well formed");
    let state = ledger.state();
    let fault = &state.faults[&bent.id()];
    assert!(fault.why.contains("do not follow"), "{}", fault.why);
    assert_eq!(fault.author.as_str(), author);
    // And to someone who has heard both: it is named, it forked, and what was certified
    // stands.
    let mut ledger = Ledger::of(found.ledger.contract().clone(), log.clone());
    ledger.insert(verified).expect("well formed");
    let state = ledger.state();
    assert!(state.faults.contains_key(&bent.id()) && state.forks.len() == 1);
    assert_eq!(state.progress.plan(), found.ledger.state().progress.plan());
    assert_eq!(hex(&state.final_digest), found.figures.state_digest);
}

fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}

#[test]
fn each_member_may_fall_silent_and_rounds_close_all_the_same() {
    for silent in ["habitat", "solar_plant", "oxygen_plant", "rover"] {
        let member = MemberId::new(silent).expect("a name");
        let found = agree(&Options {
            silent: vec![(member.clone(), Since::Time(4.0))],
            most_rounds: 12,
            ..Options::default()
        });
        assert!(!found.figures.agreed, "{silent}");
        let state = found.ledger.state();
        assert!(state.progress.rounds().len() >= 10, "{silent}");
        assert!(state.faults.is_empty() && state.conflicts.is_empty());
        let contract = found.ledger.contract();
        assert_eq!(state.absent(contract), [&member], "{silent}");
        let gone = format!("{silent} cannot be reached");
        assert!(found.figures.violations.contains(&gone), "{silent}");
        // What the contract gave at first stands: nobody has committed itself.
        let leases = &found.figures.leases;
        assert_eq!((leases.granted_share, leases.excess_quanta), (None, 0));
        assert_eq!(leases.transfers + leases.commitments + leases.refused, 0);
        let usable = leases.holdings.iter().map(|row| row.usable);
        assert!(usable.fold(0.0_f64, f64::max) <= 0.0, "{silent}");
    }
}

#[test]
fn leases_come_to_the_plan_in_every_log() {
    for loss in [0.0, 0.3] {
        let found = agree(&Options {
            loss,
            seed: 5,
            gap: 1e-3,
            ..Options::default()
        });
        let leases = &found.figures.leases;
        assert!(found.figures.violations.is_empty(), "{:?}", found.figures);
        assert!(found.figures.plan_final);
        assert_eq!(leases.granted_share, Some(1.0));
        assert!(leases.commitments > 0 && leases.transfers > 0);
        assert_eq!((leases.refused, leases.excess_quanta), (0, 0));
        let digest = found.ledger.log().digest();
        assert!(found.logs.iter().all(|(_, log)| log.digest() == digest));
    }
}

#[test]
fn first_holders_reserve_and_floors_come_from_the_scenario() {
    let text = shipped_scenario(NAME).expect("it is shipped");
    let lease = "\n[coupling.lease]\n\
                 commitment = [{ member = \"solar_plant\", amount = 1.0 }]\n\
                 floor = [{ member = \"habitat\", from = \"solar_plant\", amount = 0.25 }]\n\
                 weight = [{ member = \"rover\", parts = 1 }]\n";
    let options = Options {
        silent: vec![(MemberId::new("rover").expect("a name"), Since::Round(0))],
        most_rounds: 3,
        ..Options::default()
    };
    let found = run(
        "mine.toml",
        &format!("{text}{lease}"),
        &options,
        &mut |_| {},
    );
    let found = found.expect("it runs").figures;
    assert!(!found.agreed);
    let of = |name: &str| {
        let mut rows = found.leases.holdings.iter();
        rows.find(|row| row.member == name)
            .expect("a member")
            .clone()
    };
    let hours = of("solar_plant").committed;
    assert!(hours > 0.0);
    assert!((of("habitat").usable - 0.25 * hours).abs() < 1e-6);
    assert!((of("rover").usable - 0.75 * hours).abs() < 1e-6);
}

#[test]
fn commitments_follow_from_the_seed_and_no_two_are_alike() {
    let commitments = |seed: u64| -> BTreeSet<_> {
        let found = agree(&Options {
            seed,
            gap: 1e-3,
            ..Options::default()
        });
        let entries = found.ledger.entries();
        let shared = entries.filter_map(|e| match payload(e) {
            Some(Payload::SharedVariables(s)) => Some((e.header().author.clone(), s.problem)),
            _ => None,
        });
        shared.collect()
    };
    let (one, again, other) = (commitments(1), commitments(1), commitments(2));
    assert_eq!(one, again);
    assert_eq!(one.len(), 4);
    assert!(one.is_disjoint(&other));
}

/// Every number of a problem that is not a bare sign or a round power of two.
fn secrets(problem: &OpenProblem) -> BTreeSet<u64> {
    let p = problem.parts();
    let matrices = p.p.triplets().chain(p.a.triplets()).map(|(_, _, v)| v);
    matrices
        .chain(p.q.iter().copied())
        .chain(p.l.iter().copied())
        .chain(p.u.iter().copied())
        .filter(|v| v.is_finite() && v.to_bits().trailing_zeros() < 40)
        // Weights of mixtures, which every call names.
        .filter(|v| ![0.02, 0.05, 0.1, 0.2].contains(&v.abs()))
        .map(f64::to_bits)
        .collect()
}

#[test]
fn no_private_field_reaches_a_message() {
    let text = shipped_scenario(NAME).expect("it is shipped");
    let scenario = Scenario::parse(NAME, text).expect("a scenario");
    let mission = Mission::build(&scenario).expect("a mission");
    let coupled = mission.normal_form().expect("a normal form");
    let found = agree(&Options::default());
    assert!(found.ledger.log().len() > 20);
    for m in &coupled.members {
        let secrets = secrets(&m.problem);
        assert!(
            secrets.len() > 5,
            "{} has numbers to look for",
            m.problem.id()
        );
        let touched: BTreeSet<&str> = m
            .rows
            .iter()
            .map(|&r| coupled.rows[r].coupling.as_str())
            .collect();
        for e in found.ledger.entries() {
            let bytes = e.to_bytes();
            for window in bytes.windows(8) {
                let v = u64::from_be_bytes(window.try_into().expect("eight bytes"));
                assert!(
                    !secrets.contains(&v),
                    "{} is in a message",
                    f64::from_bits(v)
                );
            }
            if e.header().author.as_str() != m.problem.id().as_str() {
                continue;
            }
            // A member speaks of its own couplings and of nothing else.
            match payload(e) {
                Some(Payload::SharedVariables(s)) => {
                    assert!(s.forecasts.keys().all(|c| touched.contains(c.as_str())));
                }
                None | Some(Payload::PlanDelta(_) | Payload::DualVariables(_)) => {}
                other => panic!("an agreement sends no {other:?}"),
            }
        }
    }
}

#[test]
fn bad_input_says_where_and_what() {
    let text = shipped_scenario(NAME).expect("it is shipped");
    let broken = text.replacen("round_limit_s = 60", "round_limit_s = -60", 1);
    assert_ne!(text, broken);
    let error = run("mine.toml", &broken, &Options::default(), &mut |_| {}).expect_err("refused");
    let line = 1 + broken[..broken.find("round_limit_s").expect("it is there")]
        .matches('\n')
        .count();
    let said = error.to_string();
    assert!(
        said.contains(&format!("mine.toml:{line}:")) && said.contains("-60"),
        "{said}"
    );
    for options in [
        Options {
            gap: 0.0,
            ..Options::default()
        },
        Options {
            gap: f64::NAN,
            ..Options::default()
        },
        Options {
            loss: 1.0,
            ..Options::default()
        },
        Options {
            loss: -0.1,
            ..Options::default()
        },
    ] {
        assert!(
            run("mine.toml", text, &options, &mut |_| {}).is_err(),
            "{options:?}"
        );
    }
}
