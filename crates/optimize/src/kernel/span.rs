//! Which rows follow from others: the span of a set of sparse rows.

use crate::dense;

/// A row counts as dependent when less than this part of it, squared, is left
/// beside the rows before it.
const LEAST: f64 = 1e-12;

/// Linearly independent rows, as the Cholesky factor of their Gram matrix.
#[derive(Debug, Default)]
pub(super) struct Span {
    rows: Vec<Vec<(usize, f64)>>,
    /// Row `i` of the factor has `i + 1` entries.
    factor: Vec<Vec<f64>>,
    /// A dense row, zero between calls.
    room: Vec<f64>,
}

impl Span {
    /// Whether `row` is a combination of the rows so far.
    pub(super) fn contains(&mut self, row: &[(usize, f64)]) -> bool {
        self.project(row).is_none()
    }

    /// Takes `row` in, unless it is a combination of the rows so far.
    pub(super) fn push(&mut self, row: &[(usize, f64)]) -> bool {
        let Some(factor) = self.project(row) else {
            return false;
        };
        self.factor.push(factor);
        self.rows.push(row.to_vec());
        true
    }

    /// The next row of the factor, or nothing where no pivot is left.
    fn project(&mut self, row: &[(usize, f64)]) -> Option<Vec<f64>> {
        let size: f64 = row.iter().map(|e| e.1 * e.1).sum();
        if size == 0.0 {
            return None;
        }
        let reach = row.iter().map(|e| e.0 + 1).max().unwrap_or(0);
        if self.room.len() < reach {
            self.room.resize(reach, 0.0);
        }
        for &(c, v) in row {
            self.room[c] += v;
        }
        let mut factor: Vec<f64> = Vec::with_capacity(self.rows.len() + 1);
        for (other, before) in self.rows.iter().zip(&self.factor) {
            let product: f64 = other
                .iter()
                .map(|&(c, v)| v * self.room.get(c).copied().unwrap_or(0.0))
                .sum();
            let at = factor.len();
            let v = product - dense::dot(&before[..at], &factor);
            factor.push(v / before[at]);
        }
        for &(c, _) in row {
            self.room[c] = 0.0;
        }
        let left = size - dense::dot(&factor, &factor);
        if left <= LEAST * size {
            return None;
        }
        factor.push(left.sqrt());
        Some(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_sum_of_rows_adds_nothing() {
        let mut span = Span::default();
        assert!(span.push(&[(0, 1.0), (2, 3.0)]));
        assert!(span.push(&[(1, 1e-3)]));
        assert!(span.contains(&[(0, 2.0), (1, -5.0), (2, 6.0)]));
        assert!(!span.push(&[(0, 2.0), (2, 6.0)]));
        assert!(!span.contains(&[(0, 1.0)]));
        assert!(span.push(&[(7, 1.0), (0, 1.0)]));
        assert!(span.contains(&[]));
    }
}
