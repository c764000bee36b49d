//! `run`: from a scenario to an agreed, certified plan.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use cosmosmesh_coordination::contract::{Contract, ContractError};
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::Member;
use cosmosmesh_coordination::wire::WireError;
use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::Log;
use cosmosmesh_mission::{
    AssetId, Commitment, ContractId, DomainId, Epoch, MemberId, ProblemVersion,
};
use cosmosmesh_optimize::central::{self, CentralError};
use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, FrameError, Infeasibility, MethodName, explain, fixed};
use cosmosmesh_planning::error::ScenarioError;
use cosmosmesh_planning::local_problem::{Heading, RecordError, solver, to_record};
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::{Resource, Scenario};
use cosmosmesh_planning::shipped;
use cosmosmesh_sim::agreement::{self, Ended, Mischief, Terms, TimedRound};
use cosmosmesh_sim::upset::Noise;
use serde::Serialize;

use crate::leases::{self, LeaseFigures};
use crate::report::{self, Alone, BoundKind, ContactUse, ReportData, RoundReport, Summary, fill};

/// What to run and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method.
    pub method: MethodName,
    /// Settle at this certified relative gap.
    pub gap: f64,
    /// Each message is lost with this probability.
    pub loss: f64,
    /// Decides which.
    pub seed: u64,
    /// Whether to compare with the central optimum.
    pub check_central: bool,
    /// Rounds after which the agreement is given up.
    pub most_rounds: u32,
    /// Members that nobody hears any more, and that hear nobody, and since when.
    pub silent: Vec<(MemberId, Since)>,
}

/// Since when a member is silent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Since {
    /// From so many seconds after the start.
    Time(f64),
    /// When so many rounds are closed.
    Round(u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: MethodName::Aladin,
            gap: 1e-4,
            loss: 0.0,
            seed: 0,
            check_central: false,
            most_rounds: 60,
            silent: Vec::new(),
        }
    }
}

/// What a run found, as one flat object. Times are virtual; whoever measures
/// wall time and memory adds them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The scenario.
    pub scenario: String,
    /// The method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// How many members took part.
    pub members: usize,
    /// Steps of the time grid.
    pub steps: usize,
    /// Rounds of member messages until the gap was certified.
    pub rounds: u32,
    /// Whether all members signed off one plan.
    pub agreed: bool,
    /// Whether every member that can be reached holds a certificate of that.
    pub plan_final: bool,
    /// The certified relative gap of exactly the plan that was signed off.
    pub certified_relative_gap: Option<f64>,
    /// How far its cost is from the central optimum, relative.
    pub central_relative_error: Option<f64>,
    /// By how many quanta allocations exceed what there is.
    pub coupling_violation_max: u64,
    /// The worst relative residual of an independent re-simulation.
    pub physical_residual_max: f64,
    /// `certified`, `conditional` or `none`.
    pub bound: BoundKind,
    /// Why.
    pub bound_reason: String,
    /// No plan costs less, in the value unit.
    pub lower_value: Option<f64>,
    /// What the plan costs, in the value unit.
    pub upper_value: Option<f64>,
    /// Messages sent, end to end.
    pub messages: u64,
    /// Bytes sent, overheads included.
    pub bytes_sent: u64,
    /// How long the agreement took in the mission's time, in seconds.
    pub virtual_time_s: f64,
    /// What the meetings after the end sent, until every member held every entry.
    pub drained_bytes: u64,
    /// Entries that are final: the past of the last closing.
    pub final_entries: usize,
    /// Entries that were said and are part of nothing yet.
    pub provisional_entries: usize,
    /// Digest of the final entries and of the state that follows from them.
    pub state_digest: String,
    /// How leases stand.
    pub leases: LeaseFigures,
    /// Everything that is wrong with the plan, as sentences.
    pub violations: Vec<String>,
}

/// Everything that a run found.
#[derive(Debug)]
pub struct Run {
    /// The figures.
    pub figures: Figures,
    /// What the report shows; none without a plan.
    pub report: Option<ReportData>,
    /// Every entry.
    pub ledger: Ledger,
    /// Each member's own log.
    pub logs: Vec<(MemberId, Log)>,
}

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario is not one.
    #[error("{0}")]
    Scenario(#[from] ScenarioError),
    /// There is no scenario of that name.
    #[error("there is no scenario `{name}`: give the path of a file, or one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// An option makes no sense.
    #[error("{option} is {value}; {remedy}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        remedy: &'static str,
    },
    /// What the assets ask for cannot be had.
    #[error("no plan satisfies every contract of {scenario}:\n{explanation}")]
    Infeasible {
        /// The scenario.
        scenario: String,
        /// Which contract, at which steps, by how much.
        explanation: String,
    },
    /// Something in the scenario does not fit the method or the messages.
    #[error("{0}")]
    Unfit(String),
}

macro_rules! unfit {
    ($($error:ty),+) => { $(
        impl From<$error> for RunError {
            fn from(e: $error) -> Self {
                Self::Unfit(e.to_string())
            }
        }
    )+ };
}

unfit!(
    FrameError,
    ContractError,
    WireError,
    RecordError,
    agreement::RunError
);

/// The text of a shipped scenario.
///
/// # Errors
///
/// [`RunError::Unknown`] with the names that there are.
pub fn shipped_scenario(name: &str) -> Result<&'static str, RunError> {
    shipped::shipped(name).ok_or_else(|| RunError::Unknown {
        name: name.to_owned(),
        known: shipped::SHIPPED
            .iter()
            .map(|s| s.0)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// Runs the agreement of a scenario. `display_name` is what errors call the
/// text; `watch` is told of every closed round.
///
/// # Errors
///
/// See [`RunError`]. An agreement that does not come about is no error: the
/// figures then say so.
pub fn run(
    display_name: &str,
    text: &str,
    options: &Options,
    watch: &mut dyn FnMut(&TimedRound),
) -> Result<Run, RunError> {
    check(options)?;
    let scenario = Scenario::parse(display_name, text)?;
    let mission = Mission::build(&scenario)?;
    let coupled = mission
        .normal_form()
        .map_err(|e| RunError::Unfit(e.to_string()))?;
    let frame = frame(&mission, &coupled)?;
    let contract = Arc::new(contract(&mission, frame, options)?);
    let commitments = commitments(&mission, &coupled, &contract, options.seed)?;
    let make = |i: usize| {
        let (commitment, solver) = commitments[i];
        let (problem, key) = (&coupled.members[i], signing_key(options.seed, i));
        Member::new(contract.clone(), i, problem, commitment, solver, key)
    };
    let sync = &mission.sync;
    let terms = Terms {
        start_s: mission.start_unix_s as f64,
        round_limit_s: sync.round_limit_s.get(),
        overhead_bytes: u64::from(sync.overhead_bytes),
        compute_s: sync.compute_s.get(),
        clock_bound_s: sync.clock_bound_s.get(),
        loss: options.loss,
        seed: options.seed,
        most_rounds: options.most_rounds,
    };
    // Where no plan is found for long, the members find out whether the
    // contracts can be met at all, once.
    let mut doubted = None;
    let closed = Cell::new(0);
    let mut doubt = |round: &TimedRound| {
        watch(round);
        closed.set(round.closed.round);
        if round.closed.round < DOUBT || round.closed.upper.is_some() || doubted.is_some() {
            return true;
        }
        doubted = Some(explain(&coupled).ok().flatten());
        matches!(doubted, Some(None))
    };
    let silent = options.silent.iter().map(|(member, since)| {
        let place = contract.place(member.as_str());
        let place = place.ok_or_else(|| RunError::Option {
            option: "--silent",
            value: member.to_string(),
            remedy: "name an asset that shares something",
        })?;
        Ok((place, *since))
    });
    let silent: Vec<(usize, Since)> = silent.collect::<Result<_, RunError>>()?;
    let hears = |i: usize, at_s: f64| {
        let mut of_member = silent.iter().filter(|(place, _)| *place == i);
        of_member.all(|(_, since)| match since {
            Since::Time(from_s) => at_s < *from_s,
            Since::Round(round) => closed.get() < *round,
        })
    };
    let mischief = Mischief {
        tamper: &mut |_, payload| vec![payload],
        reach: &|from, to, at_s| hears(from, at_s) && hears(to, at_s),
        noise: Noise::default(),
        upsets: &[],
    };
    let plan = &mission.contact_plan;
    let ended = agreement::run(&contract, &make, plan, terms, mischief, &mut doubt)?;
    if ended.stopped.is_some() {
        // Prices that run away can leave their range before there is doubt.
        doubted.get_or_insert_with(|| explain(&coupled).ok().flatten());
    }
    if let Some(Some(found)) = &doubted {
        return Err(RunError::Infeasible {
            scenario: mission.name.to_string(),
            explanation: explanation(&mission, found),
        });
    }
    finish(&mission, &coupled, &contract, options, ended)
}

/// Rounds without any plan after which it is asked whether there is one.
const DOUBT: u32 = 8;
/// Steps of a contract that an explanation lists.
const LISTED: usize = 12;

/// Which contracts cannot be met, when, and by how much.
fn explanation(mission: &Mission, found: &Infeasibility) -> String {
    let edges = mission.steps.edges_s();
    let mut lines = Vec::new();
    for c in &found.couplings {
        let contract = mission.contracts.iter().find(|k| k.id == c.coupling);
        let unit = match contract.map(|k| k.resource) {
            Some(Resource::Power) => "kW",
            _ => "min",
        };
        let total: f64 = c.steps.iter().map(|s| s.1.abs()).sum();
        lines.push(format!(
            "  contract {}: {} of {} steps cannot be met, {total:.4} {unit} are missing in all",
            c.coupling,
            c.steps.len(),
            mission.steps.len()
        ));
        for (step, missing) in c.steps.iter().take(LISTED) {
            let at = cosmosmesh_contact::format_utc(
                mission.start_unix_s + edges.get(*step as usize).copied().unwrap_or(0),
            );
            lines.push(format!(
                "    step {step} from {at}: {:.4} {unit}",
                missing.abs()
            ));
        }
        if c.steps.len() > LISTED {
            lines.push(format!("    and {} more steps", c.steps.len() - LISTED));
        }
    }
    lines.push(
        "  These amounts are the smallest relaxation that would do: supply that much more, or ask \
         for that much less."
            .to_owned(),
    );
    lines.join("\n")
}

fn check(o: &Options) -> Result<(), RunError> {
    if !(o.gap > 0.0 && o.gap < 1.0) {
        return Err(RunError::Option {
            option: "--gap",
            value: o.gap.to_string(),
            remedy: "give a relative gap between 0 and 1, such as 1e-4",
        });
    }
    if !(0.0..1.0).contains(&o.loss) {
        return Err(RunError::Option {
            option: "--loss",
            value: o.loss.to_string(),
            remedy: "give a probability of at least 0 and below 1, such as 0.3",
        });
    }
    Ok(())
}

fn frame(mission: &Mission, coupled: &Coupled) -> Result<Arc<Frame>, RunError> {
    let contract = |name: &cosmosmesh_optimize::problem::Name| {
        mission.contracts.iter().find(|c| c.id == *name)
    };
    Ok(Arc::new(Frame::new(
        coupled,
        |name| contract(name).map(|c| c.quantum),
        |name| contract(name).map(|c| c.slack.clone()),
    )?))
}

fn contract(mission: &Mission, frame: Arc<Frame>, o: &Options) -> Result<Contract, RunError> {
    let unfit = |e: &dyn std::fmt::Display| RunError::Unfit(e.to_string());
    let closers = mission.closers.iter();
    let closers: Vec<MemberId> = closers
        .map(|name| MemberId::new(name.as_str()))
        .collect::<Result<_, _>>()
        .map_err(|e| unfit(&e))?;
    let id = ContractId::new(&mission.name.to_string()).map_err(|e| unfit(&e))?;
    let keys: Vec<_> = (0..frame.members.len())
        .map(|index| signing_key(o.seed, index).public())
        .collect();
    let contract = Contract::new(id, Epoch(0), frame, &keys, &closers, o.method, o.gap)?;
    Ok(contract.with_leases(leases::terms(mission)?)?)
}

/// The salt of a member's commitment to its problem, in a run in one process: it
/// follows from the run's seed and the member's place, so that the same seed
/// gives the same bytes. Whoever knows the seed knows the salts. A node draws its
/// own from the operating system, and keeps it.
fn salt(seed: u64, index: usize) -> [u8; 32] {
    let context = "cosmosmesh v1 commitment salts of a run in one process";
    let key = blake3::derive_key(context, &seed.to_be_bytes());
    *blake3::keyed_hash(&key, &(index as u64).to_be_bytes()).as_bytes()
}

/// The key that a member signs with, in a run in one process: it follows from the
/// run's seed and the member's place, so that the same seed gives the same bytes.
/// Whoever knows the seed knows all keys: signatures of such a run say which member
/// of it said something, and nothing beyond it. A node draws its own from the
/// operating system, and keeps it.
pub fn signing_key(seed: u64, index: usize) -> SecretKey {
    let context = "cosmosmesh v1 signing keys of a run in one process";
    let key = blake3::derive_key(context, &seed.to_be_bytes());
    SecretKey::from_seed(*blake3::keyed_hash(&key, &(index as u64).to_be_bytes()).as_bytes())
}

/// The commitment of each member to its problem, and its solver.
fn commitments(
    mission: &Mission,
    coupled: &Coupled,
    contract: &Arc<Contract>,
    seed: u64,
) -> Result<Vec<(Commitment, SolverName)>, RunError> {
    let mut out = Vec::new();
    for (i, m) in coupled.members.iter().enumerate() {
        let asset = mission
            .asset(m.problem.id())
            .ok_or_else(|| RunError::Unfit(format!("{} is no asset", m.problem.id())))?;
        let unfit = |e: &dyn std::fmt::Display| RunError::Unfit(e.to_string());
        let hint = asset.asset.solver_hint;
        let heading = Heading {
            domain: DomainId::new("surface-operations").map_err(|e| unfit(&e))?,
            assets: BTreeSet::from([AssetId::new(asset.id.as_str()).map_err(|e| unfit(&e))?]),
            solver_hint: hint,
            version: ProblemVersion(1),
            contract_id: contract.id().clone(),
        };
        let record = to_record(&asset.problem, heading)?;
        let commitment = record.commit(&salt(seed, i)).map_err(|e| unfit(&e))?;
        out.push((commitment, solver(hint)));
    }
    Ok(out)
}

fn finish(
    mission: &Mission,
    coupled: &Coupled,
    contract: &Contract,
    options: &Options,
    ended: Ended,
) -> Result<Run, RunError> {
    let state = ended.ledger.state();
    let settled = ended.ledger.settled(&state);
    let mut violations = Vec::new();
    let members = contract.members().iter().cloned();
    let logs: Vec<_> = members.zip(ended.logs.clone()).collect();
    let gone = |i: usize| ended.gone.contains(&i);
    for (i, (member, log)) in logs.iter().enumerate() {
        if gone(i) {
            violations.push(format!("{member} cannot be reached"));
        } else if log.digest() != ended.ledger.log().digest() {
            violations.push(format!("the log of {member} is not that of the others"));
        }
    }
    for (id, fault) in &state.faults {
        violations.push(format!("{id} of closer {}: {}", fault.author, fault.why));
    }
    for round in &state.conflicts {
        violations.push(format!(
            "two cohorts are certified to open round {round}: more closers lie than may"
        ));
    }
    for (id, left_out) in &state.left_out {
        violations.push(format!(
            "message {id} of {} is left out: {}",
            left_out.author, left_out.reason
        ));
    }
    for (member, [one, other]) in &state.forks {
        violations.push(format!(
            "{member} forked: {one} and {other} have one back link"
        ));
    }
    for (member, count) in contract.members().iter().zip(&ended.refused) {
        if *count > 0 {
            violations.push(format!("{count} messages of {member} have no encoding"));
        }
    }
    let replayed = state.progress.plan();
    if ended.plan.as_ref() != replayed {
        violations.push("the messages do not lead to the plan that was signed off".to_owned());
    }
    if ended.plan.is_some() {
        for (i, member) in contract.members().iter().enumerate() {
            if !ended.finals[i] && !gone(i) {
                violations.push(format!("for {member} the plan is provisional still"));
            }
        }
    }
    let targets = leases::targets(&ended.ledger, &state);
    let leases = leases::figures(mission, &ended.ledger, &targets);
    violations.extend(lease_violations(&ended.ledger, &leases));
    let central = if options.check_central {
        match central::solve(coupled) {
            Ok(c) => Some(c.value),
            Err(e) => {
                violations.push(format!("the central optimum could not be computed: {e}"));
                None
            }
        }
    } else {
        None
    };
    let x: Option<Vec<Vec<f64>>> = if ended.plan.is_some() {
        ended.x.iter().cloned().collect()
    } else {
        None
    };
    let rounds = ended
        .rounds
        .iter()
        .find(|r| r.closed.gap.is_some_and(|g| g <= options.gap));
    let rounds = rounds.map_or(ended.rounds.len() as u32, |r| r.closed.round);
    let mut figures = Figures {
        scenario: mission.name.to_string(),
        method: options.method.name().to_owned(),
        seed: options.seed,
        members: contract.members().len(),
        steps: mission.steps.len(),
        rounds,
        agreed: ended.plan.is_some(),
        plan_final: ended.plan.is_some()
            && (0..ended.finals.len()).all(|i| ended.finals[i] || gone(i)),
        certified_relative_gap: ended.plan.as_ref().and_then(|p| p.gap),
        central_relative_error: None,
        coupling_violation_max: ended
            .plan
            .as_ref()
            .map_or(0, |p| p.violation)
            .max(leases.excess_quanta),
        physical_residual_max: 0.0,
        bound: BoundKind::None,
        bound_reason: String::new(),
        lower_value: ended.lower,
        upper_value: ended.plan.as_ref().map(|p| p.cost),
        messages: ended.sent.messages,
        bytes_sent: ended.sent.bytes,
        virtual_time_s: ended.virtual_time_s,
        drained_bytes: ended.drained_bytes,
        final_entries: settled.log().len(),
        provisional_entries: ended.ledger.log().len() - settled.log().len(),
        state_digest: blake3::Hash::from_bytes(state.final_digest)
            .to_hex()
            .to_string(),
        leases,
        violations,
    };
    (figures.bound, figures.bound_reason) = bound(&figures, ended.rounds.len());
    if let Some(stopped) = &ended.stopped {
        figures.bound = BoundKind::None;
        figures.bound_reason = format!("the agreement stopped: {stopped}");
    }
    if let (Some(cost), Some(central)) = (figures.upper_value, central) {
        figures.central_relative_error =
            Some((cost - central).abs() / central.abs().max(fixed::COST));
    }
    let Some(x) = x else {
        let absent = ended.gone.iter().map(|i| contract.members()[*i].as_str());
        let absent: Vec<&str> = absent.collect();
        let missing = if absent.is_empty() {
            String::new()
        } else {
            format!(", without {}", absent.join(" and "))
        };
        figures.violations.push(format!(
            "no agreement after {} rounds{missing}: the leases in force stand",
            ended.rounds.len()
        ));
        if ended.stopped.is_some() {
            figures.violations.push(figures.bound_reason.clone());
        }
        return Ok(Run {
            figures,
            report: None,
            ledger: ended.ledger,
            logs,
        });
    };
    let solution = mission.report(&x);
    let residual = mission.physical_residual(&solution);
    figures.physical_residual_max = residual.max;
    if residual.max > 1e-6 {
        let at = residual.at.map(|p| format!("{p:?}")).unwrap_or_default();
        figures.violations.push(format!(
            "re-simulation leaves a residual of {:.1e} of the size at {at}",
            residual.max
        ));
    }
    if figures.coupling_violation_max > 0 {
        figures.violations.push(format!(
            "allocations exceed what there is by {} quanta",
            figures.coupling_violation_max
        ));
    }
    let report = report_data(
        mission, coupled, contract, options, &ended, &figures, &x, solution,
    )?;
    Ok(Run {
        figures,
        report: Some(report),
        ledger: ended.ledger,
        logs,
    })
}

/// What is wrong with the leases of a run.
fn lease_violations(ledger: &Ledger, found: &LeaseFigures) -> Vec<String> {
    let mut wrong = Vec::new();
    for fault in ledger.leases().faults() {
        wrong.push(format!(
            "entry {} of {} gives no right: {}",
            fault.entry, fault.author, fault.reason
        ));
    }
    if let Some(share) = found.granted_share.filter(|share| *share < 1.0) {
        wrong.push(format!(
            "members hold {:.4} % of what they take by the plan: use no more than the leases",
            100.0 * share
        ));
    }
    wrong
}

fn bound(f: &Figures, rounds: usize) -> (BoundKind, String) {
    match (f.lower_value, f.certified_relative_gap) {
        (Some(_), Some(_)) => (
            BoundKind::Certified,
            "the exact value of every member at one set of prices is in it".to_owned(),
        ),
        (Some(_), None) => (
            BoundKind::None,
            "there is a lower bound, but no plan that every member could keep to".to_owned(),
        ),
        _ => (
            BoundKind::None,
            format!("in {rounds} rounds no set of prices was answered by every member"),
        ),
    }
}

#[allow(clippy::too_many_arguments)]
fn report_data(
    mission: &Mission,
    coupled: &Coupled,
    contract: &Contract,
    options: &Options,
    ended: &Ended,
    figures: &Figures,
    x: &[Vec<f64>],
    solution: cosmosmesh_planning::schedule::Report,
) -> Result<ReportData, RunError> {
    let granted: Vec<Vec<f64>> = match &ended.plan {
        Some(plan) => contract
            .frame()
            .members
            .iter()
            .zip(&plan.allotments)
            .map(|(m, a)| {
                m.rows
                    .iter()
                    .zip(a)
                    .map(|(&r, &v)| fixed::from_quanta(v, contract.frame().rows[r].quantum))
                    .collect()
            })
            .collect(),
        None => Vec::new(),
    };
    let couplings = fill::couplings(mission, coupled, &granted, &ended.price);
    let alone = mission
        .assets
        .iter()
        .map(|asset| alone(mission, asset))
        .collect::<Result<Vec<_>, _>>()?;
    let owners = fill::owners(&mission.settlements(coupled, x, &ended.price), &alone);
    let names = contract.members();
    let order: Vec<usize> = couplings
        .iter()
        .filter_map(|c| {
            contract
                .names()
                .couplings
                .iter()
                .position(|n| n.0.as_str() == c.name)
        })
        .collect();
    let rounds = ended
        .rounds
        .iter()
        .map(|r| RoundReport {
            round: r.closed.round,
            virtual_time_s: r.at_s,
            lower_value: r.closed.lower,
            upper_value: r.closed.upper,
            relative_gap: r.closed.gap,
            imbalance: order.iter().map(|&k| r.closed.imbalance[k]).collect(),
            received: r.closed.present.len() as u32,
            members: names.len() as u32,
            carried: (0..names.len())
                .filter(|i| !r.closed.present.contains(i))
                .map(|i| names[i].to_string())
                .collect(),
        })
        .collect();
    let start_s = mission.start_unix_s as f64;
    let contacts = mission
        .contact_plan
        .contacts
        .iter()
        .enumerate()
        .filter(|(_, c)| c.start_s - start_s <= ended.virtual_time_s)
        .map(|(k, c)| {
            let carried = ended.carried.get(&k).copied().unwrap_or_default();
            ContactUse {
                from: mission.contact_plan.name(c.from).to_owned(),
                to: mission.contact_plan.name(c.to).to_owned(),
                start_s: c.start_s - start_s,
                end_s: c.end_s - start_s,
                bytes: carried.bytes,
                messages: carried.messages,
            }
        })
        .collect();
    Ok(ReportData {
        scenario: fill::scenario(mission),
        edges_s: mission.steps.edges_s().to_vec(),
        summary: Summary {
            method: figures.method.clone(),
            seed: figures.seed,
            members: figures.members as u32,
            rounds: figures.rounds,
            gap_wanted: options.gap,
            loss_share: options.loss,
            agreed: figures.agreed,
            plan_final: figures.plan_final,
            final_entries: figures.final_entries as u64,
            provisional_entries: figures.provisional_entries as u64,
            bound: figures.bound,
            bound_reason: figures.bound_reason.clone(),
            lower_value: figures.lower_value,
            upper_value: figures.upper_value,
            certified_relative_gap: figures.certified_relative_gap,
            central_relative_error: figures.central_relative_error,
            coupling_violation_max: figures.coupling_violation_max,
            physical_residual_max: figures.physical_residual_max,
            violations: figures.violations.clone(),
            messages: figures.messages,
            bytes_sent: figures.bytes_sent,
            virtual_time_s: figures.virtual_time_s,
            state_digest: figures.state_digest.clone(),
        },
        assets: fill::assets(mission, &solution),
        couplings,
        leases: figures.leases.clone(),
        rounds,
        contacts,
        owners,
        alone_means: fill::ALONE_BY_ASSET.to_owned(),
        total: solution.total,
    })
}

/// What an asset could do without the others.
fn alone(
    mission: &Mission,
    asset: &cosmosmesh_planning::mission::AssetModel,
) -> Result<Alone, RunError> {
    let unfit = |e: &dyn std::fmt::Display| RunError::Unfit(e.to_string());
    match central::solve_one(&asset.alone().map_err(|e| unfit(&e))?) {
        Ok((value, _)) => Ok(Alone::Cost(value)),
        Err(CentralError::Infeasible) => {
            let short = asset.shortfall(&mission.steps).map_err(|e| unfit(&e))?;
            let why = match short.map(|p| central::solve_one(&p)) {
                Some(Ok((kwh, _))) => format!("{kwh:.1} kWh short over the plan"),
                _ => "its hard loads cannot be met even with power from outside".to_owned(),
            };
            Ok(Alone::Infeasible(why))
        }
        Err(e) => Err(RunError::Unfit(format!(
            "what {} could do alone: {e}",
            asset.id
        ))),
    }
}

pub use report::verdict;
