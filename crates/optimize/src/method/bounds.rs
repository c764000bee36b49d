//! The certificate: what is known of the optimum from both sides.
//!
//! For prices `λ` (with `λ ≥ 0` on limits) weak duality says
//!
//! ```text
//!     g(λ) = Σᵢ min_x [fᵢ(x) + λᵀsᵢ] − λᵀc  ≤  optimum
//! ```
//!
//! and every allotment that sums to the capacity and that all members find
//! feasible costs at least the optimum. Both are sums over the members. A
//! bound exists only when the values of *all* members at one and the same
//! point are in: a stale value is no bound, so a returning member answers the
//! calls that it missed.

use std::collections::BTreeMap;

use crate::coupled::RowKind;
use crate::method::fixed::{self, COST};
use crate::method::frame::Frame;
use crate::method::{AllotmentCost, Call, DualValue};

/// An allotment by the call that asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The round of the call.
    pub round: u32,
    /// Its index among the call's candidates.
    pub index: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tally {
    sum: i128,
    from: Vec<bool>,
    refused: usize,
}

impl Tally {
    fn take(&mut self, members: usize, i: usize, value: Option<i64>) {
        self.from.resize(members, false);
        if std::mem::replace(&mut self.from[i], true) {
            return;
        }
        match value {
            Some(v) => self.sum += i128::from(v),
            None => self.refused += 1,
        }
    }

    fn complete(&self) -> bool {
        self.from.iter().all(|f| *f)
    }
}

/// Both bounds, in cost quanta, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    members: usize,
    duals: BTreeMap<(u32, u32), Tally>,
    costs: BTreeMap<(u32, u32), Tally>,
    /// `λᵀc` of each asked point, rounded up to cost quanta.
    offsets: BTreeMap<(u32, u32), i128>,
    lower: Option<(i128, u32, u32)>,
    upper: Option<(i128, Candidate)>,
}

impl Bounds {
    /// Nothing known yet.
    pub fn new(frame: &Frame) -> Self {
        Self {
            members: frame.members.len(),
            duals: BTreeMap::new(),
            costs: BTreeMap::new(),
            offsets: BTreeMap::new(),
            lower: None,
            upper: None,
        }
    }

    /// Notes the points of a call.
    pub fn called(&mut self, frame: &Frame, call: &Call) {
        for (p, point) in call.points.iter().enumerate() {
            let mut offset = 0.0;
            let mut size = 0.0;
            let mut rounding = 0.0;
            for (l, row) in point.price.iter().zip(&frame.rows) {
                offset += l * row.rhs_value();
                size += (l * row.rhs_value()).abs();
                // Equations are rounded to the nearest, limits down.
                let part = match row.kind {
                    RowKind::Equal => 0.5,
                    RowKind::AtMost => 1.0,
                };
                rounding += part * (l * row.quantum).abs();
            }
            let up = offset + rounding + 1e-15 * frame.rows.len() as f64 * size;
            let quanta = (up / COST).ceil();
            if quanta.abs() < 1e30 {
                self.offsets.insert((call.round, p as u32), quanta as i128);
            }
        }
    }

    /// Takes the values that member `i` sent.
    pub fn take(&mut self, i: usize, duals: &[DualValue], costs: &[AllotmentCost]) {
        for v in duals {
            let key = (v.round, v.point);
            let Some(offset) = self.offsets.get(&key).copied() else {
                continue;
            };
            let tally = self.duals.entry(key).or_default();
            tally.take(self.members, i, v.value);
            if tally.complete() && tally.refused == 0 {
                let value = tally.sum - offset;
                if self.lower.is_none_or(|l| value > l.0) {
                    self.lower = Some((value, v.round, v.point));
                }
            }
        }
        for v in costs {
            let key = (v.round, v.candidate);
            let tally = self.costs.entry(key).or_default();
            tally.take(self.members, i, v.value);
            if tally.complete() && tally.refused == 0 {
                let at = Candidate {
                    round: v.round,
                    index: v.candidate,
                };
                if self.upper.is_none_or(|u| tally.sum < u.0) {
                    self.upper = Some((tally.sum, at));
                }
            }
        }
    }

    /// Forgets a candidate that its members could not hold to after all.
    pub fn reject(&mut self, at: Candidate) {
        self.costs.entry((at.round, at.index)).or_default().refused += 1;
        self.choose();
    }

    /// What a candidate costs once its members have settled on it: what rounding
    /// left over is in it.
    pub(crate) fn settled(&mut self, at: Candidate, cost: i128) {
        self.costs.entry((at.round, at.index)).or_default().sum = cost;
        self.choose();
    }

    fn choose(&mut self) {
        self.upper = self
            .costs
            .iter()
            .filter(|(_, t)| t.complete() && t.refused == 0)
            .map(|(&(round, index), t)| (t.sum, Candidate { round, index }))
            .min();
    }

    /// The lower bound in cost units.
    pub fn lower(&self) -> Option<f64> {
        self.lower.map(|l| fixed::from_sum(l.0, COST))
    }

    /// The round and point whose prices give the lower bound.
    pub fn lower_at(&self) -> Option<(u32, u32)> {
        self.lower.map(|l| (l.1, l.2))
    }

    /// The upper bound in cost units.
    pub fn upper(&self) -> Option<f64> {
        self.upper.map(|u| fixed::from_sum(u.0, COST))
    }

    /// The allotment that gives the upper bound.
    pub fn best(&self) -> Option<Candidate> {
        self.upper.map(|u| u.1)
    }

    /// `(upper − lower) / max(|upper|, 2⁻¹⁰ cost units)`, if both are known.
    pub fn relative_gap(&self) -> Option<f64> {
        let (l, u) = (self.lower?.0, self.upper?.0);
        Some(relative_gap(l, u))
    }

    /// How many members found candidate `at` infeasible, once all answered.
    pub fn refused(&self, at: Candidate) -> Option<usize> {
        let t = self.costs.get(&(at.round, at.index))?;
        t.complete().then_some(t.refused)
    }
}

/// Whether bounds this far apart certify `wanted`. Bounds that contradict each
/// other by more than that certify nothing: allotments were then kept to only
/// within quanta that are too coarse.
pub fn certifies(gap: f64, wanted: f64) -> bool {
    gap.abs() <= wanted
}

/// The least cost that a gap is relative to, in cost quanta: beside a smaller one
/// the rounding of the members' values would count.
const LEAST_COST: u128 = 1 << 20;

/// The relative gap between two bounds in cost quanta.
pub(crate) fn relative_gap(lower: i128, upper: i128) -> f64 {
    (upper - lower) as f64 / (upper.unsigned_abs().max(LEAST_COST)) as f64
}
