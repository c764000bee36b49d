//! Steps of unequal length, and spans of time laid over them.

use cosmosmesh_optimize::problem::Grid;
use serde::Serialize;

/// A span of time in whole seconds from the mission's start, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// Its beginning.
    pub from_s: i64,
    /// Its end.
    pub to_s: i64,
}

/// A grid of steps, in seconds from the mission's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    edge_s: Vec<i64>,
}

impl Steps {
    /// The steps of these lengths, in seconds.
    pub fn new(step_s: &[u32]) -> Self {
        let mut edge_s = vec![0];
        for &step in step_s {
            edge_s.push(edge_s[edge_s.len() - 1] + i64::from(step));
        }
        Self { edge_s }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.edge_s.len() - 1
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Edges of the steps, in seconds: one more than there are steps.
    pub fn edges_s(&self) -> &[i64] {
        &self.edge_s
    }

    /// Length of the whole, in seconds.
    pub fn horizon_s(&self) -> i64 {
        self.edge_s[self.len()]
    }

    /// Length of step `t` in seconds.
    pub fn seconds(&self, t: usize) -> f64 {
        (self.edge_s[t + 1] - self.edge_s[t]) as f64
    }

    /// Length of step `t` in hours.
    pub fn hours(&self, t: usize) -> f64 {
        self.seconds(t) / 3600.0
    }

    /// Length of step `t` in minutes.
    pub fn minutes(&self, t: usize) -> f64 {
        self.seconds(t) / 60.0
    }

    /// The middle of step `t`, in days.
    pub fn middle_day(&self, t: usize) -> f64 {
        (self.edge_s[t] + self.edge_s[t + 1]) as f64 / 2.0 / 86_400.0
    }

    /// The grid as ports carry it, from `start_s`.
    pub fn grid(&self, start_s: i64) -> Grid {
        Grid {
            start_s,
            step_s: self
                .edge_s
                .windows(2)
                .map(|w| (w[1] - w[0]) as u32)
                .collect(),
        }
    }

    /// Seconds of each step that the spans cover. Spans may overlap: they are
    /// joined first.
    pub fn covered_s(&self, spans: &[Span]) -> Vec<f64> {
        let joined = join(spans);
        (0..self.len())
            .map(|t| {
                let (a, b) = (self.edge_s[t], self.edge_s[t + 1]);
                joined
                    .iter()
                    .map(|s| (s.to_s.min(b) - s.from_s.max(a)).max(0))
                    .sum::<i64>() as f64
            })
            .collect()
    }
}

/// The union of spans: in order, without overlaps.
pub fn join(spans: &[Span]) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans
        .iter()
        .copied()
        .filter(|s| s.to_s > s.from_s)
        .collect();
    sorted.sort_unstable();
    let mut out: Vec<Span> = Vec::new();
    for s in sorted {
        match out.last_mut() {
            Some(last) if s.from_s <= last.to_s => last.to_s = last.to_s.max(s.to_s),
            _ => out.push(s),
        }
    }
    out
}

/// What of `0..horizon_s` the spans leave free.
pub fn complement(spans: &[Span], horizon_s: i64) -> Vec<Span> {
    let mut out = Vec::new();
    let mut from_s = 0;
    for s in join(spans) {
        let end = s.from_s.min(horizon_s);
        if end > from_s {
            out.push(Span { from_s, to_s: end });
        }
        from_s = from_s.max(s.to_s);
    }
    if from_s < horizon_s {
        out.push(Span {
            from_s,
            to_s: horizon_s,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Span, Steps, complement, join};

    fn span(from_s: i64, to_s: i64) -> Span {
        Span { from_s, to_s }
    }

    #[test]
    fn spans_on_uneven_steps() {
        let steps = Steps::new(&[10, 10, 40]);
        let spans = [span(15, 30), span(5, 12), span(55, 90), span(11, 16)];
        assert_eq!(join(&spans), [span(5, 30), span(55, 90)]);
        assert_eq!(steps.covered_s(&spans), [5.0, 10.0, 15.0]);
        assert_eq!(complement(&spans, 60), [span(0, 5), span(30, 55)]);
    }
}
