//! Non-uniform time grids in whole seconds.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, Reader, Writer};
use crate::error::Invalid;
use crate::numbers::UtcSeconds;

/// The most steps of a grid.
pub const MAX_STEPS: usize = 4096;
/// The longest step: a year of 366 days.
pub const MAX_STEP_S: u32 = 366 * 86_400;
/// The farthest start from 1970 on either side: some 34 thousand years.
const MAX_START_S: i64 = 1 << 40;

/// Equal steps in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// How many steps.
    #[schemars(range(min = 1, max = 4096))]
    pub count: u32,
    /// The length of each, in seconds.
    #[schemars(range(min = 1, max = 31_622_400))]
    pub length_s: u32,
}

crate::canonical_record!(Run { count, length_s });

/// Consecutive steps of whole seconds, fine or coarse as the horizon asks.
///
/// Step `k` is the half-open interval from `start(k)` to `end(k)`, and
/// `end(k) = start(k + 1)`. There is at least one step and at most 4096. On the
/// wire equal steps in a row are one run, and no two adjacent runs have the same
/// length, so that equal grids have equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Runs", into = "Runs")]
pub struct TimeGrid {
    start: UtcSeconds,
    runs: Vec<Run>,
    /// Where each run ends. Not each step: a grid takes no more memory than its
    /// bytes warrant.
    ends: Vec<RunEnd>,
}

/// The steps and seconds from the start of a grid to the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct RunEnd {
    steps: usize,
    offset_s: i64,
}

/// The wire form of a [`TimeGrid`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "TimeGrid", deny_unknown_fields)]
struct Runs {
    /// Where the first step starts.
    start: UtcSeconds,
    /// Runs of equal steps; adjacent runs differ in length.
    #[schemars(length(min = 1, max = 4096))]
    runs: Vec<Run>,
}

crate::canonical_record!(Runs { start, runs });

impl TimeGrid {
    /// A grid from the lengths of its steps.
    ///
    /// # Errors
    /// Refuses empty grids, too many steps, and steps or starts out of range.
    pub fn from_lengths(start: UtcSeconds, lengths_s: &[u32]) -> Result<Self, Invalid> {
        check_range("steps", lengths_s.len() as i128, 1, MAX_STEPS as i128)?;
        let mut runs: Vec<Run> = Vec::new();
        for &length_s in lengths_s {
            match runs.last_mut() {
                Some(run) if run.length_s == length_s => run.count += 1,
                _ => runs.push(Run { count: 1, length_s }),
            }
        }
        Self::from_runs(start, runs)
    }

    /// A grid of `count` equal steps.
    ///
    /// # Errors
    /// As [`from_lengths`](Self::from_lengths).
    pub fn uniform(start: UtcSeconds, count: u32, length_s: u32) -> Result<Self, Invalid> {
        Self::from_runs(start, vec![Run { count, length_s }])
    }

    /// A grid from its runs of equal steps.
    ///
    /// # Errors
    /// As [`from_lengths`](Self::from_lengths), and refuses adjacent runs of the
    /// same length.
    pub fn from_runs(start: UtcSeconds, runs: Vec<Run>) -> Result<Self, Invalid> {
        let (most, limit) = (i128::from(MAX_STEP_S), i128::from(MAX_START_S));
        check_range("grid start", start.0.into(), -limit, limit)?;
        check_range("runs", runs.len() as i128, 1, MAX_STEPS as i128)?;
        let mut ends = Vec::with_capacity(runs.len());
        let mut end = RunEnd::default();
        for (index, run) in runs.iter().enumerate() {
            let left = MAX_STEPS - end.steps;
            check_range("steps of a run", run.count.into(), 1, left as i128)?;
            check_range("step length", run.length_s.into(), 1, most)?;
            if index > 0 && runs[index - 1].length_s == run.length_s {
                return Err(Invalid::Order {
                    what: "runs of a grid",
                    index,
                });
            }
            end.steps += run.count as usize;
            end.offset_s += i64::from(run.count) * i64::from(run.length_s);
            ends.push(end);
        }
        Ok(Self { start, runs, ends })
    }

    /// How many steps there are; at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.last().steps
    }

    /// The runs of equal steps.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Where the first step starts.
    pub fn start(&self) -> UtcSeconds {
        self.start
    }

    /// Where the last step ends.
    pub fn end(&self) -> UtcSeconds {
        UtcSeconds(self.start.0 + self.last().offset_s)
    }

    /// The length of the whole grid in seconds.
    pub fn duration_s(&self) -> i64 {
        self.last().offset_s
    }

    /// Where step `step` starts.
    ///
    /// # Panics
    /// There is no such step.
    pub fn step_start(&self, step: usize) -> UtcSeconds {
        let run = self.run_of(step);
        let before = self.before(run);
        let within = (step - before.steps) as i64 * i64::from(self.runs[run].length_s);
        UtcSeconds(self.start.0 + before.offset_s + within)
    }

    /// Where step `step` ends.
    ///
    /// # Panics
    /// There is no such step.
    pub fn step_end(&self, step: usize) -> UtcSeconds {
        UtcSeconds(self.step_start(step).0 + i64::from(self.length_s(step)))
    }

    /// The length of step `step` in seconds.
    ///
    /// # Panics
    /// There is no such step.
    pub fn length_s(&self, step: usize) -> u32 {
        self.runs[self.run_of(step)].length_s
    }

    /// The lengths of all steps in seconds.
    pub fn lengths_s(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs
            .iter()
            .flat_map(|run| std::iter::repeat_n(run.length_s, run.count as usize))
    }

    /// All steps as half-open intervals of seconds.
    pub fn steps(&self) -> impl Iterator<Item = Range<UtcSeconds>> + '_ {
        (0..self.len()).map(|step| self.step_start(step)..self.step_end(step))
    }

    /// The step that contains `time`, if one does.
    pub fn step_at(&self, time: UtcSeconds) -> Option<usize> {
        let offset = time.0.checked_sub(self.start.0)?;
        if offset < 0 {
            return None;
        }
        let run = self.ends.partition_point(|end| end.offset_s <= offset);
        let length_s = i64::from(self.runs.get(run)?.length_s);
        let before = self.before(run);
        Some(before.steps + ((offset - before.offset_s) / length_s) as usize)
    }

    /// The run that holds `step`, or the number of runs if none does.
    fn run_of(&self, step: usize) -> usize {
        self.ends.partition_point(|end| end.steps <= step)
    }

    /// Where the run before `run` ends, which is where `run` starts.
    fn before(&self, run: usize) -> RunEnd {
        run.checked_sub(1)
            .map_or(RunEnd::default(), |previous| self.ends[previous])
    }

    /// Where the last run ends.
    fn last(&self) -> RunEnd {
        self.before(self.ends.len())
    }
}

impl TryFrom<Runs> for TimeGrid {
    type Error = Invalid;

    fn try_from(wire: Runs) -> Result<Self, Invalid> {
        Self::from_runs(wire.start, wire.runs)
    }
}

impl From<TimeGrid> for Runs {
    fn from(grid: TimeGrid) -> Self {
        Self {
            start: grid.start,
            runs: grid.runs,
        }
    }
}

impl Canonical for TimeGrid {
    fn write(&self, writer: &mut Writer) {
        Runs::from(self.clone()).write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let wire = Runs::read(reader)?;
        reader.check(at, wire.try_into())
    }
}

fn check_range(what: &'static str, actual: i128, least: i128, most: i128) -> Result<(), Invalid> {
    if (least..=most).contains(&actual) {
        Ok(())
    } else {
        Err(Invalid::OutOfRange {
            what,
            least,
            most,
            actual,
        })
    }
}
