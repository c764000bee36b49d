//! Clocks that disagree: findings, never reasons.

use cosmosmesh_mission::MessageId;

use crate::log::Log;
use crate::terms::AuthorIx;

/// An entry that claims to be older than one it follows from, by more than the
/// clocks were declared to be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skew {
    /// The entry.
    pub id: MessageId,
    /// Its author. Either this clock is behind or the other ahead.
    pub author: AuthorIx,
    /// The parent.
    pub parent: MessageId,
    /// Who wrote the parent.
    pub parent_author: AuthorIx,
    /// By how many seconds the parent is the later.
    pub behind_s: u64,
}

impl Log {
    /// Entries that are more than `bound_s` seconds older, by their own account,
    /// than a parent. Sorted by id; nothing else depends on it.
    pub fn skews(&self, bound_s: u64) -> Vec<Skew> {
        let mut found = Vec::new();
        for node in &self.nodes {
            for parent in node.parents() {
                let parent = &self.nodes[parent.at()];
                let behind_s = parent.time_s.abs_diff(node.time_s);
                if parent.time_s > node.time_s && behind_s > bound_s {
                    found.push(Skew {
                        id: node.id,
                        author: node.author,
                        parent: parent.id,
                        parent_author: parent.author,
                        behind_s,
                    });
                }
            }
        }
        found.sort_unstable();
        found
    }
}
