//! What a later attempt may propose.
//!
//! Let `n` closers have `f` liars at most, `q = n - f` a quorum, and `n ≥ 5f - 1`. Let a
//! value `v` be certified in attempt `a`, and take the first justified proposal of a
//! later attempt. Its statuses are of `q` closers, and none of them votes in attempt `a`
//! any more once it has said its own.
//!
//! - At least `q - f` honest closers voted for `v` in `a`, and at least
//!   `q + (q - f) - n = n - 3f ≥ 1` of them are among the `q`. So `a* ≥ a`, where `a*`
//!   is the highest attempt of a reported vote, and by induction all valid votes of
//!   attempts between are for `v`. Where all at `a*` are for one value it is `v`.
//! - If there are several, then `a* = a`, and the proposer of `a` proposed two values: it
//!   is a liar, and at most `f - 1` of the others are. Without it at least `q - f`
//!   honest closers voted for `v`, and of `q` statuses among the `n - 1` others at least
//!   `q + (q - f) - (n - 1) = n - 3f + 1` report `v`. Of the others at most
//!   `(n - f) - (q - f) = f` honest ones did not vote for `v`, and `f - 1` lie: at most
//!   `2f - 1` report anything else, which is less than `n - 3f + 1`.
//!
//! So the choice below is `v` whenever `v` was certified. Where two values have enough
//! reports, neither was.

use std::collections::{BTreeMap, BTreeSet};

use super::roster::Rules;

/// What one closer reports: the attempt and the value of its last vote in the round, if
/// it has voted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<V> {
    /// The closer.
    pub closer: usize,
    /// Its last vote.
    pub last: Option<(u32, V)>,
}

/// What may be proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<V> {
    /// Anything.
    Free,
    /// This alone: it may have been certified.
    Bound(V),
    /// Nothing yet: it takes so many statuses besides those of the closer named, which
    /// proposed two values in one attempt.
    Wait {
        /// The closer.
        besides: usize,
    },
}

/// The choice that the reports of an attempt leave. `reports` are at most one for each
/// closer, a quorum of them at least; `proposer` says whose turn an attempt was.
pub fn choice<V: Ord + Copy>(
    rules: Rules,
    reports: &[Report<V>],
    proposer: impl Fn(u32) -> usize,
) -> Choice<V> {
    let votes = |r: &Report<V>| r.last.map(|(attempt, value)| (attempt, value, r.closer));
    let votes: Vec<_> = reports.iter().filter_map(votes).collect();
    let Some(highest) = votes.iter().map(|v| v.0).max() else {
        return Choice::Free;
    };
    if !rules.keeps_bound() {
        return Choice::Free;
    }
    let mut by_value: BTreeMap<V, BTreeSet<usize>> = BTreeMap::new();
    for (_, value, closer) in votes.iter().filter(|v| v.0 == highest) {
        by_value.entry(*value).or_default().insert(*closer);
    }
    if let (1, Some((value, _))) = (by_value.len(), by_value.first_key_value()) {
        return Choice::Bound(*value);
    }
    let forker = proposer(highest);
    let others = reports.iter().filter(|r| r.closer != forker).count();
    if others < rules.quorum() {
        return Choice::Wait { besides: forker };
    }
    let enough = by_value.iter().filter(|(_, closers)| {
        let others = closers.iter().filter(|c| **c != forker).count();
        others >= rules.reported()
    });
    let enough: Vec<V> = enough.map(|(value, _)| *value).collect();
    match enough[..] {
        [value] => Choice::Bound(value),
        _ => Choice::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which closers can have voted in an attempt whose proposer (closer 0)
    /// may lie, every choice of liars, every set of statuses: what was certified is what
    /// may be proposed next. Counts are enough, since closers other than the proposer
    /// are alike.
    #[test]
    fn what_was_certified_stays_whoever_lies() {
        for n in [4, 5, 8, 9, 10, 13, 14] {
            let checked = every_case(Rules::of(n));
            assert_eq!(checked.1, 0, "{n} closers");
            assert!(checked.0 > 0);
        }
        // With one closer too few for the bound it must fail.
        let few = Rules {
            closers: 8,
            liars: 2,
            quorum: 6,
            bound: true,
        };
        assert!(every_case(few).1 > 0, "8 closers cannot bear 2 liars");
    }

    /// Cases in which something was certified, and those that go wrong.
    fn every_case(rules: Rules) -> (u64, u64) {
        let (n, f, q) = (rules.closers(), rules.liars(), rules.quorum());
        let (mut cases, mut wrong) = (0, 0);
        // Honest closers that voted for v, w, or not; liars vote for all, and report
        // what they like.
        for liars in 1..=f {
            let honest = n - liars;
            for v in 0..=honest {
                if v + liars < q {
                    continue; // v was not certified
                }
                for w in 0..=honest - v {
                    let none = honest - v - w;
                    // Who is among the statuses: the proposer or not, and how many of
                    // each kind.
                    for proposer_in in [false, true] {
                        for lv in 0..liars {
                            for lw in 0..liars - lv {
                                for ln in 0..liars - lv - lw {
                                    for sv in 0..=v {
                                        for sw in 0..=w {
                                            for sn in 0..=none {
                                                let size = usize::from(proposer_in)
                                                    + lv
                                                    + lw
                                                    + ln
                                                    + sv
                                                    + sw
                                                    + sn;
                                                if size < q {
                                                    continue;
                                                }
                                                cases += 1;
                                                let kinds = [
                                                    (sv + lv, Some('v')),
                                                    (sw + lw, Some('w')),
                                                    (sn + ln, None),
                                                ];
                                                wrong +=
                                                    u64::from(fails(rules, proposer_in, kinds));
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        (cases, wrong)
    }

    fn fails(rules: Rules, proposer_in: bool, kinds: [(usize, Option<char>); 3]) -> bool {
        let mut reports = Vec::new();
        if proposer_in {
            reports.push(Report {
                closer: 0,
                last: Some((0, 'w')),
            });
        }
        for (count, value) in kinds {
            for _ in 0..count {
                let closer = reports.len() + 1;
                let last = value.map(|value| (0, value));
                reports.push(Report { closer, last });
            }
        }
        match choice(rules, &reports, |_| 0) {
            Choice::Bound(value) => value != 'v',
            Choice::Free => true,
            Choice::Wait { .. } => false,
        }
    }
}
