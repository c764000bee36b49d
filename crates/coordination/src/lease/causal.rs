//! Who knew what: for each entry, how much of every author's chain is in its past.
//!
//! An author's entries are kept in *segments*: runs in which each entry links back to
//! the one before it. An author that never forks has one. A *clock* has for each
//! segment how many of its entries are known; entries hold the clock of their past.

use cosmosmesh_log::{EntryIx, Log};

/// An entry's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) author: u32,
    pub(crate) segment: u32,
    /// Its place within the segment.
    pub(crate) pos: u32,
    /// How many entries of its author are before it.
    pub(crate) height: u32,
    back: Option<u32>,
    /// Whether an entry of its author links back to it.
    followed: bool,
    /// Where its clock is kept.
    clock: (usize, u32),
}

#[derive(Clone, Debug)]
struct Segment {
    entries: Vec<u32>,
}

/// Entries of one author with one back link.
#[derive(Clone, Debug)]
struct Fork {
    back: Option<u32>,
    siblings: Vec<u32>,
}

/// What is kept for an author.
#[derive(Clone, Debug, Default)]
struct Author {
    segments: Vec<u32>,
    first: Option<u32>,
    forks: Vec<Fork>,
}

/// The causal order of all entries taken so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Causal {
    spots: Vec<Spot>,
    clocks: Vec<u32>,
    segments: Vec<Segment>,
    authors: Vec<Author>,
    scratch: Vec<u32>,
}

/// How many entries of each segment are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock<'c>(pub(crate) &'c [u32]);

impl Clock<'_> {
    pub(crate) fn of(self, segment: u32) -> u32 {
        self.0.get(segment as usize).copied().unwrap_or(0)
    }
}

impl Causal {
    pub(crate) fn new(authors: usize) -> Self {
        Self {
            authors: vec![Author::default(); authors],
            ..Self::default()
        }
    }

    /// Takes the next entry of the log. Says whether it begins a segment that does
    /// not begin its author's chain: its author forked.
    pub(crate) fn take(&mut self, log: &Log, ix: EntryIx) -> bool {
        let node = self.spots.len() as u32;
        debug_assert_eq!(node as usize, ix.at());
        let author = log.author(ix).0;
        let back = log.before(ix).map(|ix| ix.at() as u32);
        let mut clock = std::mem::take(&mut self.scratch);
        clock.clear();
        for parent in log.parents(ix) {
            let known = self.clock(parent.at() as u32).0;
            if clock.len() < known.len() {
                clock.resize(known.len(), 0);
            }
            for (here, there) in clock.iter_mut().zip(known) {
                *here = (*here).max(*there);
            }
        }
        let of_author = &mut self.authors[author as usize];
        let sibling = match back {
            None => of_author.first.is_some(),
            Some(back) => self.spots[back as usize].followed,
        };
        if sibling {
            let known = of_author.forks.iter_mut().find(|fork| fork.back == back);
            if let Some(fork) = known {
                fork.siblings.push(node);
            } else {
                let first = back.map_or(of_author.first, |back| {
                    let spot = &self.spots[back as usize];
                    let segment = &self.segments[spot.segment as usize].entries;
                    segment.get(spot.pos as usize + 1).copied()
                });
                of_author.forks.push(Fork {
                    back,
                    siblings: first.into_iter().chain([node]).collect(),
                });
            }
        }
        let segment = match back {
            Some(back) if !sibling => self.spots[back as usize].segment,
            _ => {
                let new = self.segments.len() as u32;
                let entries = Vec::new();
                self.segments.push(Segment { entries });
                of_author.segments.push(new);
                new
            }
        };
        of_author.first = of_author.first.or(Some(node));
        let entries = &mut self.segments[segment as usize].entries;
        let pos = entries.len() as u32;
        entries.push(node);
        if clock.len() <= segment as usize {
            clock.resize(segment as usize + 1, 0);
        }
        clock[segment as usize] = pos + 1;
        if let Some(back) = back {
            self.spots[back as usize].followed = true;
        }
        self.spots.push(Spot {
            author,
            segment,
            pos,
            height: back.map_or(0, |back| self.spots[back as usize].height + 1),
            back,
            followed: false,
            clock: (self.clocks.len(), clock.len() as u32),
        });
        self.clocks.extend_from_slice(&clock);
        self.scratch = clock;
        sibling
    }

    pub(crate) fn len(&self) -> usize {
        self.spots.len()
    }

    pub(crate) fn spot(&self, node: u32) -> Spot {
        self.spots[node as usize]
    }

    /// What the author of an entry knew, itself included.
    pub(crate) fn clock(&self, node: u32) -> Clock<'_> {
        let (at, length) = self.spots[node as usize].clock;
        Clock(&self.clocks[at..at + length as usize])
    }

    /// What somebody knows who has every entry.
    pub(crate) fn all(&self) -> Vec<u32> {
        let segments = self.segments.iter();
        segments.map(|s| s.entries.len() as u32).collect()
    }

    pub(crate) fn holds(&self, clock: Clock<'_>, node: u32) -> bool {
        let spot = self.spot(node);
        clock.of(spot.segment) > spot.pos
    }

    /// Whether the clock knows that an author forked.
    pub(crate) fn knows_fork(&self, clock: Clock<'_>, author: u32) -> bool {
        let mut forks = self.authors[author as usize].forks.iter();
        forks.any(|fork| {
            let known = fork
                .siblings
                .iter()
                .filter(|node| self.holds(clock, **node));
            known.count() > 1
        })
    }

    /// Whether an author forked.
    pub(crate) fn forked(&self, author: u32) -> bool {
        !self.authors[author as usize].forks.is_empty()
    }

    /// The entries with which an author forked.
    pub(crate) fn forks(&self, author: u32) -> impl Iterator<Item = u32> {
        let forks = self.authors[author as usize].forks.iter();
        forks.flat_map(|fork| fork.siblings.iter().copied())
    }

    /// The last entries of all branches of an author.
    pub(crate) fn tips(&self, author: u32) -> impl Iterator<Item = u32> {
        let segments = self.authors[author as usize].segments.iter();
        let last = segments.filter_map(|s| self.segments[*s as usize].entries.last());
        last.copied().filter(|node| !self.spot(*node).followed)
    }

    /// The last entry of an author in a clock that knows of no fork of it.
    pub(crate) fn last(&self, clock: Clock<'_>, author: u32) -> Option<u32> {
        let segments = self.authors[author as usize].segments.iter();
        let last = segments.filter_map(|segment| {
            let known = clock.of(*segment).checked_sub(1)?;
            let entries = &self.segments[*segment as usize].entries;
            entries.get(known as usize).copied()
        });
        last.max_by_key(|node| self.spot(*node).height)
    }

    /// The entry and those of its author before it, the last first.
    pub(crate) fn chain(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(node), |node| self.spot(*node).back)
    }

    /// Whether an entry is `tip` or before it in its author's chain.
    pub(crate) fn on_chain(&self, tip: u32, node: u32) -> bool {
        let height = self.spot(node).height;
        let mut chain = self.chain(tip);
        chain.find(|n| self.spot(*n).height <= height) == Some(node)
    }

    /// How many entries of a donor's segment are receipted: known to so many of
    /// `members`, the donor and authors that forked aside, by entries in the clock
    /// that know of no fork of the donor.
    pub(crate) fn receipted(
        &self,
        clock: Clock<'_>,
        segment: u32,
        members: impl Iterator<Item = u32>,
        quorum: u32,
        fork_matters: bool,
    ) -> u32 {
        let donor = self.spot(self.segments[segment as usize].entries[0]).author;
        let known_fork = self.knows_fork(clock, donor) && fork_matters;
        let mut known: Vec<u32> = members
            .filter(|author| *author != donor)
            .filter(|author| !self.forked(*author) || !self.knows_fork(clock, *author))
            .filter_map(|author| self.last(clock, author))
            .filter_map(|last| {
                if !known_fork {
                    return Some(last);
                }
                let knows = |node: u32| self.knows_fork(self.clock(node), donor);
                let Spot { segment, pos, .. } = self.spot(last);
                let run = &self.segments[segment as usize].entries[..=pos as usize];
                match run.partition_point(|node| !knows(*node)).checked_sub(1) {
                    Some(at) => run.get(at).copied(),
                    None => self.chain(run[0]).find(|node| !knows(*node)),
                }
            })
            .map(|node| self.clock(node).of(segment))
            .collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        let at = (quorum as usize).checked_sub(1);
        at.and_then(|at| known.get(at)).copied().unwrap_or(0)
    }
}
