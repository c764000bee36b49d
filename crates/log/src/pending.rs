//! Entries that wait for a parent: outside the state, and bounded per author.
//!
//! Each waits for one missing parent at a time. When an author's share is full,
//! the entry furthest along its chain gives way: it is the last that could be
//! attached, and sync brings it again, since nobody was told that it is held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cosmosmesh_mission::MessageId;

use crate::limits::{MAX_PENDING_BYTES, MAX_PENDING_ENTRIES};
use crate::terms::{AuthorIx, Verified};

type Place = (u64, u64, MessageId);

#[derive(Debug, Clone)]
struct Waiting {
    verified: Verified,
    parent: MessageId,
}

#[derive(Debug, Clone, Default)]
struct Share {
    entries: BTreeMap<Place, Waiting>,
    bytes: usize,
}

/// All that waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    shares: BTreeMap<AuthorIx, Share>,
    by_parent: HashMap<MessageId, BTreeSet<(AuthorIx, Place)>>,
}

fn place(verified: &Verified) -> Place {
    let header = verified.entry.header();
    (header.boot_epoch.0, header.seq.0, verified.entry.id())
}

impl Pending {
    /// Lets an entry wait for `parent`; says whether there was room.
    pub(crate) fn wait(&mut self, verified: Verified, parent: MessageId) -> bool {
        let (author, at, weight) = (
            verified.author,
            place(&verified),
            verified.entry.header().weight(),
        );
        let share = self.shares.entry(author).or_default();
        if share.entries.contains_key(&at) {
            return true;
        }
        share.bytes += weight;
        share.entries.insert(at, Waiting { verified, parent });
        self.by_parent
            .entry(parent)
            .or_default()
            .insert((author, at));
        let mut kept = true;
        while let Some(last) = self.overfull(author) {
            kept &= last != at;
            self.take(author, &last);
        }
        kept
    }

    fn overfull(&self, author: AuthorIx) -> Option<Place> {
        let share = self.shares.get(&author)?;
        let full = share.entries.len() > MAX_PENDING_ENTRIES || share.bytes > MAX_PENDING_BYTES;
        let last = share.entries.keys().next_back()?;
        full.then_some(*last)
    }

    fn take(&mut self, author: AuthorIx, at: &Place) -> Option<Verified> {
        let share = self.shares.get_mut(&author)?;
        let waiting = share.entries.remove(at)?;
        share.bytes -= waiting.verified.entry.header().weight();
        if let Some(set) = self.by_parent.get_mut(&waiting.parent) {
            set.remove(&(author, *at));
            if set.is_empty() {
                self.by_parent.remove(&waiting.parent);
            }
        }
        Some(waiting.verified)
    }

    /// Those that waited for `parent`, and wait no longer.
    pub(crate) fn release(&mut self, parent: &MessageId) -> Vec<Verified> {
        let set = self.by_parent.get(parent).cloned().unwrap_or_default();
        set.iter()
            .filter_map(|(author, at)| self.take(*author, at))
            .collect()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_parent.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.shares.values().map(|share| share.entries.len()).sum()
    }

    /// Roughly the memory that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.shares.values().map(|share| share.bytes).sum()
    }

    /// So many parents of what waits that are not `here`, by the author of what waits, in
    /// turn: an author that invents parents does not keep those of others from being asked for.
    pub(crate) fn parents_in_turn(
        &self,
        most: usize,
        here: impl Fn(&MessageId) -> bool,
    ) -> Vec<MessageId> {
        let of_author = |share: &Share| {
            let waits: BTreeSet<MessageId> = share.entries.keys().map(|(.., id)| *id).collect();
            let waiting = share.entries.values().map(|w| &w.verified.entry);
            let parents = waiting.flat_map(|entry| entry.header().parents().copied());
            let parents = parents
                .filter(|id| !waits.contains(id) && !here(id))
                .take(most);
            parents.collect::<Vec<_>>()
        };
        let mut queues: Vec<_> = self
            .shares
            .values()
            .map(|share| of_author(share).into_iter())
            .collect();
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let before = seen.len();
            for queue in &mut queues {
                if found.len() >= most {
                    return found;
                }
                if let Some(id) = queue.find(|id| seen.insert(*id)) {
                    found.push(id);
                }
            }
            if seen.len() == before {
                return found;
            }
        }
    }

    /// The parents of what waits, those that wait themselves left out.
    pub(crate) fn parents(&self) -> BTreeSet<MessageId> {
        let entries = self
            .shares
            .values()
            .flat_map(|share| share.entries.values());
        let entries: Vec<_> = entries.map(|waiting| &waiting.verified.entry).collect();
        let here: BTreeSet<_> = entries.iter().map(|entry| entry.id()).collect();
        let parents = entries.iter().flat_map(|entry| entry.header().parents());
        parents.filter(|id| !here.contains(id)).copied().collect()
    }
}
