//! What a member must not trust of itself.

/// State of one node: whether it may use more than its floors, and whether it may
/// sign. It is not in the log and follows from nothing in it.
///
/// A clock that was reset does not know which step it is. A node restored from
/// a backup does not know what it has signed since: what it signs could be a
/// fork, and what its log says that it holds could be given away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    clock_lost: bool,
    head_unknown: bool,
}

impl Fence {
    /// Nothing is in doubt.
    pub const OPEN: Self = Self {
        clock_lost: false,
        head_unknown: false,
    };

    /// The clock was reset.
    pub fn clock_reset(&mut self) {
        self.clock_lost = true;
    }

    /// The clock is within its bound again.
    pub fn clock_back(&mut self) {
        self.clock_lost = false;
    }

    /// The node was restored from a backup.
    pub fn restored(&mut self) {
        self.head_unknown = true;
    }

    /// Peers have returned the node's head, as many as the node needs to ask.
    pub fn head_returned(&mut self) {
        self.head_unknown = false;
    }

    /// Whether the node uses its floors only.
    pub fn floors_only(self) -> bool {
        self.clock_lost || self.head_unknown
    }

    /// Whether the node may sign entries.
    pub fn may_sign(self) -> bool {
        !self.head_unknown
    }
}
