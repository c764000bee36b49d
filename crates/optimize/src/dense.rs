//! Small dense symmetric positive definite systems, by rows.

/// A pivot that holds its variable at zero.
const HELD: f64 = 1e100;

/// Factors `M = L Lᵀ` in place (lower triangle, by rows). A variable whose
/// pivot falls to `least` of its diagonal or below, because the matrix is
/// singular there or rounding has made it indefinite, is held at zero. Rows
/// may be in any units: nothing is compared across them.
pub(crate) fn cholesky(m: &mut [f64], n: usize, least: f64) {
    for i in 0..n {
        let (above, rest) = m.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * n..=j * n + j];
            let v = row[j] - dot(&row[..j], &other[..j]);
            row[j] = v / other[j];
        }
        let d = row[i] - dot(&row[..i], &row[..i]);
        if d > least * row[i].max(0.0) {
            row[i] = d.sqrt();
        } else {
            row[..i].fill(0.0);
            row[i] = HELD;
        }
    }
}

/// Solves `L Lᵀ x = b` in place.
pub(crate) fn cholesky_solve(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let row = &l[i * n..=i * n + i];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
    for i in (0..n).rev() {
        let row = &l[i * n..=i * n + i];
        b[i] /= row[i];
        let v = b[i];
        for (x, r) in b[..i].iter_mut().zip(row) {
            *x -= r * v;
        }
    }
}

/// `Σ aᵢbᵢ` in four interleaved sums, always in the same order.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = [0.0; 4];
    let (ca, cb) = (a.chunks_exact(4), b.chunks_exact(4));
    let tail: f64 = ca
        .remainder()
        .iter()
        .zip(cb.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in ca.zip(cb) {
        for k in 0..4 {
            sum[k] += x[k] * y[k];
        }
    }
    (sum[0] + sum[1]) + (sum[2] + sum[3]) + tail
}

/// `M x` for a square matrix by rows.
pub(crate) fn mul(m: &[f64], x: &[f64]) -> Vec<f64> {
    m.chunks_exact(x.len().max(1))
        .map(|row| dot(row, x))
        .collect()
}
