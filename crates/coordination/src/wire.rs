//! Between messages and the method's own types, without loss.
//!
//! What comes in a message is not trusted: whatever does not fit the frame is a
//! [`WireError`] that says what was expected and what was found. Maps by
//! couplings follow [`RowNames`]; lists with an item for each row follow the
//! rows of the frame.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission as mission;
use cosmosmesh_optimize::method::{
    AllotmentCost, Call, Candidate, Counted, DualValue, Frame, Point, Recipe, Reply, Restore,
    Terms, fixed,
};
use mission::{
    Attempt, CandidateRef, Commitment, ContractId, CouplingId, DualVariables, Epoch, Finite, Fixed,
    FixedVec, Invalid, MemberId, MessageId, PointTerms, PricePoint, PricesId, Priors, Round,
    SharedVariables, Wide,
};

/// The most points that one call may have.
pub const MAX_POINTS: usize = 16;
/// The most candidates that one call may have.
pub const MAX_CANDIDATES: usize = 64;

/// The largest exchange: twice the scale of its row. A row's scale is what its
/// members' declared limits stay within; the rest is for solvers' tolerances.
const MAX_EXCHANGE: i128 = 1 << 45;
/// The largest binary exponent of a row of sensitivities.
const MAX_EXPONENT: u8 = 40;
/// The largest sensitivity, before its exponent.
const MAX_SENSITIVITY: i128 = 1 << 50;
/// The largest sum of sensitivities over all members, after their exponents.
const MAX_SENSITIVITY_SUM: i128 = 1 << 126;
/// The largest spread.
const MAX_SPREAD: i128 = 1 << 100;

/// Why a message and the frame do not fit each other.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A name of the frame is none that messages can carry.
    #[error("the {what} of the frame is no name in messages: {source}")]
    Name {
        /// A coupling or a member.
        what: &'static str,
        /// Which rule it breaks.
        source: Invalid,
    },
    /// A value breaks a rule of its message.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The row names are those of another frame.
    #[error("the row names name {actual} of the {expected} rows")]
    Rows {
        /// The rows that must have a name.
        expected: usize,
        /// The rows that have one.
        actual: usize,
    },
    /// A member that the frame does not have, by number.
    #[error("member {actual} is none of the frame's {members}")]
    NoMember {
        /// How many there are; they are numbered from 0.
        members: usize,
        /// What was met.
        actual: usize,
    },
    /// A member that the frame does not have, by name.
    #[error("counted names member {member}, who is none of the frame's {members}")]
    UnknownMember {
        /// How many there are.
        members: usize,
        /// What was met.
        member: MemberId,
    },
    /// A coupling that is not the frame's, or not the member's.
    #[error("{what} names coupling {coupling}, which is none of the {expected} expected")]
    UnknownCoupling {
        /// Which field.
        what: &'static str,
        /// How many couplings are expected.
        expected: usize,
        /// What was met.
        coupling: CouplingId,
    },
    /// A coupling that is the member's is missing.
    #[error("{what} lacks coupling {coupling}")]
    MissingCoupling {
        /// Which field.
        what: &'static str,
        /// The coupling.
        coupling: CouplingId,
    },
    /// A coupling has too few or too many steps.
    #[error("{what} has {actual} steps of coupling {coupling}, expected {expected}")]
    Steps {
        /// Which field.
        what: &'static str,
        /// The coupling.
        coupling: CouplingId,
        /// The steps that it has in the frame.
        expected: usize,
        /// The steps that were met.
        actual: usize,
    },
    /// Too few or too many items.
    #[error("{actual} {what}, expected {least} to {most}")]
    Count {
        /// Items of what.
        what: &'static str,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
        /// What was met.
        actual: usize,
    },
    /// Exchanges without a point that they belong to.
    #[error("forecasts of {actual} couplings belong to no point: the message has none")]
    Forecasts {
        /// The couplings that were met.
        actual: usize,
    },
    /// A reply to a round in which nothing was asked, or not yet.
    #[error("round {actual} asked for no reply")]
    Round {
        /// What was met.
        actual: u32,
    },
    /// A candidate that the contract's method cannot make.
    #[error("a candidate is restored, which {method} cannot do")]
    Restored {
        /// The method.
        method: &'static str,
    },
    /// A number that must be finite is not.
    #[error("{what} is {actual}, expected a finite number")]
    NotFinite {
        /// Which field.
        what: &'static str,
        /// What was met.
        actual: f64,
    },
    /// A price that is not a whole number of its quanta, or has too many.
    #[error("price {actual:e} is not a whole number of quanta of {quantum:e} up to 2^62")]
    Price {
        /// The quantum of its row.
        quantum: f64,
        /// What was met.
        actual: f64,
    },
    /// A number of price quanta that no price has.
    #[error("{actual} price quanta are more than a double holds exactly")]
    PriceQuanta {
        /// What was met.
        actual: i64,
    },
}

/// Where the frame's rows stand in named couplings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowNames {
    /// Couplings in name order, each with the frame's rows of it in step order.
    pub couplings: Vec<(CouplingId, Vec<usize>)>,
}

impl RowNames {
    /// The names of a frame's rows.
    ///
    /// # Errors
    /// When a coupling or a member has a name that messages cannot carry.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        member_names(frame)?;
        let mut couplings: BTreeMap<CouplingId, Vec<usize>> = BTreeMap::new();
        for (r, row) in frame.rows.iter().enumerate() {
            let id = CouplingId::new(row.coupling.as_str()).map_err(|source| WireError::Name {
                what: "coupling",
                source,
            })?;
            couplings.entry(id).or_default().push(r);
        }
        for rows in couplings.values_mut() {
            rows.sort_by_key(|&r| (frame.rows[r].step, r));
        }
        Ok(Self {
            couplings: couplings.into_iter().collect(),
        })
    }

    /// For each coupling that `rows` touch where its items stand in `rows`,
    /// which ascend.
    pub(crate) fn places<'a>(
        &'a self,
        rows: &[usize],
    ) -> Result<Vec<(&'a CouplingId, Vec<usize>)>, WireError> {
        let places: Vec<_> = self
            .couplings
            .iter()
            .map(|(id, all)| {
                let found = all.iter().filter_map(|r| rows.binary_search(r).ok());
                (id, found.collect::<Vec<usize>>())
            })
            .filter(|(_, found)| !found.is_empty())
            .collect();
        let actual = places.iter().map(|(_, found)| found.len()).sum();
        if actual == rows.len() {
            Ok(places)
        } else {
            Err(WireError::Rows {
                expected: rows.len(),
                actual,
            })
        }
    }
}

/// What a message says about itself besides what the method answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHead {
    /// The contract.
    pub contract_id: ContractId,
    /// The epoch.
    pub epoch: Epoch,
    /// The member's last counted message.
    pub base: Option<MessageId>,
    /// The prices that the reply answers.
    pub prices: Option<PricesId>,
    /// The member's commitment to its local problem.
    pub problem: Commitment,
}

/// The message that carries the reply of `member`, in its first attempt.
///
/// # Errors
/// When the reply does not fit the frame, or has too many points. A reply
/// without points (a settlement) carries no exchange.
pub fn shared_from_reply(
    names: &RowNames,
    frame: &Frame,
    member: usize,
    reply: &Reply,
    head: &ReplyHead,
) -> Result<SharedVariables, WireError> {
    let layout = Layout::of_member(names, frame, member)?;
    count("points", 0, MAX_POINTS, reply.terms.len())?;
    let mut points = Vec::new();
    let mut forecasts = BTreeMap::new();
    for (index, terms) in reply.terms.iter().enumerate() {
        let exchange = layout.split("exchange", &terms.exchange, |_, v| Ok(*v))?;
        let mut point = PointTerms {
            exchange: FixedVec::default(),
            sensitivity: terms.sensitivity.clone().into(),
            exponents: terms.exponents.clone(),
            sensitivity_gap: terms.sensitivity_gap.clone().into(),
            barrier_rate: terms.barrier_rate.clone().into(),
            barrier_offset: terms.barrier_offset.clone().into(),
            spread: Wide(terms.spread),
        };
        if index == 0 {
            forecasts = exchange;
        } else {
            point.exchange = terms.exchange.clone().into();
        }
        points.push(point);
    }
    let wide = |value: Option<i64>| value.map(|value| Wide(value.into()));
    let shared = SharedVariables {
        forecasts,
        priors: Priors {
            points,
            dual_values: reply
                .duals
                .iter()
                .map(|dual| mission::DualValue {
                    round: Round(dual.round),
                    point: dual.point,
                    value: wide(dual.value),
                })
                .collect(),
            allotment_costs: reply
                .costs
                .iter()
                .map(|cost| mission::AllotmentCost {
                    round: Round(cost.round),
                    candidate: cost.candidate,
                    cost: wide(cost.value),
                })
                .collect(),
            barrier_weight: Fixed(reply.barrier_weight),
            barrier_total: Fixed(reply.barrier_total),
        },
        version: Round(reply.round),
        contract_id: head.contract_id.clone(),
        epoch: head.epoch,
        round: Round(reply.round),
        attempt: Attempt(0),
        base: head.base,
        prices: head.prices,
        problem: head.problem,
    };
    check_values(frame, &shared)?;
    Ok(shared)
}

/// The reply of `member` that a message carries.
///
/// # Errors
/// When the message breaks a rule or does not fit the frame.
pub fn reply_from_shared(
    names: &RowNames,
    frame: &Frame,
    member: usize,
    shared: &SharedVariables,
) -> Result<Reply, WireError> {
    let layout = Layout::of_member(names, frame, member)?;
    let priors = &shared.priors;
    count("points", 0, MAX_POINTS, priors.points.len())?;
    check_values(frame, shared)?;
    // A settlement has no point, and then no exchange either.
    let first = if priors.points.is_empty() {
        if !shared.forecasts.is_empty() {
            return Err(WireError::Forecasts {
                actual: shared.forecasts.len(),
            });
        }
        Vec::new()
    } else {
        layout.join(
            "forecasts",
            &shared.forecasts,
            |v| v.as_slice(),
            |_, v| Ok(*v),
        )?
    };
    let terms = priors
        .points
        .iter()
        .enumerate()
        .map(|(index, point)| Terms {
            exchange: if index == 0 {
                first.clone()
            } else {
                point.exchange.0.clone()
            },
            sensitivity: point.sensitivity.0.clone(),
            exponents: point.exponents.clone(),
            sensitivity_gap: point.sensitivity_gap.0.clone(),
            barrier_rate: point.barrier_rate.0.clone(),
            barrier_offset: point.barrier_offset.0.clone(),
            spread: point.spread.0,
        });
    let duals = priors.dual_values.iter().map(|dual| {
        Ok(DualValue {
            round: dual.round.0,
            point: dual.point,
            value: narrow("dual value", dual.value)?,
        })
    });
    let costs = priors.allotment_costs.iter().map(|cost| {
        Ok(AllotmentCost {
            round: cost.round.0,
            candidate: cost.candidate,
            value: narrow("allotment cost", cost.cost)?,
        })
    });
    Ok(Reply {
        round: shared.round.0,
        terms: terms.collect(),
        duals: duals.collect::<Result<_, WireError>>()?,
        costs: costs.collect::<Result<_, WireError>>()?,
        barrier_weight: priors.barrier_weight.0,
        barrier_total: priors.barrier_total.0,
    })
}

/// Checks that `quanta` are an allocation of a coupling for `member`: one item
/// for each row of the coupling that it touches, in step order, none of them
/// beyond twice what the row can carry.
///
/// # Errors
/// When it does not fit the frame.
pub fn check_allocation(
    names: &RowNames,
    frame: &Frame,
    member: usize,
    coupling: &CouplingId,
    quanta: &[i64],
) -> Result<(), WireError> {
    let what = "the allocation";
    let layout = Layout::of_member(names, frame, member)?;
    let found = layout.places.iter().find(|(id, _)| *id == coupling);
    let (_, places) = found.ok_or_else(|| WireError::UnknownCoupling {
        what,
        expected: layout.places.len(),
        coupling: coupling.clone(),
    })?;
    if quanta.len() != places.len() {
        return Err(WireError::Steps {
            what,
            coupling: coupling.clone(),
            expected: places.len(),
            actual: quanta.len(),
        });
    }
    for (&place, &value) in places.iter().zip(quanta) {
        let row = &frame.rows[layout.rows[place]];
        // A contract's quantum may be so fine that there is no such limit.
        let most = (2.0 * row.scale / row.quantum).ceil() as i128;
        at_most(what, most, value.into())?;
    }
    Ok(())
}

/// The message that carries a call, with the messages that it follows from and
/// the allotment that members are asked to settle on.
///
/// # Errors
/// When the call does not fit the frame or has too many points or candidates.
pub fn dual_from_call(
    names: &RowNames,
    frame: &Frame,
    call: &Call,
    contract_id: &ContractId,
    epoch: Epoch,
    cohort: BTreeSet<MessageId>,
    settle: Option<Candidate>,
) -> Result<DualVariables, WireError> {
    let layout = Layout::of_frame(names, frame)?;
    count("points", 1, MAX_POINTS, call.points.len())?;
    count("full points", 1, call.points.len(), call.full)?;
    count("candidates", 0, MAX_CANDIDATES, call.candidates.len())?;
    let members = frame.members.len();
    count("counted replies", members, members, call.counted.len())?;
    for recipe in &call.candidates {
        if let Recipe::Predicted { point }
        | Recipe::Restored { point, .. }
        | Recipe::Mixed { point, .. } = recipe
        {
            below("point of a candidate", call.points.len(), *point)?;
        }
    }
    let mut points = Vec::new();
    for point in &call.points {
        points.push(PricePoint {
            multipliers: layout.split("prices", &point.price, |r, v| {
                price_quanta(frame.rows[r].price_quantum(), *v)
            })?,
            barrier: finite("barrier", point.mu)?,
            shares: layout.finite("shares", &point.share)?,
            spares: layout.finite("spares", &point.spare)?,
        });
    }
    let main = points.remove(0);
    let recipes = call.candidates.iter().map(recipe_to_wire);
    let counted = member_names(frame)?.into_iter().zip(&call.counted);
    let counted = counted.filter_map(|(name, at)| {
        at.map(|at| {
            let at = mission::Counted {
                round: Round(at.round),
                point: at.point,
            };
            (name, at)
        })
    });
    let restore = call.restore.as_ref().map(|restore| {
        Ok::<_, WireError>(mission::Restore {
            step: layout.finite("restoring step", &restore.step)?,
            shares: layout.finite("restoring shares", &restore.share)?,
            spares: layout.finite("restoring spares", &restore.spare)?,
        })
    });
    let dual = DualVariables {
        multipliers: main.multipliers,
        contract_id: contract_id.clone(),
        epoch,
        round: Round(call.round),
        attempt: Attempt(0),
        barrier: main.barrier,
        shares: main.shares,
        spares: main.spares,
        alternatives: points,
        full_points: call.full as u32,
        candidates: recipes.collect::<Result<_, _>>()?,
        counted: counted.collect(),
        best: call.best.map(candidate_to_wire),
        restore: restore.transpose()?,
        mean_weight: finite("mean weight", call.mean_weight)?,
        penalties: layout.finite("penalties", &call.penalty)?,
        settle: settle.map(candidate_to_wire),
        agreed: None,
        cohort,
    };
    check_call(&dual)?;
    Ok(dual)
}

/// The call that a message carries, and the allotment that members are asked to
/// settle on.
///
/// # Errors
/// When the message breaks a rule or does not fit the frame.
pub fn call_from_dual(
    names: &RowNames,
    frame: &Frame,
    dual: &DualVariables,
) -> Result<(Call, Option<Candidate>), WireError> {
    let layout = Layout::of_frame(names, frame)?;
    let points = dual.alternatives.len().saturating_add(1);
    count("points", 1, MAX_POINTS, points)?;
    count("candidates", 0, MAX_CANDIDATES, dual.candidates.len())?;
    check_call(dual)?;
    let point = |multipliers, barrier: Finite, shares, spares| {
        Ok::<_, WireError>(Point {
            price: layout.join(
                "multipliers",
                multipliers,
                |v: &FixedVec| v.as_slice(),
                |r, v| price(frame.rows[r].price_quantum(), *v),
            )?,
            mu: barrier.get(),
            share: layout.doubles("shares", shares)?,
            spare: layout.doubles("spares", spares)?,
        })
    };
    let mut points = vec![point(
        &dual.multipliers,
        dual.barrier,
        &dual.shares,
        &dual.spares,
    )?];
    for other in &dual.alternatives {
        points.push(point(
            &other.multipliers,
            other.barrier,
            &other.shares,
            &other.spares,
        )?);
    }
    let members = member_names(frame)?;
    let places: BTreeMap<&MemberId, usize> = members
        .iter()
        .enumerate()
        .map(|(i, name)| (name, i))
        .collect();
    let mut counted = vec![None; members.len()];
    for (member, at) in &dual.counted {
        let place = places.get(member);
        let place = *place.ok_or_else(|| WireError::UnknownMember {
            members: members.len(),
            member: member.clone(),
        })?;
        counted[place] = Some(Counted {
            round: at.round.0,
            point: at.point,
        });
    }
    let restore = dual.restore.as_ref().map(|restore| {
        Ok::<_, WireError>(Restore {
            step: layout.doubles("restoring step", &restore.step)?,
            share: layout.doubles("restoring shares", &restore.shares)?,
            spare: layout.doubles("restoring spares", &restore.spares)?,
        })
    });
    let call = Call {
        round: dual.round.0,
        points,
        full: dual.full_points as usize,
        candidates: dual.candidates.iter().map(recipe_from_wire).collect(),
        counted,
        best: dual.best.map(candidate_from_wire),
        restore: restore.transpose()?,
        mean_weight: dual.mean_weight.get(),
        penalty: layout.doubles("penalties", &dual.penalties)?,
    };
    Ok((call, dual.settle.map(candidate_from_wire)))
}

/// Where the items of a list by rows stand in a map by couplings.
struct Layout<'a> {
    /// The row of each item.
    rows: Vec<usize>,
    /// For each coupling the items that are its steps.
    places: Vec<(&'a CouplingId, Vec<usize>)>,
}

impl<'a> Layout<'a> {
    fn of_frame(names: &'a RowNames, frame: &Frame) -> Result<Self, WireError> {
        let rows: Vec<usize> = (0..frame.rows.len()).collect();
        let places = names.places(&rows)?;
        Ok(Self { rows, places })
    }

    fn of_member(names: &'a RowNames, frame: &Frame, member: usize) -> Result<Self, WireError> {
        let found = frame.members.get(member).ok_or(WireError::NoMember {
            members: frame.members.len(),
            actual: member,
        })?;
        let rows = found.rows.clone();
        let places = names.places(&rows)?;
        Ok(Self { rows, places })
    }

    /// From a list by rows to a map by couplings; `item` gets the row.
    fn split<T, U, V: FromIterator<U>>(
        &self,
        what: &'static str,
        values: &[T],
        item: impl Fn(usize, &T) -> Result<U, WireError>,
    ) -> Result<BTreeMap<CouplingId, V>, WireError> {
        count(what, self.rows.len(), self.rows.len(), values.len())?;
        let entries = self.places.iter().map(|(coupling, places)| {
            let steps = places.iter().map(|&k| item(self.rows[k], &values[k]));
            Ok(((*coupling).clone(), steps.collect::<Result<V, _>>()?))
        });
        entries.collect()
    }

    /// From a map by couplings to a list by rows; `item` gets the row.
    fn join<T, U: Clone + Default, V>(
        &self,
        what: &'static str,
        map: &BTreeMap<CouplingId, V>,
        open: impl Fn(&V) -> &[T],
        item: impl Fn(usize, &T) -> Result<U, WireError>,
    ) -> Result<Vec<U>, WireError> {
        let mut values = vec![U::default(); self.rows.len()];
        for (coupling, places) in &self.places {
            let steps = map.get(*coupling).map(&open);
            let steps = steps.ok_or_else(|| WireError::MissingCoupling {
                what,
                coupling: (*coupling).clone(),
            })?;
            if steps.len() != places.len() {
                return Err(WireError::Steps {
                    what,
                    coupling: (*coupling).clone(),
                    expected: places.len(),
                    actual: steps.len(),
                });
            }
            for (&k, step) in places.iter().zip(steps.iter()) {
                values[k] = item(self.rows[k], step)?;
            }
        }
        let known = |id: &CouplingId| {
            let place = self
                .places
                .binary_search_by(|(coupling, _)| (*coupling).cmp(id));
            place.is_ok()
        };
        match map.keys().find(|id| !known(id)) {
            Some(coupling) => Err(WireError::UnknownCoupling {
                what,
                expected: self.places.len(),
                coupling: coupling.clone(),
            }),
            None => Ok(values),
        }
    }
}

impl Layout<'_> {
    fn finite(
        &self,
        what: &'static str,
        values: &[f64],
    ) -> Result<BTreeMap<CouplingId, Vec<Finite>>, WireError> {
        self.split(what, values, |_, value| finite(what, *value))
    }

    fn doubles(
        &self,
        what: &'static str,
        map: &BTreeMap<CouplingId, Vec<Finite>>,
    ) -> Result<Vec<f64>, WireError> {
        self.join(what, map, Vec::as_slice, |_, value| Ok(value.get()))
    }
}

/// Checks what a message of a member must hold for the fold to take it: the
/// rules of the message, numbers within their range, and numbers whose sums over
/// the members fit.
fn check_values(frame: &Frame, shared: &SharedVariables) -> Result<(), WireError> {
    shared.check()?;
    let rows = shared.rows();
    let members = frame.members.len().max(1) as i128;
    let priors = &shared.priors;
    let exchanges = shared.forecasts.values();
    for exchange in exchanges.chain(priors.points.iter().map(|point| &point.exchange)) {
        for &value in &exchange.0 {
            at_most("exchange", MAX_EXCHANGE, value.into())?;
        }
    }
    for (what, weight) in [
        ("barrier weight", priors.barrier_weight),
        ("barrier total", priors.barrier_total),
    ] {
        if weight.0 < 0 {
            return Err(WireError::Invalid(Invalid::OutOfRange {
                what,
                least: 0,
                most: i64::MAX.into(),
                actual: weight.0.into(),
            }));
        }
    }
    for point in &priors.points {
        // The fold moves a whole `S` to other prices together with its gap. A
        // single row's `S` may stand for a diagonal, which it does not move.
        if point.sensitivity.len() > rows {
            count("sensitivity gaps", rows, rows, point.sensitivity_gap.len())?;
        }
        let mut largest = 0;
        for &exponent in &point.exponents {
            at_most("exponent", MAX_EXPONENT.into(), exponent.into())?;
            largest = largest.max(exponent);
        }
        let share = (MAX_SENSITIVITY_SUM / members) >> (2 * largest);
        for &value in &point.sensitivity.0 {
            at_most("sensitivity", share.min(MAX_SENSITIVITY), value.into())?;
        }
        at_most("spread", MAX_SPREAD, point.spread.0)?;
    }
    for dual in &priors.dual_values {
        below("point of a dual value", MAX_POINTS, dual.point as usize)?;
        at_most(
            "round of a dual value",
            shared.round.0.into(),
            dual.round.0.into(),
        )?;
    }
    for cost in &priors.allotment_costs {
        below(
            "candidate of a cost",
            MAX_CANDIDATES,
            cost.candidate as usize,
        )?;
        at_most(
            "round of a cost",
            shared.round.0.into(),
            cost.round.0.into(),
        )?;
    }
    Ok(())
}

/// Checks the rules of a call, and that it names no reply or candidate that
/// cannot be.
fn check_call(dual: &DualVariables) -> Result<(), WireError> {
    dual.check()?;
    for at in dual.counted.values() {
        below("counted point", MAX_POINTS, at.point as usize)?;
    }
    for at in dual.best.iter().chain(&dual.settle) {
        below("candidate", MAX_CANDIDATES, at.index as usize)?;
    }
    Ok(())
}

pub(crate) fn member_names(frame: &Frame) -> Result<Vec<MemberId>, WireError> {
    let names = frame.members.iter().map(|member| {
        MemberId::new(member.name.as_str()).map_err(|source| WireError::Name {
            what: "member",
            source,
        })
    });
    names.collect()
}

fn recipe_to_wire(recipe: &Recipe) -> Result<mission::Recipe, WireError> {
    Ok(match *recipe {
        Recipe::Alone => mission::Recipe::Alone,
        Recipe::Predicted { point } => mission::Recipe::Predicted {
            point: point as u32,
        },
        Recipe::Restored { point, theta } => mission::Recipe::Restored {
            point: point as u32,
            theta: finite("theta", theta)?,
        },
        Recipe::Mixed { point, theta } => mission::Recipe::Mixed {
            point: point as u32,
            theta: finite("theta", theta)?,
        },
    })
}

fn recipe_from_wire(recipe: &mission::Recipe) -> Recipe {
    match *recipe {
        mission::Recipe::Alone => Recipe::Alone,
        mission::Recipe::Predicted { point } => Recipe::Predicted {
            point: point as usize,
        },
        mission::Recipe::Restored { point, theta } => Recipe::Restored {
            point: point as usize,
            theta: theta.get(),
        },
        mission::Recipe::Mixed { point, theta } => Recipe::Mixed {
            point: point as usize,
            theta: theta.get(),
        },
    }
}

/// A candidate as messages name it.
pub(crate) fn candidate_to_wire(at: Candidate) -> CandidateRef {
    CandidateRef {
        round: Round(at.round),
        index: at.index,
    }
}

fn candidate_from_wire(at: CandidateRef) -> Candidate {
    Candidate {
        round: at.round.0,
        index: at.index,
    }
}

fn finite(what: &'static str, actual: f64) -> Result<Finite, WireError> {
    Finite::new(actual).map_err(|_| WireError::NotFinite { what, actual })
}

/// A price in whole quanta, if it is so exactly.
fn price_quanta(quantum: f64, actual: f64) -> Result<i64, WireError> {
    match fixed::to_quanta("the price", actual, quantum, fixed::Round::Nearest) {
        Ok(quanta) if fixed::from_quanta(quanta, quantum) == actual => Ok(quanta),
        _ => Err(WireError::Price { quantum, actual }),
    }
}

/// The price of some quanta, if a double holds it exactly.
fn price(quantum: f64, quanta: i64) -> Result<f64, WireError> {
    let price = fixed::from_quanta(quanta, quantum);
    match price_quanta(quantum, price) {
        Ok(again) if again == quanta => Ok(price),
        _ => Err(WireError::PriceQuanta { actual: quanta }),
    }
}

fn narrow(what: &'static str, value: Option<Wide>) -> Result<Option<i64>, WireError> {
    let Some(Wide(actual)) = value else {
        return Ok(None);
    };
    let narrow = i64::try_from(actual);
    let narrow = narrow.map_err(|_| Invalid::OutOfRange {
        what,
        least: i64::MIN.into(),
        most: i64::MAX.into(),
        actual,
    })?;
    Ok(Some(narrow))
}

/// Checks that a magnitude is at most `most`.
fn at_most(what: &'static str, most: i128, actual: i128) -> Result<(), Invalid> {
    if actual.unsigned_abs() <= most.unsigned_abs() {
        return Ok(());
    }
    Err(Invalid::OutOfRange {
        what,
        least: -most,
        most,
        actual,
    })
}

fn below(what: &'static str, limit: usize, actual: usize) -> Result<(), Invalid> {
    if actual < limit {
        return Ok(());
    }
    Err(Invalid::OutOfRange {
        what,
        least: 0,
        most: limit as i128 - 1,
        actual: actual as i128,
    })
}

pub(crate) fn count(
    what: &'static str,
    least: usize,
    most: usize,
    actual: usize,
) -> Result<(), WireError> {
    if (least..=most).contains(&actual) {
        return Ok(());
    }
    Err(WireError::Count {
        what,
        least,
        most,
        actual,
    })
}
