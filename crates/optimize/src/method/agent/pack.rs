//! From what a member solved to the integers of a message, and back to what the fold
//! reads in them.

use super::AgentError;
use crate::dense;
use crate::kernel::Solved;
use crate::method::Terms;
use crate::method::fixed::{self, EXCHANGE, Round, SENSITIVITY, SPREAD, to_quanta};
use crate::sparse::Sparse;

/// The largest exponent of a sensitivity's row.
const MOST_EXPONENT: u8 = 34;

/// The scales of a member's rows, and how fine its sensitivities are.
#[derive(Debug)]
pub(super) struct Packing {
    scale: Vec<f64>,
    /// Bits of a sensitivity in messages.
    mantissa_bits: u32,
}

/// What the member sent at one point, as the fold understood it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) price: Vec<f64>,
    pub(super) exchange: Vec<f64>,
    /// `S`, row by row; nothing where none was sent.
    pub(super) sensitivity: Vec<f64>,
    pub(super) sensitivity_gap: Vec<f64>,
    pub(super) barrier_rate: Vec<f64>,
    pub(super) barrier_offset: Vec<f64>,
}

impl Record {
    /// What the member gives up for a share: `S share`, so that it stays within
    /// its range; in ADMM, which has no `S`, the share itself.
    pub(super) fn share_of(&self, share: Vec<f64>) -> Vec<f64> {
        if self.sensitivity.is_empty() {
            share
        } else {
            dense::mul(&self.sensitivity, &share)
        }
    }
}

impl Packing {
    /// For rows of these scales, whose port map is `b`. Sensitivities have 32 bits,
    /// or 50 where rows of the port map depend on each other: what rounding adds to
    /// `S` then leads out of the member's range of exchanges, and allotments would
    /// miss it.
    pub(super) fn new(scale: Vec<f64>, b: &Sparse) -> Self {
        let mantissa_bits = if dependent(b) { 50 } else { 32 };
        Self {
            scale,
            mantissa_bits,
        }
    }

    /// Values of the rows in whole numbers of `quantum` times their scale.
    fn integers(
        &self,
        what: &'static str,
        values: impl Iterator<Item = f64>,
        quantum: f64,
    ) -> Result<Vec<i64>, AgentError> {
        let each = values
            .zip(&self.scale)
            .map(|(v, scale)| to_quanta(what, v, quantum * scale, Round::Nearest));
        Ok(each.collect::<Result<_, _>>()?)
    }

    /// The exchange, and nothing else.
    pub(super) fn exchange(&self, solved: &Solved) -> Result<Terms, AgentError> {
        let exchange = self.integers("the exchange", solved.s.iter().copied(), EXCHANGE)?;
        Ok(Terms {
            exchange,
            ..Terms::default()
        })
    }

    /// The exchange, the sensitivity to price and how the exchange follows the
    /// barrier.
    pub(super) fn smoothed(
        &self,
        solved: &Solved,
        mu: f64,
        weight: f64,
    ) -> Result<Terms, AgentError> {
        // y − λ = ν, the multiplier of the proximal term.
        let (m, nu) = (solved.nu.len(), &solved.nu);
        let mut terms = self.exchange(solved)?;
        terms.exponents = self.exponents(&solved.sensitivity);
        for a in 0..m {
            for b in a..m {
                let v = self.mantissa(&solved.sensitivity, &terms.exponents, a, b)?;
                terms.sensitivity.push(v);
            }
        }
        // From here on with the matrix that the fold will see.
        let gap = dense::mul(&self.matrix(&terms), nu);
        let rate = || solved.rate.iter().map(|r| r * weight);
        terms.sensitivity_gap = self.integers("S(y−λ)", gap.iter().copied(), EXCHANGE)?;
        terms.barrier_rate = self.integers("the barrier rate", rate(), rate_quantum(mu))?;
        terms.barrier_offset =
            self.integers("the barrier offset", rate().map(|r| r * mu), EXCHANGE)?;
        let spread: f64 = gap.iter().zip(nu).map(|(g, n)| g * n).sum();
        terms.spread = fixed::to_wide("the spread", spread, SPREAD)?;
        Ok(terms)
    }

    /// The exchange and the diagonal of the sensitivity.
    pub(super) fn with_diagonal(&self, solved: &Solved) -> Result<Terms, AgentError> {
        let mut terms = self.exchange(solved)?;
        terms.exponents = self.exponents(&solved.sensitivity);
        for j in 0..self.scale.len() {
            let v = self.mantissa(&solved.sensitivity, &terms.exponents, j, j)?;
            terms.sensitivity.push(v);
        }
        Ok(terms)
    }

    /// The smallest exponents with which the diagonal of `S` fits its mantissas;
    /// the rest then fits as well, since `S` is positive semidefinite.
    fn exponents(&self, s: &[f64]) -> Vec<u8> {
        let m = self.scale.len();
        let most = SENSITIVITY * (1_u64 << self.mantissa_bits) as f64;
        (0..m)
            .map(|j| {
                let diagonal = s[j * m + j] / (self.scale[j] * self.scale[j]);
                let (mut exponent, mut reach) = (0, most);
                while diagonal > reach && exponent < MOST_EXPONENT {
                    reach *= 4.0;
                    exponent += 1;
                }
                exponent
            })
            .collect()
    }

    fn mantissa(&self, s: &[f64], e: &[u8], a: usize, b: usize) -> Result<i64, AgentError> {
        let value = s[a * self.scale.len() + b] / (self.scale[a] * self.scale[b]);
        let quantum = fixed::from_sum(1 << (e[a] + e[b]), SENSITIVITY);
        Ok(to_quanta(
            "the sensitivity",
            value,
            quantum,
            Round::Nearest,
        )?)
    }

    /// The whole of `S` as the message has it.
    fn matrix(&self, t: &Terms) -> Vec<f64> {
        let m = self.scale.len();
        let mut out = vec![0.0; m * m];
        let mut k = 0;
        for a in 0..m {
            for b in a..m {
                let unit = SENSITIVITY * self.scale[a] * self.scale[b];
                let v = fixed::from_sum(t.entry(k, a, b), unit);
                out[a * m + b] = v;
                out[b * m + a] = v;
                k += 1;
            }
        }
        out
    }

    /// What the fold reads in the message. `smoothed` says whether it has a whole
    /// `S`.
    pub(super) fn understood(&self, t: &Terms, price: Vec<f64>, mu: f64, smoothed: bool) -> Record {
        let m = self.scale.len();
        let vector = |v: &[i64], quantum: f64| -> Vec<f64> {
            if v.is_empty() {
                return vec![0.0; m];
            }
            (0..m)
                .map(|j| fixed::from_quanta(v[j], quantum * self.scale[j]))
                .collect()
        };
        let sensitivity = if smoothed { self.matrix(t) } else { Vec::new() };
        Record {
            price,
            exchange: vector(&t.exchange, EXCHANGE),
            sensitivity,
            sensitivity_gap: vector(&t.sensitivity_gap, EXCHANGE),
            barrier_rate: vector(&t.barrier_rate, rate_quantum(mu)),
            barrier_offset: vector(&t.barrier_offset, EXCHANGE),
        }
    }
}

fn rate_quantum(mu: f64) -> f64 {
    fixed::from_sum(1 << fixed::rate_exponent(mu), EXCHANGE)
}

/// Whether rows of a port map depend on each other.
fn dependent(b: &Sparse) -> bool {
    let m = b.rows();
    let mut gram = vec![0.0; m * m];
    let mut dense_row = vec![0.0; b.cols()];
    for i in 0..m {
        for (c, v) in b.row(i) {
            dense_row[c] = v;
        }
        for j in 0..=i {
            gram[i * m + j] = b.row_dot(j, &dense_row);
        }
        for (c, _) in b.row(i) {
            dense_row[c] = 0.0;
        }
    }
    for i in 0..m {
        let diagonal = gram[i * m + i];
        for j in 0..i {
            let other = gram[j * m + j];
            let mut v = gram[i * m + j];
            for k in 0..j {
                v -= gram[i * m + k] * gram[j * m + k];
            }
            gram[i * m + j] = v / other;
        }
        let left = diagonal - dense::dot(&gram[i * m..i * m + i], &gram[i * m..i * m + i]);
        if left <= 1e-10 * diagonal {
            return true;
        }
        gram[i * m + i] = left.sqrt();
    }
    false
}
