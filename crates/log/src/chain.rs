//! One author's chain: what of it counts, and where it forks.
//!
//! The *trunk* is what counts: the longest path from the author's first entry on
//! which no entry has two successors and none lies behind a revocation's head.
//! It is a property of the set of entries: further entries only lengthen it at
//! its end or cut it, and the order in which they come does not matter.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::MessageId;

use crate::log::{EntryIx, Node};

/// Where an entry stands in its author's chain.
pub(crate) type Place = (u64, u64);

#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    /// What counts, in order.
    pub(crate) trunk: Vec<EntryIx>,
    /// What does not.
    pub(crate) off: BTreeMap<(Place, MessageId), EntryIx>,
    /// The first entry that has no back link.
    first: Option<EntryIx>,
    /// Entries with the same back link, where there are two or more.
    forks: BTreeMap<Option<EntryIx>, Vec<EntryIx>>,
    /// The heads of revocations.
    limits: BTreeSet<Option<EntryIx>>,
}

impl Chain {
    /// Takes the entry `new` that follows `back`, both in `nodes`.
    pub(crate) fn add(&mut self, nodes: &mut [Node], new: EntryIx, back: Option<EntryIx>) {
        let slot = match back {
            None => &mut self.first,
            Some(back) => &mut nodes[back.at()].next,
        };
        if let Some(sibling) = *slot {
            self.forks
                .entry(back)
                .or_insert_with(|| vec![sibling])
                .push(new);
            self.cut(nodes, back);
            self.set_aside(nodes, new);
            return;
        }
        *slot = Some(new);
        if self.trunk.last().copied() == back && !self.limits.contains(&back) {
            nodes[new.at()].counted = true;
            self.trunk.push(new);
        } else {
            self.set_aside(nodes, new);
        }
    }

    /// Nothing behind `head` counts any more.
    pub(crate) fn limit(&mut self, nodes: &mut [Node], head: Option<EntryIx>) {
        self.limits.insert(head);
        self.cut(nodes, head);
    }

    fn cut(&mut self, nodes: &mut [Node], last: Option<EntryIx>) {
        let keep = match last {
            None => 0,
            Some(last) => match self.on_trunk(nodes, nodes[last.at()].place(), |ix| ix == last) {
                Some(at) => at + 1,
                None => return,
            },
        };
        for ix in self.trunk.split_off(keep) {
            self.set_aside(nodes, ix);
        }
    }

    fn set_aside(&mut self, nodes: &mut [Node], ix: EntryIx) {
        let node = &mut nodes[ix.at()];
        node.counted = false;
        self.off.insert((node.place(), node.id), ix);
    }

    fn on_trunk(
        &self,
        nodes: &[Node],
        place: Place,
        is: impl Fn(EntryIx) -> bool,
    ) -> Option<usize> {
        let at = self
            .trunk
            .binary_search_by_key(&place, |ix| nodes[ix.at()].place());
        at.ok().filter(|at| is(self.trunk[*at]))
    }

    /// The entry at a place whose id begins with `start`, wherever it stands.
    pub(crate) fn find(&self, nodes: &[Node], place: Place, start: &[u8]) -> Option<EntryIx> {
        let fits = |ix: EntryIx| nodes[ix.at()].id.0.starts_with(start);
        if let Some(at) = self.on_trunk(nodes, place, fits) {
            return Some(self.trunk[at]);
        }
        let from = (place, MessageId([0; 32]));
        let to = (place, MessageId([0xff; 32]));
        let mut found = self.off.range(from..=to).map(|(_, ix)| *ix);
        found.find(|ix| fits(*ix))
    }

    /// The entries of a chain without forks behind a place.
    pub(crate) fn after(&self, nodes: &[Node], place: Place) -> impl Iterator<Item = EntryIx> {
        let at = self
            .trunk
            .partition_point(|ix| nodes[ix.at()].place() <= place);
        let off = self.off.iter().filter(move |((at, _), _)| *at > place);
        let off = off.map(|(_, ix)| *ix);
        self.trunk[at..].iter().copied().chain(off)
    }

    /// All entries.
    pub(crate) fn all(&self) -> impl Iterator<Item = EntryIx> {
        self.trunk.iter().chain(self.off.values()).copied()
    }

    /// Whether the author has said two things at one place.
    pub(crate) fn is_forked(&self) -> bool {
        !self.forks.is_empty()
    }

    /// The earliest fork: its two entries of least id. A function of the set.
    pub(crate) fn fork(&self, nodes: &[Node]) -> Option<(EntryIx, EntryIx)> {
        let depth = |back: &Option<EntryIx>| {
            back.map_or((0, [0; 32]), |ix| {
                (nodes[ix.at()].depth, nodes[ix.at()].id.0)
            })
        };
        let (_, siblings) = self.forks.iter().min_by_key(|(back, _)| depth(back))?;
        let mut siblings = siblings.clone();
        siblings.sort_by_key(|ix| nodes[ix.at()].id);
        Some((siblings[0], siblings[1]))
    }

    /// Every group of entries with one back link.
    pub(crate) fn forks(&self) -> impl Iterator<Item = &[EntryIx]> {
        self.forks.values().map(Vec::as_slice)
    }

    /// The heads of revocations, by id.
    pub(crate) fn limits(&self, nodes: &[Node]) -> BTreeSet<Option<MessageId>> {
        let id = |ix: &Option<EntryIx>| ix.map(|ix| nodes[ix.at()].id);
        self.limits.iter().map(id).collect()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.trunk.len() + self.off.len()
    }
}
