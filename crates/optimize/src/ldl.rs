//! Sparse `L D Lᵀ` of a symmetric quasi-definite matrix: one symbolic
//! analysis, many numeric factorisations.
//!
//! The ordering is approximate minimum degree (Amestoy, Davis, Duff, 1996,
//! by the `amd` crate); the factorisation is the up-looking one of Davis,
//! *Direct Methods for Sparse Linear Systems* (2006), §4.8, for `L D Lᵀ`.
//! A quasi-definite matrix has the factorisation in every order (Vanderbei,
//! 1995), so that no pivot is ever searched and every run does the same
//! arithmetic in the same order.

/// The pattern's analysis and the room for its factors.
#[derive(Debug, Clone)]
pub(crate) struct Ldl {
    n: usize,
    /// `order[new] = old`.
    order: Vec<usize>,
    /// `place[old] = new`.
    place: Vec<usize>,
    /// Upper triangle of the permuted matrix by columns.
    col_start: Vec<usize>,
    row: Vec<usize>,
    val: Vec<f64>,
    /// Where entry `k` of the caller's list went in `val`.
    entry: Vec<usize>,
    parent: Vec<usize>,
    l_start: Vec<usize>,
    l_row: Vec<usize>,
    l_val: Vec<f64>,
    d: Vec<f64>,
    /// `+1` where the pivot is positive, `−1` where it is negative.
    sign: Vec<f64>,
    /// Room for the numeric phase.
    work: Vec<f64>,
    seen: Vec<usize>,
    next: Vec<usize>,
}

const NONE: usize = usize::MAX;

impl Ldl {
    /// Analyses the pattern given as `(row, column)` of the upper or lower
    /// triangle; every diagonal entry must be listed. `sign[k]` says on which
    /// side of zero the pivot of variable `k` lies.
    pub(crate) fn new(n: usize, entries: &[(usize, usize)], sign: &[f64]) -> Self {
        let order = minimum_degree(n, entries);
        let mut place = vec![0; n];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        // Sort the permuted upper triangle by column, then row.
        let mut sorted: Vec<(usize, usize, usize)> = entries
            .iter()
            .enumerate()
            .map(|(k, &(r, c))| {
                let (r, c) = (place[r], place[c]);
                (r.max(c), r.min(c), k)
            })
            .collect();
        sorted.sort_unstable();
        let mut col_start = vec![0; n + 1];
        let (mut row, mut entry) = (Vec::new(), vec![0; entries.len()]);
        let mut last = (NONE, NONE);
        for (c, r, k) in sorted {
            if last != (c, r) {
                row.push(r);
                col_start[c + 1] += 1;
                last = (c, r);
            }
            entry[k] = row.len() - 1;
        }
        for c in 0..n {
            col_start[c + 1] += col_start[c];
        }
        // Elimination tree and column counts.
        let mut parent = vec![NONE; n];
        let mut count = vec![0_usize; n];
        let mut flag = vec![NONE; n];
        for c in 0..n {
            flag[c] = c;
            for p in col_start[c]..col_start[c + 1] {
                let mut i = row[p];
                while flag[i] != c {
                    if parent[i] == NONE {
                        parent[i] = c;
                    }
                    count[i] += 1;
                    flag[i] = c;
                    i = parent[i];
                }
            }
        }
        let mut l_start = vec![0; n + 1];
        for c in 0..n {
            l_start[c + 1] = l_start[c] + count[c];
        }
        let nnz = l_start[n];
        let sign = order.iter().map(|&old| sign[old]).collect();
        Self {
            n,
            order,
            place,
            val: vec![0.0; row.len()],
            col_start,
            row,
            entry,
            parent,
            l_start,
            l_row: vec![0; nnz],
            l_val: vec![0.0; nnz],
            d: vec![1.0; n],
            sign,
            work: vec![0.0; n],
            seen: vec![NONE; n],
            next: vec![0; n],
        }
    }

    /// Sets all values to zero.
    pub(crate) fn clear(&mut self) {
        self.val.fill(0.0);
    }

    /// Adds `v` to entry `k` of the caller's list.
    pub(crate) fn add(&mut self, k: usize, v: f64) {
        self.val[self.entry[k]] += v;
    }

    /// Factors the matrix. A pivot that is too small or on the wrong side is
    /// replaced by one of size `least` on the right side.
    pub(crate) fn factor(&mut self, least: f64) {
        let n = self.n;
        self.seen.fill(NONE);
        self.next.copy_from_slice(&self.l_start[..n]);
        let mut stack = vec![0; n];
        let mut path = Vec::with_capacity(n);
        for k in 0..n {
            let mut top = n;
            self.seen[k] = k;
            let mut diagonal = 0.0;
            for p in self.col_start[k]..self.col_start[k + 1] {
                let i = self.row[p];
                if i == k {
                    diagonal = self.val[p];
                    continue;
                }
                self.work[i] = self.val[p];
                let mut j = i;
                path.clear();
                while self.seen[j] != k {
                    path.push(j);
                    self.seen[j] = k;
                    j = self.parent[j];
                }
                while let Some(j) = path.pop() {
                    top -= 1;
                    stack[top] = j;
                }
            }
            for &i in &stack[top..n] {
                let y = self.work[i];
                self.work[i] = 0.0;
                let (from, to) = (self.l_start[i], self.next[i]);
                for p in from..to {
                    self.work[self.l_row[p]] -= self.l_val[p] * y;
                }
                let l = y / self.d[i];
                diagonal -= l * y;
                self.l_row[to] = k;
                self.l_val[to] = l;
                self.next[i] = to + 1;
            }
            let s = self.sign[k];
            self.d[k] = if diagonal * s < least {
                s * least
            } else {
                diagonal
            };
        }
    }

    /// Solves `L D Lᵀ x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64], room: &mut Vec<f64>) {
        let n = self.n;
        room.clear();
        room.extend(self.order.iter().map(|&old| b[old]));
        let x = room;
        for c in 0..n {
            let v = x[c];
            if v != 0.0 {
                for p in self.l_start[c]..self.l_start[c + 1] {
                    x[self.l_row[p]] -= self.l_val[p] * v;
                }
            }
        }
        for c in 0..n {
            x[c] /= self.d[c];
        }
        for c in (0..n).rev() {
            let mut v = x[c];
            for p in self.l_start[c]..self.l_start[c + 1] {
                v -= self.l_val[p] * x[self.l_row[p]];
            }
            x[c] = v;
        }
        for (new, &old) in self.order.iter().enumerate() {
            b[old] = x[new];
        }
    }

    /// `B M⁻¹ Bᵀ` for sparse rows of `B`, dense and symmetric, by rows.
    ///
    /// Only `V = L⁻¹Bᵀ` is formed, along the elimination tree; the product is
    /// then gathered column by column of `L`.
    pub(crate) fn schur(&mut self, b: &[Vec<(usize, f64)>]) -> Vec<f64> {
        let m = b.len();
        let mut lists: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.n];
        self.seen.fill(NONE);
        let mut path: Vec<usize> = Vec::new();
        for (j, entries) in b.iter().enumerate() {
            path.clear();
            for &(old, v) in entries {
                let mut i = self.place[old];
                self.work[i] += v;
                while i != NONE && self.seen[i] != j {
                    self.seen[i] = j;
                    path.push(i);
                    i = self.parent[i];
                }
            }
            path.sort_unstable();
            for &i in &path {
                let v = self.work[i];
                self.work[i] = 0.0;
                if v == 0.0 {
                    continue;
                }
                for p in self.l_start[i]..self.l_start[i + 1] {
                    self.work[self.l_row[p]] -= self.l_val[p] * v;
                }
                lists[i].push((j, v));
            }
        }
        let mut out = vec![0.0; m * m];
        for (i, list) in lists.iter().enumerate() {
            let inverse = 1.0 / self.d[i];
            for (at, &(j, vj)) in list.iter().enumerate() {
                let scaled = vj * inverse;
                for &(k, vk) in &list[..=at] {
                    out[j * m + k] += scaled * vk;
                }
            }
        }
        for j in 0..m {
            for k in 0..j {
                out[k * m + j] = out[j * m + k];
            }
        }
        out
    }
}

fn minimum_degree(n: usize, entries: &[(usize, usize)]) -> Vec<usize> {
    let mut pairs: Vec<(usize, usize)> = entries
        .iter()
        .filter(|(r, c)| r != c)
        .flat_map(|&(r, c)| [(c, r), (r, c)])
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut start = vec![0; n + 1];
    for &(c, _) in &pairs {
        start[c + 1] += 1;
    }
    for c in 0..n {
        start[c + 1] += start[c];
    }
    let index: Vec<usize> = pairs.into_iter().map(|(_, r)| r).collect();
    match amd::order(n, &start, &index, &amd::Control::default()) {
        Ok((order, _, _)) => order,
        Err(_) => (0..n).collect(),
    }
}
