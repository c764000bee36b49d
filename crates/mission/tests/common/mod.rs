//! Random values of every type, for property tests.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::*;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub fn name() -> impl Strategy<Value = String> {
    let segment = (0..36_u8, vec(0..39_u8, 0..6), 0..36_u8).prop_map(|(first, middle, last)| {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz0123456789_.-";
        let mut text = vec![first];
        text.extend(middle);
        text.push(last);
        text.iter()
            .map(|&index| char::from(alphabet[usize::from(index)]))
            .collect::<String>()
    });
    vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

pub fn id<T>() -> impl Strategy<Value = T>
where
    T: for<'a> TryFrom<&'a str, Error = Invalid> + std::fmt::Debug,
{
    name().prop_map(|text| T::try_from(&text).expect("names are generated valid"))
}

/// Integers of all magnitudes, so that every head length is met.
pub fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        (any::<i64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift),
        Just((1 << 53) - 1),
        Just(1 << 53),
        Just(-(1 << 53)),
        Just(i64::MIN),
        Just(i64::MAX),
    ]
}

pub fn unsigned() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

pub fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(value, shift)| value >> shift)
}

pub fn wide() -> impl Strategy<Value = Wide> {
    let edge = i128::from(u64::MAX);
    prop_oneof![
        (any::<i128>(), 0..128_u32).prop_map(|(value, shift)| value >> shift),
        Just(edge),
        Just(edge + 1),
        Just(-edge - 1),
        Just(-edge - 2),
        Just(i128::MIN),
        Just(i128::MAX),
    ]
    .prop_map(Wide)
}

pub fn finite() -> impl Strategy<Value = Finite> {
    any::<u64>().prop_filter_map("finite", |bits| Finite::new(f64::from_bits(bits)).ok())
}

fn nonzero() -> impl Strategy<Value = Finite> {
    finite().prop_filter("zero", |value| value.get() != 0.0)
}

pub fn fixed(length: usize) -> impl Strategy<Value = FixedVec> {
    vec(integer(), length).prop_map(FixedVec)
}

pub fn unit() -> impl Strategy<Value = Unit> {
    proptest::sample::select(Unit::ALL)
}

pub fn quantum() -> impl Strategy<Value = Quantum> {
    (unit(), -15..=15_i8).prop_map(|(unit, exponent)| Quantum::new(unit, exponent).expect("range"))
}

pub fn grid() -> impl Strategy<Value = TimeGrid> {
    let lengths = vec(prop_oneof![Just(60_u32), Just(3600), 1..=MAX_STEP_S], 1..12);
    (-(1_i64 << 40)..=1 << 40, lengths).prop_map(|(start, lengths)| {
        TimeGrid::from_lengths(UtcSeconds(start), &lengths).expect("range")
    })
}

fn terms(variables: usize) -> impl Strategy<Value = Vec<Term>> {
    let columns = btree_set(0..variables as u32, 0..=variables.min(4));
    (columns, vec(nonzero(), 4)).prop_map(|(columns, values)| {
        let pairs = columns.into_iter().zip(values);
        pairs
            .map(|(column, value)| Term { column, value })
            .collect()
    })
}

fn row(variables: usize) -> impl Strategy<Value = Row> {
    (option::of(finite()), option::of(finite()), terms(variables)).prop_map(
        |(one, other, terms)| {
            let (lower, upper) = match (one, other) {
                (Some(a), Some(b)) if a > b => (Some(b), Some(a)),
                bounds => bounds,
            };
            Row {
                lower,
                upper,
                terms,
            }
        },
    )
}

fn port(variables: usize) -> impl Strategy<Value = Port> {
    let sign = proptest::sample::select(&[Sign::Draws, Sign::Supplies, Sign::Either][..]);
    (id::<PortId>(), unit(), grid(), sign)
        .prop_flat_map(move |head| {
            let steps = head.2.len();
            (Just(head), vec(terms(variables), steps))
        })
        .prop_map(|((id, unit, grid, sign), rows)| Port {
            id,
            unit,
            grid,
            sign,
            rows,
        })
}

pub fn local_problem() -> impl Strategy<Value = LocalProblem> {
    (1..8_usize)
        .prop_flat_map(|n| {
            let entries = btree_set((0..n as u32, 0..n as u32), 0..n);
            let objective =
                (entries, vec(nonzero(), n), vec(finite(), n)).prop_map(|(places, values, q)| {
                    let ordered: BTreeSet<_> = places
                        .into_iter()
                        .map(|(a, b)| (a.min(b), a.max(b)))
                        .collect();
                    let entries = ordered.into_iter().zip(values);
                    let p = entries
                        .map(|((row, column), value)| Triplet { row, column, value })
                        .collect();
                    Objective { p, q }
                });
            let ports = vec(port(n), 0..3).prop_map(|mut ports| {
                ports.sort_by(|left, right| left.id.cmp(&right.id));
                ports.dedup_by(|left, right| left.id == right.id);
                ports
            });
            let constraints = (vec(row(n), 0..4), ports, btree_set(0..n as u32, 0..=n)).prop_map(
                |(rows, ports, integers)| Constraints {
                    rows,
                    ports,
                    integers,
                },
            );
            let hints = [SolverHint::Auto, SolverHint::Barrier, SolverHint::Clarabel];
            (
                id(),
                id(),
                btree_set(id(), 0..3),
                objective,
                constraints,
                proptest::sample::select(hints.to_vec()),
                small(),
                id(),
            )
        })
        .prop_map(
            |(id, domain, assets, objective, constraints, solver_hint, version, contract_id)| {
                LocalProblem {
                    id,
                    domain,
                    assets,
                    objective,
                    constraints,
                    solver_hint,
                    version: ProblemVersion(version),
                    contract_id,
                }
            },
        )
}

fn couplings() -> impl Strategy<Value = BTreeMap<CouplingId, FixedVec>> {
    proptest::collection::btree_map(id(), (0..4_usize).prop_flat_map(fixed), 0..4)
}

fn point_terms(rows: usize) -> impl Strategy<Value = PointTerms> {
    let pick = |length: usize| prop_oneof![Just(FixedVec::default()), fixed(length)];
    (
        fixed(rows),
        prop_oneof![pick(rows * (rows + 1) / 2), fixed(rows)],
        vec(any::<u8>(), rows),
        pick(rows),
        pick(rows),
        pick(rows),
        wide(),
    )
        .prop_map(
            |(exchange, sensitivity, exponents, gap, rate, offset, spread)| PointTerms {
                exchange,
                exponents: if sensitivity.is_empty() {
                    Vec::new()
                } else {
                    exponents
                },
                sensitivity,
                sensitivity_gap: gap,
                barrier_rate: rate,
                barrier_offset: offset,
                spread,
            },
        )
}

fn priors(rows: usize) -> impl Strategy<Value = Priors> {
    let values = || proptest::collection::btree_map((small(), small()), option::of(wide()), 0..4);
    (
        vec(point_terms(rows), 0..3),
        values(),
        values(),
        integer(),
        integer(),
    )
        .prop_map(|(mut points, duals, costs, weight, total)| {
            if let Some(first) = points.first_mut() {
                first.exchange = FixedVec::default();
            }
            Priors {
                points,
                dual_values: duals
                    .into_iter()
                    .map(|((round, point), value)| DualValue {
                        round: Round(round),
                        point,
                        value,
                    })
                    .collect(),
                allotment_costs: costs
                    .into_iter()
                    .map(|((round, candidate), cost)| AllotmentCost {
                        round: Round(round),
                        candidate,
                        cost,
                    })
                    .collect(),
                barrier_weight: Fixed(weight),
                barrier_total: Fixed(total),
            }
        })
}

pub fn shared_variables() -> impl Strategy<Value = SharedVariables> {
    couplings()
        .prop_flat_map(|forecasts| {
            let rows = forecasts.values().map(|values| values.len()).sum();
            (
                Just(forecasts),
                priors(rows),
                id(),
                unsigned(),
                small(),
                small(),
                option::of(any::<[u8; 32]>()),
                option::of(any::<[u8; 32]>()),
                any::<[u8; 32]>(),
            )
        })
        .prop_map(
            |(forecasts, priors, contract_id, epoch, round, attempt, base, prices, problem)| {
                SharedVariables {
                    forecasts,
                    priors,
                    version: Round(round),
                    contract_id,
                    epoch: Epoch(epoch),
                    round: Round(round),
                    attempt: Attempt(attempt),
                    base: base.map(MessageId),
                    prices: prices.map(PricesId),
                    problem: Commitment(problem),
                }
            },
        )
}

/// A random number for each coupling and step of `rows`.
fn numbers(
    rows: &BTreeMap<CouplingId, FixedVec>,
) -> impl Strategy<Value = BTreeMap<CouplingId, Vec<Finite>>> + use<> {
    let lengths: Vec<_> = rows.iter().map(|(id, v)| (id.clone(), v.len())).collect();
    let total = lengths.iter().map(|(_, length)| length).sum::<usize>();
    vec(finite(), total).prop_map(move |values| {
        let mut values = values.into_iter();
        let take = |(id, length): &(CouplingId, usize)| {
            (id.clone(), values.by_ref().take(*length).collect())
        };
        lengths.iter().map(take).collect()
    })
}

fn barrier() -> impl Strategy<Value = Finite> {
    finite().prop_map(|value| Finite::new(value.get().abs()).expect("finite"))
}

fn price_point(rows: BTreeMap<CouplingId, FixedVec>) -> impl Strategy<Value = PricePoint> {
    let given = (numbers(&rows), numbers(&rows));
    (integer(), barrier(), given).prop_map(move |(shift, barrier, (shares, spares))| {
        let mut multipliers = rows.clone();
        for price in multipliers
            .values_mut()
            .flat_map(|prices| prices.iter_mut())
        {
            *price ^= shift;
        }
        PricePoint {
            multipliers,
            barrier,
            shares,
            spares,
        }
    })
}

fn recipe(points: u32) -> impl Strategy<Value = Recipe> {
    let theta = (0.0..=1.0_f64).prop_map(|theta| Finite::new(theta).expect("finite"));
    (0..4_u8, 0..points, theta).prop_map(|(kind, point, theta)| match kind {
        0 => Recipe::Alone,
        1 => Recipe::Predicted { point },
        2 => Recipe::Restored { point, theta },
        _ => Recipe::Mixed { point, theta },
    })
}

fn candidate() -> impl Strategy<Value = Option<CandidateRef>> {
    option::of((small(), small()).prop_map(|(round, index)| CandidateRef {
        round: Round(round),
        index,
    }))
}

pub fn dual_variables() -> impl Strategy<Value = DualVariables> {
    let counted = (small(), small()).prop_map(|(round, point)| Counted {
        round: Round(round),
        point,
    });
    let said = (
        id(),
        unsigned(),
        small(),
        proptest::collection::btree_map(id(), counted, 0..4),
        btree_set(any::<[u8; 32]>().prop_map(MessageId), 0..4),
    );
    (couplings(), 0..3_usize, said)
        .prop_flat_map(|(rows, others, said)| {
            let points = 1 + others as u32;
            let restore = (numbers(&rows), numbers(&rows), numbers(&rows)).prop_map(
                |(step, shares, spares)| Restore {
                    step,
                    shares,
                    spares,
                },
            );
            (
                (Just(said), 1..=points, vec(recipe(points), 0..4)),
                price_point(rows.clone()),
                vec(price_point(rows.clone()), others),
                (candidate(), candidate()),
                option::of(restore),
                (finite(), numbers(&rows)),
            )
        })
        .prop_map(
            |(head, main, alternatives, (best, settle), restore, (mean_weight, penalties))| {
                let ((contract_id, epoch, round, counted, cohort), full_points, candidates) = head;
                DualVariables {
                    multipliers: main.multipliers,
                    contract_id,
                    epoch: Epoch(epoch),
                    round: Round(round),
                    attempt: Attempt(round % 3),
                    barrier: main.barrier,
                    shares: main.shares,
                    spares: main.spares,
                    alternatives,
                    full_points,
                    candidates,
                    counted,
                    best,
                    restore,
                    mean_weight,
                    penalties,
                    settle,
                    agreed: best,
                    cohort,
                }
            },
        )
}

/// Quanta from a step on.
fn quanta() -> impl Strategy<Value = (u32, FixedVec)> {
    (small(), (0..6_usize).prop_flat_map(fixed))
}

fn message_id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 32]>().prop_map(MessageId)
}

pub fn delta() -> impl Strategy<Value = Delta> {
    let source = || option::of(id::<MemberId>());
    prop_oneof![
        (id(), unsigned(), (0..6_usize).prop_flat_map(fixed)).prop_map(
            |(coupling, epoch, quanta)| Delta::Allocation {
                coupling,
                epoch: Epoch(epoch),
                quanta,
            }
        ),
        (id(), unsigned(), source(), id(), quanta()).prop_map(
            |(coupling, epoch, source, to, (start, quanta))| Delta::Transfer {
                coupling,
                epoch: Epoch(epoch),
                source,
                to,
                start,
                quanta,
            }
        ),
        (id(), unsigned(), quanta()).prop_map(|(coupling, epoch, (start, quanta))| {
            Delta::Commit {
                coupling,
                epoch: Epoch(epoch),
                start,
                quanta,
            }
        }),
        (id(), source(), id(), quanta(), integer()).prop_map(
            |(coupling, source, to, (start, quanta), after)| Delta::Reversion {
                coupling,
                source,
                to,
                start,
                quanta,
                after: UtcSeconds(after),
            }
        ),
        (message_id(), integer()).prop_map(|(reversion, after)| Delta::Renewal {
            reversion,
            after: UtcSeconds(after),
        }),
        message_id().prop_map(|reversion| Delta::Claim { reversion }),
        (id(), source(), quanta()).prop_map(|(coupling, source, (start, quanta))| {
            Delta::Derate {
                coupling,
                source,
                start,
                quanta,
            }
        }),
        (id(), small(), small()).prop_map(|(coupling, start, count)| Delta::Request {
            coupling,
            start,
            count,
        }),
        (id(), quanta()).prop_map(|(coupling, (start, quanta))| Delta::Move {
            coupling,
            start,
            quanta,
        }),
        (id(), quanta()).prop_map(|(coupling, (start, quanta))| Delta::Proposal {
            coupling,
            start,
            quanta,
        }),
        message_id().prop_map(|proposal| Delta::Consent { proposal }),
        message_id().prop_map(|proposal| Delta::Switch { proposal }),
        message_id().prop_map(|entry| Delta::Withdrawal { entry }),
    ]
}

pub fn plan_delta() -> impl Strategy<Value = PlanDelta> {
    let signature = option::of(vec(any::<u8>(), 64))
        .prop_map(|bytes| bytes.map(|bytes| Signature(bytes.try_into().expect("64 bytes"))));
    (delta(), integer(), id(), id(), signature).prop_map(
        |(delta, timestamp, author, contract_id, signature)| PlanDelta {
            delta,
            timestamp: UtcSeconds(timestamp),
            author,
            contract_id,
            signature,
        },
    )
}

pub fn privacy_budget() -> impl Strategy<Value = PrivacyBudget> {
    (id(), unsigned(), unsigned()).prop_map(|(signal, budget, expiry)| PrivacyBudget {
        signal,
        budget: NanoZcdp(budget),
        expiry: Epoch(expiry),
    })
}

fn exposure() -> impl Strategy<Value = Exposure> {
    use Exposure::{Aggregated, Exact, Hidden, Noised};
    proptest::sample::select(&[Hidden, Noised, Aggregated, Exact][..])
}

pub fn audit_log() -> impl Strategy<Value = AuditLog> {
    let entry = prop_oneof![
        (unsigned(), small(), any::<[u8; 32]>()).prop_map(|(epoch, round, prices)| {
            AuditEntry::RoundClosed {
                epoch: Epoch(epoch),
                round: Round(round),
                prices: PricesId(prices),
            }
        }),
        any::<[u8; 32]>().prop_map(|id| AuditEntry::PlanIssued {
            message: MessageId(id)
        }),
        (id(), id(), exposure()).prop_map(|(signal, recipient, level)| AuditEntry::Disclosed {
            signal,
            recipient,
            level
        }),
    ];
    (entry, id(), integer(), id(), small()).prop_map(
        |(entry, signer, timestamp, contract_id, version)| AuditLog {
            entry,
            signer,
            timestamp: UtcSeconds(timestamp),
            contract_id,
            version: ContractVersion(version),
        },
    )
}

pub fn policy_block() -> impl Strategy<Value = PolicyBlock> {
    let bounds = (option::of(integer()), option::of(integer())).prop_map(|pair| match pair {
        (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
        bounds => bounds,
    });
    let safety =
        (id(), id(), quantum(), bounds).prop_map(|(asset, resource, quantum, bounds)| SafetyRule {
            asset,
            resource,
            quantum,
            lower: bounds.0.map(Fixed),
            upper: bounds.1.map(Fixed),
        });
    let rule =
        (id(), option::of(id()), exposure()).prop_map(|(signal, recipient, level)| ExposureRule {
            signal,
            recipient,
            level,
        });
    (vec(safety, 0..3), vec(rule, 0..3)).prop_map(|(safety, exposure_rules)| PolicyBlock {
        safety,
        exposure_rules,
    })
}

pub fn registry_entry() -> impl Strategy<Value = RegistryEntry> {
    (id(), btree_set(id(), 0..4), small()).prop_map(|(adapter_id, supported_domains, version)| {
        RegistryEntry {
            adapter_id,
            supported_domains,
            contract_version: ContractVersion(version),
        }
    })
}

pub fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        shared_variables().prop_map(Payload::SharedVariables),
        dual_variables().prop_map(Payload::DualVariables),
        plan_delta().prop_map(Payload::PlanDelta),
        privacy_budget().prop_map(Payload::PrivacyBudget),
        audit_log().prop_map(Payload::AuditLog),
        policy_block().prop_map(Payload::PolicyBlock),
        registry_entry().prop_map(Payload::RegistryEntry),
    ]
}

pub fn envelope() -> impl Strategy<Value = Envelope> {
    (
        any::<[u8; 32]>(),
        id(),
        unsigned(),
        unsigned(),
        option::of(any::<[u8; 32]>()),
        integer(),
        payload(),
    )
        .prop_map(|(hash, author, boot, seq, backlink, time, payload)| {
            let author = match &payload {
                Payload::PlanDelta(plan) => plan.author.clone(),
                Payload::AuditLog(audit) => audit.signer.clone(),
                _ => author,
            };
            Envelope {
                version: Version::V1,
                contract_hash: ContractHash(hash),
                author,
                boot_epoch: BootEpoch(boot),
                seq: Seq(if backlink.is_some() { seq } else { 0 }),
                backlink: backlink.map(MessageId),
                time: UtcSeconds(time),
                payload,
            }
        })
}
