//! Sums over members: all that a fold ever sees of replies.

use std::sync::Arc;

use crate::method::fixed::{self, EXCHANGE, SENSITIVITY, SPREAD};
use crate::method::frame::Frame;
use crate::method::{Counted, Terms};

/// What is held of one member: its terms, and the price and the barrier
/// parameter that they answer.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) terms: Arc<Terms>,
    pub(crate) price: Arc<Vec<f64>>,
    pub(crate) mu: f64,
    pub(crate) at: Counted,
}

/// Totals of the members' terms, in whole quanta, hence exact and
/// independent of the order in which replies came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    rows: usize,
    exchange: Vec<i128>,
    sensitivity: Vec<i128>,
    sensitivity_gap: Vec<i128>,
    barrier_rate: Vec<i128>,
    barrier_offset: Vec<i128>,
    spread: i128,
    /// By how much rounding can have changed a row of `Σ S`, in quanta.
    rounding: Vec<i128>,
}

impl Sums {
    /// The totals of what is held of every member, centred on `price`.
    ///
    /// A member's `S(y − λ)` and spread are centred on the price that it
    /// answered. What is held of an absent member is moved to the present
    /// price with its own `S`; in a sum of increments the member does the same
    /// with its last entry, so that one total suffices.
    pub(crate) fn new(frame: &Frame, held: &[Option<Held>], price: &[f64]) -> Self {
        let m = frame.rows.len();
        let mut sums = Self {
            rows: m,
            exchange: vec![0; m],
            sensitivity: vec![0; m * m],
            sensitivity_gap: vec![0; m],
            barrier_rate: vec![0; m],
            barrier_offset: vec![0; m],
            spread: 0,
            rounding: vec![0; m],
        };
        for (i, held) in held.iter().enumerate() {
            if let Some(held) = held {
                sums.add(frame, i, held, price);
            }
        }
        sums
    }

    fn add(&mut self, frame: &Frame, i: usize, held: &Held, price: &[f64]) {
        let t = &*held.terms;
        let rows = &frame.members[i].rows;
        let vector = |total: &mut [i128], own: &[i64]| {
            for (&r, &v) in rows.iter().zip(own) {
                total[r] += i128::from(v);
            }
        };
        vector(&mut self.exchange, &t.exchange);
        vector(&mut self.sensitivity_gap, &t.sensitivity_gap);
        let exponent = fixed::rate_exponent(held.mu);
        for (&r, &v) in rows.iter().zip(&t.barrier_rate) {
            self.barrier_rate[r] += i128::from(v) << exponent;
        }
        vector(&mut self.barrier_offset, &t.barrier_offset);
        self.spread += t.spread;
        for (&r, &e) in rows.iter().zip(&t.exponents) {
            self.rounding[r] += (rows.len() as i128) << (2 * e);
        }
        if t.sensitivity.len() == rows.len() && rows.len() > 1 {
            for ((&r, &v), &e) in rows.iter().zip(&t.sensitivity).zip(&t.exponents) {
                self.sensitivity[r * self.rows + r] += i128::from(v) << (2 * e);
            }
        }
        if t.sensitivity.len() < rows.len() * (rows.len() + 1) / 2 {
            return;
        }
        let mut k = 0;
        for (a, &ra) in rows.iter().enumerate() {
            for (b, &rb) in rows.iter().enumerate().skip(a) {
                self.sensitivity[ra * self.rows + rb] += t.entry(k, a, b);
                k += 1;
            }
        }
        let moved: Vec<f64> = rows.iter().map(|&r| price[r] - held.price[r]).collect();
        if moved.iter().all(|v| *v == 0.0) {
            return;
        }
        // S Δ and Δᵀ S Δ of this member, in whole quanta again.
        let mut by = vec![0.0; rows.len()];
        let mut k = 0;
        for a in 0..rows.len() {
            for b in a..rows.len() {
                let v = t.entry(k, a, b) as f64
                    * (SENSITIVITY * frame.rows[rows[a]].scale * frame.rows[rows[b]].scale);
                by[a] += v * moved[b];
                if a != b {
                    by[b] += v * moved[a];
                }
                k += 1;
            }
        }
        let mut spread = 0.0;
        for (a, &r) in rows.iter().enumerate() {
            let quantum = EXCHANGE * frame.rows[r].scale;
            self.sensitivity_gap[r] -= whole(by[a] / quantum);
            let gap = t.sensitivity_gap.get(a).copied().unwrap_or(0);
            let gap = fixed::from_quanta(gap, quantum);
            spread += moved[a] * (by[a] - 2.0 * gap);
        }
        self.spread += whole(spread / SPREAD);
    }
}

/// To the nearest whole number, within what sums of members can hold.
fn whole(v: f64) -> i128 {
    const MOST: i128 = 1 << 110;
    (v.round() as i128).clamp(-MOST, MOST)
}

impl Sums {
    /// `Σ s − c`, in the units of the rows.
    pub(crate) fn imbalance(&self, frame: &Frame) -> Vec<f64> {
        Self::vector(&self.exchange, frame, EXCHANGE)
            .iter()
            .zip(&frame.rows)
            .map(|(s, r)| s - r.rhs_value())
            .collect()
    }

    /// The diagonal of `Σ S`: the weights by which shares are given.
    pub(crate) fn weight(&self, frame: &Frame) -> Vec<f64> {
        (0..self.rows)
            .map(|j| {
                let scale = frame.rows[j].scale;
                fixed::from_sum(
                    self.sensitivity[j * self.rows + j],
                    SENSITIVITY * scale * scale,
                )
            })
            .collect()
    }

    /// `Σ S`, dense by rows, exactly as the messages have it.
    pub(crate) fn sensitivity(&self, frame: &Frame) -> Vec<f64> {
        let m = self.rows;
        let mut out = vec![0.0; m * m];
        for a in 0..m {
            for b in a..m {
                let quantum = SENSITIVITY * frame.rows[a].scale * frame.rows[b].scale;
                let v = fixed::from_sum(self.sensitivity[a * m + b], quantum);
                out[a * m + b] = v;
                out[b * m + a] = v;
            }
        }
        out
    }

    /// What the diagonal of `Σ S` must be raised by to make up for what the
    /// rounding of the messages may have taken from its definiteness.
    pub(crate) fn rounding(&self, frame: &Frame) -> Vec<f64> {
        frame
            .rows
            .iter()
            .zip(&self.rounding)
            .map(|(r, v)| fixed::from_sum(*v, SENSITIVITY * r.scale * r.scale))
            .collect()
    }

    /// `Σ S (y − λ)`.
    pub(crate) fn sensitivity_gap(&self, frame: &Frame) -> Vec<f64> {
        Self::vector(&self.sensitivity_gap, frame, EXCHANGE)
    }

    /// `Σ t`.
    pub(crate) fn barrier_rate(&self, frame: &Frame) -> Vec<f64> {
        Self::vector(&self.barrier_rate, frame, EXCHANGE)
    }

    /// `Σ μ t`, each with the `μ` of its reply.
    pub(crate) fn barrier_offset(&self, frame: &Frame) -> Vec<f64> {
        Self::vector(&self.barrier_offset, frame, EXCHANGE)
    }

    /// `Σ (y − λ)ᵀ S (y − λ)`.
    pub(crate) fn spread(&self) -> f64 {
        fixed::from_sum(self.spread, SPREAD)
    }

    fn vector(total: &[i128], frame: &Frame, quantum: f64) -> Vec<f64> {
        total
            .iter()
            .zip(&frame.rows)
            .map(|(&v, r)| fixed::from_sum(v, quantum * r.scale))
            .collect()
    }
}
