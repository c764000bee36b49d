//! Runs an agreement in one place, round after round: for benchmarks, laws
//! and tests. Missions run the same agents and the same fold over links.

use std::sync::Arc;

use crate::coupled::{Coupled, RowKind};
use crate::local::SolverName;
use crate::method::agent::{Agent, AgentError, Exchange};
use crate::method::bounds::{Bounds, Candidate, certifies, relative_gap};
use crate::method::explain::{Infeasibility, explain};
use crate::method::fixed::{self, COST};
use crate::method::fold::Fold;
use crate::method::frame::{Frame, FrameError};
use crate::method::{MethodName, Reply};
use crate::seeded::Seeded;

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drive {
    /// The method.
    pub method: MethodName,
    /// Stop at this certified relative gap.
    pub gap: f64,
    /// Stop after this many rounds in any case.
    pub most_rounds: u32,
    /// Each message is lost with this probability.
    pub loss: f64,
    /// Decides which.
    pub seed: u64,
}

impl Default for Drive {
    fn default() -> Self {
        Self {
            method: MethodName::Aladin,
            gap: 1e-4,
            most_rounds: 40,
            loss: 0.0,
            seed: 0,
        }
    }
}

/// One round as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundLog {
    /// The round.
    pub round: u32,
    /// How many members answered it in time.
    pub present: usize,
    /// Lower bound on the optimum after it.
    pub lower: Option<f64>,
    /// Upper bound after it.
    pub upper: Option<f64>,
    /// Their relative gap.
    pub gap: Option<f64>,
}

/// How it ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Every round.
    pub rounds: Vec<RoundLog>,
    /// The last certified lower bound.
    pub lower: Option<f64>,
    /// The cost of the allotments that were settled on.
    pub upper: Option<f64>,
    /// Their relative gap.
    pub gap: Option<f64>,
    /// The prices of the last call.
    pub price: Vec<f64>,
    /// The settled allotments by member and row of the member, in quanta.
    pub allotments: Option<Vec<Vec<i64>>>,
    /// The settled plans.
    pub exchanges: Vec<Exchange>,
    /// Why there is none, where that was proven.
    pub infeasible: Option<Infeasibility>,
}

impl Outcome {
    /// The first round after which the gap was at most `gap`.
    pub fn rounds_to(&self, gap: f64) -> Option<u32> {
        self.rounds
            .iter()
            .find(|r| r.gap.is_some_and(|g| certifies(g, gap)))
            .map(|r| r.round)
    }
}

/// Why a run stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The problem has no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A member could not answer.
    #[error("member {member}: {source}")]
    Agent {
        /// The member.
        member: String,
        /// Why.
        source: AgentError,
    },
}

/// Rounds without any plan after which it is asked whether there is one.
const DOUBT: u32 = 8;

/// Runs the agreement of `problem`. Where no plan is found for long, the
/// members find out whether the couplings can be met ([`explain`]), once.
///
/// # Errors
///
/// When there is no frame or a member cannot answer.
pub fn solve(problem: &Coupled, drive: Drive) -> Result<Outcome, DriveError> {
    let mut doubted = None;
    let doubt = |bounds: &Bounds, round: u32| {
        round >= DOUBT && bounds.upper().is_none() && doubted.is_none() && {
            doubted = Some(explain(problem).ok().flatten());
            matches!(doubted, Some(Some(_)))
        }
    };
    let found = run(problem, drive, doubt);
    let infeasible = match (doubted, &found) {
        (Some(known), _) => known,
        // Prices that run away can leave the range before there is doubt.
        (None, Err(DriveError::Agent { .. })) => explain(problem).ok().flatten(),
        (None, _) => None,
    };
    match (found, infeasible) {
        (Ok(outcome), infeasible) => Ok(Outcome {
            infeasible,
            ..outcome
        }),
        (Err(DriveError::Agent { .. }), Some(infeasible)) => Ok(Outcome {
            rounds: Vec::new(),
            lower: None,
            upper: None,
            gap: None,
            price: Vec::new(),
            allotments: None,
            exchanges: Vec::new(),
            infeasible: Some(infeasible),
        }),
        (Err(e), _) => Err(e),
    }
}

/// Runs the agreement until it is certified, `enough` says so, or rounds run
/// out.
pub(crate) fn run(
    problem: &Coupled,
    drive: Drive,
    mut enough: impl FnMut(&Bounds, u32) -> bool,
) -> Result<Outcome, DriveError> {
    let frame = Arc::new(Frame::new(problem, |_| None, |_| None)?);
    let mut agents: Vec<Agent> = problem
        .members
        .iter()
        .enumerate()
        .map(|(i, m)| Agent::new(frame.clone(), i, m, drive.method, SolverName::Auto))
        .collect();
    let mut fold = Fold::new(frame.clone(), drive.method);
    let mut chance = Seeded::new(drive.seed);
    let mut lost = || drive.loss > 0.0 && chance.uniform(0.0, 1.0) < drive.loss;
    let mut rounds = Vec::new();
    let mut calls = vec![fold.call().clone()];
    'rounds: loop {
        let mut replies: Vec<(usize, Reply)> = Vec::new();
        for agent in &mut agents {
            if lost() {
                continue;
            }
            // A message carries every call that its receiver lacks.
            let from = agent.heard().map_or(0, |r| r as usize);
            for call in &calls[from..] {
                agent.hear(call);
            }
            let reply = match agent.reply() {
                Ok(reply) => reply,
                // What it holds of this member, the fold carries forward.
                Err(AgentError::Range(_)) => continue,
                Err(source) => {
                    return Err(DriveError::Agent {
                        member: frame.members[agent.index()].name.to_string(),
                        source,
                    });
                }
            };
            if !lost() {
                replies.push((agent.index(), reply));
            }
        }
        let round = fold.call().round;
        let counted: Vec<(usize, &Reply)> = replies.iter().map(|(i, r)| (*i, r)).collect();
        fold.close(&counted);
        calls.push(fold.call().clone());
        rounds.push(RoundLog {
            round,
            present: counted.len(),
            lower: fold.bounds().lower(),
            upper: fold.bounds().upper(),
            gap: fold.bounds().relative_gap(),
        });
        if round >= drive.most_rounds {
            break;
        }
        let mut wanted = |bounds: &Bounds| {
            bounds
                .relative_gap()
                .is_some_and(|g| certifies(g, drive.gap))
                || enough(bounds, round)
        };
        // What a candidate really costs is known when it has been settled on.
        while wanted(fold.bounds()) {
            let Some(at) = fold.bounds().best() else {
                break 'rounds;
            };
            match settle(&frame, &mut agents, at) {
                Some((_, exchanges)) => {
                    let cost = exchanges.iter().map(|e| i128::from(e.cost)).sum();
                    fold.settled(at, cost);
                    if fold.bounds().best() == Some(at) && wanted(fold.bounds()) {
                        break 'rounds;
                    }
                }
                None => fold.reject_best(),
            }
        }
    }
    let lower = fold.bounds().lower();
    let price = fold.call().points[0].price.clone();
    while let Some(at) = fold.bounds().best() {
        if let Some((allotments, exchanges)) = settle(&frame, &mut agents, at) {
            let cost: i128 = exchanges.iter().map(|e| i128::from(e.cost)).sum();
            let upper = fixed::from_sum(cost, COST);
            let gap = lower.map(|l| relative_gap((l / COST) as i128, cost));
            return Ok(Outcome {
                rounds,
                lower,
                upper: Some(upper),
                gap,
                price,
                allotments: Some(allotments),
                exchanges,
                infeasible: None,
            });
        }
        fold.reject_best();
    }
    Ok(Outcome {
        rounds,
        lower,
        upper: None,
        gap: None,
        price,
        allotments: None,
        exchanges: Vec::new(),
        infeasible: None,
    })
}

/// Every member settles; the slack member of each equation takes what
/// rounding left over.
fn settle(
    frame: &Frame,
    agents: &mut [Agent],
    at: Candidate,
) -> Option<(Vec<Vec<i64>>, Vec<Exchange>)> {
    let mut allotments: Vec<Vec<i64>> = agents
        .iter()
        .map(|a| a.allotment(at).map(<[i64]>::to_vec))
        .collect::<Option<_>>()?;
    let mut left: Vec<i64> = frame.rows.iter().map(|r| r.rhs).collect();
    for (m, a) in frame.members.iter().zip(&allotments) {
        for (&r, v) in m.rows.iter().zip(a) {
            left[r] -= v;
        }
    }
    for (r, row) in frame.rows.iter().enumerate() {
        if row.kind == RowKind::Equal && left[r] != 0 {
            let place = frame.members[row.slack].rows.binary_search(&r).ok()?;
            allotments[row.slack][place] += left[r];
        } else if row.kind == RowKind::AtMost && left[r] < 0 {
            return None;
        }
    }
    let exchanges = agents
        .iter_mut()
        .zip(&allotments)
        .map(|(agent, a)| agent.settle(a).ok())
        .collect::<Option<Vec<_>>>()?;
    Some((allotments, exchanges))
}
