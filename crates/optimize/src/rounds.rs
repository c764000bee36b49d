//! How many rounds a method takes on random families: the core of
//! `cosmosmesh bench rounds`.

use std::ops::Range;
use std::sync::Mutex;

use crate::families::{Family, instance};
use crate::method::{Drive, MethodName, solve};

/// One family, size and method: rounds to each gap over all seeds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RoundsRow {
    /// The family.
    pub family: Family,
    /// Members of each instance.
    pub members: usize,
    /// Steps of each instance.
    pub steps: usize,
    /// The method.
    pub method: MethodName,
    /// One entry a gap.
    pub to_gap: Vec<GapRow>,
}

/// Rounds to one gap.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GapRow {
    /// The certified relative gap.
    pub gap: f64,
    /// Median over the seeds; none where half of them or more never got there.
    pub median: Option<u32>,
    /// Worst of those that got there.
    pub worst: Option<u32>,
    /// Seeds whose instance was not certified within the rounds allowed.
    pub uncertified: Vec<u64>,
}

impl std::fmt::Display for RoundsRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<8} N={:<3} {:<7}",
            self.family.name(),
            self.members,
            self.method.name()
        )?;
        for g in &self.to_gap {
            let shown = |v: Option<u32>| v.map_or_else(|| "-".to_owned(), |v| v.to_string());
            let rounds = format!("{}({})", shown(g.median), shown(g.worst));
            write!(f, " {:.0e}: {rounds:<8}", g.gap)?;
        }
        if let Some(last) = self.to_gap.iter().find(|g| !g.uncertified.is_empty()) {
            write!(
                f,
                " uncertified at {:.0e}: seeds {:?}",
                last.gap, last.uncertified
            )?;
        }
        Ok(())
    }
}

/// Runs `methods` on the instances of `seeds`, two at a time. The result does
/// not depend on which thread runs what.
pub fn measure(
    family: Family,
    seeds: Range<u64>,
    members: usize,
    steps: usize,
    methods: &[MethodName],
    gaps: &[f64],
    most_rounds: u32,
) -> Vec<RoundsRow> {
    methods
        .iter()
        .map(|&method| {
            let found = every(&seeds, |seed| {
                rounds(family, seed, members, steps, method, gaps, most_rounds)
            });
            RoundsRow {
                family,
                members,
                steps,
                method,
                to_gap: gaps
                    .iter()
                    .enumerate()
                    .map(|(k, &gap)| row(gap, &found, k))
                    .collect(),
            }
        })
        .collect()
}

fn row(gap: f64, found: &[(u64, Vec<Option<u32>>)], k: usize) -> GapRow {
    let mut reached: Vec<u32> = found.iter().filter_map(|(_, r)| r[k]).collect();
    reached.sort_unstable();
    let middle = found.len() / 2;
    GapRow {
        gap,
        median: reached.get(middle).copied(),
        worst: reached.last().copied(),
        uncertified: found
            .iter()
            .filter(|(_, r)| r[k].is_none())
            .map(|(s, _)| *s)
            .collect(),
    }
}

/// Rounds to each gap on one instance.
fn rounds(
    family: Family,
    seed: u64,
    members: usize,
    steps: usize,
    method: MethodName,
    gaps: &[f64],
    most_rounds: u32,
) -> Vec<Option<u32>> {
    let finest = gaps.iter().copied().fold(f64::INFINITY, f64::min);
    let drive = Drive {
        method,
        gap: finest,
        most_rounds,
        loss: 0.0,
        seed,
    };
    let outcome = instance(family, seed, members, steps)
        .ok()
        .and_then(|p| solve(&p, drive).ok());
    gaps.iter()
        .map(|&g| outcome.as_ref().and_then(|o| o.rounds_to(g)))
        .collect()
}

/// `f` of every seed, by two threads, in the order of the seeds.
fn every<T: Send>(seeds: &Range<u64>, f: impl Fn(u64) -> T + Sync) -> Vec<(u64, T)> {
    let next = Mutex::new(seeds.clone());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = next.lock().ok().and_then(|mut n| n.next()) {
                    let value = f(seed);
                    if let Ok(mut done) = done.lock() {
                        done.push((seed, value));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(seed, _)| *seed);
    done
}
