//! Sets of whole seconds as sorted, disjoint windows.

use serde::{Deserialize, Serialize};

use crate::error::{ContactError, ErrorKind};

/// `[start_s, end_s]` in POSIX seconds UTC, `start_s < end_s`. A condition
/// that was rounded into a window holds throughout it, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First whole second.
    pub start_s: i64,
    /// Last whole second.
    pub end_s: i64,
}

impl Window {
    /// Length in seconds.
    pub fn duration_s(&self) -> i64 {
        self.end_s - self.start_s
    }

    /// Whether that instant lies in the window.
    pub fn contains(&self, posix_s: i64) -> bool {
        self.start_s <= posix_s && posix_s <= self.end_s
    }
}

/// The stretch of time that is searched for windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    start_s: i64,
    end_s: i64,
}

impl Span {
    /// From POSIX seconds UTC.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is empty or longer than ten years.
    pub fn new(start_s: i64, end_s: i64) -> Result<Self, ContactError> {
        let longest_s = 10 * 366 * 86_400;
        if start_s < end_s && end_s.checked_sub(start_s).is_some_and(|d| d <= longest_s) {
            Ok(Self { start_s, end_s })
        } else {
            Err(ContactError::new(
                ErrorKind::Value,
                format!("{start_s}..{end_s}"),
                "not a time span of at most ten years",
                "let it end after its start",
            ))
        }
    }

    /// Start in POSIX seconds UTC.
    pub fn start_s(&self) -> i64 {
        self.start_s
    }

    /// End in POSIX seconds UTC.
    pub fn end_s(&self) -> i64 {
        self.end_s
    }

    /// The whole span as one window.
    pub fn window(&self) -> Window {
        Window {
            start_s: self.start_s,
            end_s: self.end_s,
        }
    }
}

/// Sum of the lengths, in seconds.
pub fn total_s(windows: &[Window]) -> i64 {
    windows.iter().map(Window::duration_s).sum()
}

/// Windows of either; those that touch are joined.
pub fn union(a: &[Window], b: &[Window]) -> Vec<Window> {
    let mut all: Vec<Window> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut joined: Vec<Window> = Vec::with_capacity(all.len());
    for window in all {
        match joined.last_mut() {
            Some(last) if window.start_s <= last.end_s => last.end_s = last.end_s.max(window.end_s),
            _ => joined.push(window),
        }
    }
    joined
}

/// Windows of both.
pub fn intersect(a: &[Window], b: &[Window]) -> Vec<Window> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while i < a.len() && j < b.len() {
        let start_s = a[i].start_s.max(b[j].start_s);
        let end_s = a[i].end_s.min(b[j].end_s);
        if start_s < end_s {
            both.push(Window { start_s, end_s });
        }
        if a[i].end_s < b[j].end_s {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

/// The gaps: what of the span no window covers, including before the first
/// and after the last.
pub fn complement(windows: &[Window], span: Span) -> Vec<Window> {
    let mut gaps = Vec::with_capacity(windows.len() + 1);
    let mut from_s = span.start_s;
    for window in windows {
        if from_s < window.start_s {
            gaps.push(Window {
                start_s: from_s,
                end_s: window.start_s,
            });
        }
        from_s = from_s.max(window.end_s);
    }
    if from_s < span.end_s {
        gaps.push(Window {
            start_s: from_s,
            end_s: span.end_s,
        });
    }
    gaps
}
