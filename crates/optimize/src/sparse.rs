//! Sparse matrices by rows (CSR), with the few operations that are needed here.

use serde::{Deserialize, Serialize};

/// A sparse matrix in compressed-row form. Entries of a row are sorted by
/// column and a column stands at most once in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Sparse {
    rows: usize,
    cols: usize,
    start: Vec<usize>,
    col: Vec<usize>,
    val: Vec<f64>,
}

impl Sparse {
    /// An all-zero matrix.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            start: vec![0; rows + 1],
            col: Vec::new(),
            val: Vec::new(),
        }
    }

    /// The matrix with the given `(row, column, value)` entries. Entries of
    /// one place are added in the order given; zeros are kept, so that the
    /// pattern does not depend on values.
    ///
    /// # Panics
    ///
    /// If an entry lies outside the matrix: that is a mistake of the caller,
    /// never of the input, which is checked before it comes here.
    pub fn from_triplets(rows: usize, cols: usize, triplets: &[(usize, usize, f64)]) -> Self {
        let mut order: Vec<usize> = (0..triplets.len()).collect();
        order.sort_by_key(|&k| (triplets[k].0, triplets[k].1));
        let mut m = Self::zeros(rows, cols);
        let mut last = None;
        for k in order {
            let (r, c, v) = triplets[k];
            assert!(
                r < rows && c < cols,
                "entry ({r}, {c}) outside {rows}×{cols}"
            );
            if last == Some((r, c)) {
                let end = m.val.len() - 1;
                m.val[end] += v;
            } else {
                m.col.push(c);
                m.val.push(v);
                m.start[r + 1] += 1;
                last = Some((r, c));
            }
        }
        for r in 0..rows {
            m.start[r + 1] += m.start[r];
        }
        m
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.val.len()
    }

    /// The entries of row `r` as `(column, value)`, by column.
    pub fn row(&self, r: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.start[r]..self.start[r + 1];
        self.col[range.clone()]
            .iter()
            .copied()
            .zip(self.val[range].iter().copied())
    }

    /// All entries as `(row, column, value)`, by row and column.
    pub fn triplets(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        (0..self.rows).flat_map(move |r| self.row(r).map(move |(c, v)| (r, c, v)))
    }

    /// `row r · x`.
    pub fn row_dot(&self, r: usize, x: &[f64]) -> f64 {
        self.row(r).map(|(c, v)| v * x[c]).sum()
    }

    /// `A x`.
    pub fn mul(&self, x: &[f64]) -> Vec<f64> {
        (0..self.rows).map(|r| self.row_dot(r, x)).collect()
    }

    /// Adds `Aᵀ z` to `out`.
    pub fn add_transposed_mul(&self, z: &[f64], out: &mut [f64]) {
        for r in 0..self.rows {
            if z[r] != 0.0 {
                for (c, v) in self.row(r) {
                    out[c] += v * z[r];
                }
            }
        }
    }

    /// `Aᵀ z`.
    pub fn transposed_mul(&self, z: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.cols];
        self.add_transposed_mul(z, &mut out);
        out
    }

    /// `H x` where `self` holds the upper triangle of the symmetric `H`.
    pub fn symmetric_mul(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.rows];
        for r in 0..self.rows {
            for (c, v) in self.row(r) {
                out[r] += v * x[c];
                if c != r {
                    out[c] += v * x[r];
                }
            }
        }
        out
    }

    /// `½ xᵀ H x` where `self` holds the upper triangle of `H`.
    pub fn half_quadratic(&self, x: &[f64]) -> f64 {
        let hx = self.symmetric_mul(x);
        0.5 * hx.iter().zip(x).map(|(a, b)| a * b).sum::<f64>()
    }

    /// Whether every row range, column and value is well formed. For matrices
    /// that came from outside.
    pub fn is_well_formed(&self) -> bool {
        self.start.len() == self.rows + 1
            && self.start[0] == 0
            && self.start.windows(2).all(|w| w[0] <= w[1])
            && self.start[self.rows] == self.val.len()
            && self.col.len() == self.val.len()
            && self.col.iter().all(|&c| c < self.cols)
            && (0..self.rows).all(|r| {
                self.col[self.start[r]..self.start[r + 1]]
                    .windows(2)
                    .all(|w| w[0] < w[1])
            })
    }
}
