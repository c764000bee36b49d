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

fn priors(rows: usize) -> impl Strategy<Value = Priors> {
    let pick = |length: usize| prop_oneof![Just(FixedVec::default()), fixed(length)];
    let support = option::of((fixed(rows), fixed(rows))).prop_map(|pair| {
        let (one, other) = pair.unwrap_or_default();
        let sort = |pick: fn(i64, i64) -> i64| {
            one.iter()
                .zip(other.iter())
                .map(|(a, b)| pick(*a, *b))
                .collect::<FixedVec>()
        };
        (sort(i64::min), sort(i64::max))
    });
    let duals = proptest::collection::btree_map(small(), wide(), 0..4);
    let costs = proptest::collection::btree_map((small(), any::<u8>()), option::of(wide()), 0..4);
    (
        pick(rows * (rows + 1) / 2),
        pick(rows),
        pick(rows),
        wide(),
        duals,
        costs,
        support,
    )
        .prop_map(
            |(sensitivity, gap, rate, spread, duals, costs, support)| Priors {
                sensitivity,
                sensitivity_gap: gap,
                barrier_rate: rate,
                spread,
                dual_values: duals
                    .into_iter()
                    .map(|(round, value)| DualValue {
                        round: Round(round),
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
                support_lower: support.0,
                support_upper: support.1,
            },
        )
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

pub fn dual_variables() -> impl Strategy<Value = DualVariables> {
    (
        couplings(),
        any::<bool>(),
        id(),
        unsigned(),
        small(),
        integer(),
        btree_set(any::<[u8; 32]>().prop_map(MessageId), 0..4),
    )
        .prop_map(
            |(multipliers, share, contract_id, epoch, round, barrier, cohort)| {
                let shares = if share {
                    multipliers.clone()
                } else {
                    BTreeMap::new()
                };
                DualVariables {
                    multipliers,
                    contract_id,
                    epoch: Epoch(epoch),
                    round: Round(round),
                    barrier: Fixed(barrier & i64::MAX),
                    shares,
                    cohort,
                }
            },
        )
}

pub fn plan_delta() -> impl Strategy<Value = PlanDelta> {
    let allocation = (id(), unsigned(), (0..6_usize).prop_flat_map(fixed)).prop_map(
        |(coupling, epoch, quanta)| Delta::Allocation {
            coupling,
            epoch: Epoch(epoch),
            quanta,
        },
    );
    let signature = option::of(vec(any::<u8>(), 64))
        .prop_map(|bytes| bytes.map(|bytes| Signature(bytes.try_into().expect("64 bytes"))));
    (allocation, integer(), id(), id(), signature).prop_map(
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
