//! What to send first.

use std::collections::BTreeSet;

use super::vector::{Found, Vector, compare};
use crate::entry::Kind;
use crate::log::{EntryIx, Log};
use crate::terms::AuthorIx;

/// How soon an entry should go, the least first; the last argument is the depth of
/// the deepest entry. A caller that knows which round is current says so here.
pub type Priority = fn(&Log, EntryIx, u32) -> u8;

/// Revocations, then votes for checkpoints and changes of plans, then the rest.
pub fn by_kind(log: &Log, ix: EntryIx, _: u32) -> u8 {
    match log.kind(ix) {
        Kind::REVOCATION => 0,
        Kind::CHECKPOINT | Kind(2) => 1,
        _ => 2,
    }
}

/// As [`by_kind`], and of the rest first what is at most 64 below the deepest
/// entry: what the current round follows from.
pub fn history_last(log: &Log, ix: EntryIx, deepest: u32) -> u8 {
    const RECENT: u32 = 64;
    let by_kind = by_kind(log, ix, deepest);
    let recent = log.depth(ix).saturating_add(RECENT) >= deepest;
    by_kind + u8::from(by_kind == 2 && !recent)
}

/// What a peer lacks by its own claims, in the order of attaching, and the authors
/// about whom claims cannot tell.
pub(crate) fn lacking(log: &Log, theirs: &Vector) -> (BTreeSet<EntryIx>, Vec<AuthorIx>) {
    let (mut lacks, mut conflicts) = (BTreeSet::new(), Vec::new());
    for author in (0..log.chains.len() as u32).map(AuthorIx) {
        match compare(log, author, theirs.0.get(&author)) {
            Found::Same | Found::Ahead => {}
            Found::Lacks(entries) => lacks.extend(entries),
            Found::Conflict => conflicts.push(author),
        }
    }
    (lacks, conflicts)
}

/// Puts what is lacking into the order of sending: by priority, and before each
/// entry what it follows from.
pub(crate) fn ordered(log: &Log, lacks: &BTreeSet<EntryIx>, priority: Priority) -> Vec<EntryIx> {
    let heads = log.heads().iter().filter_map(|id| log.find(id));
    let deepest = heads.map(|ix| log.depth(ix)).max().unwrap_or(0);
    let place = |ix: &EntryIx| (priority(log, *ix, deepest), *ix);
    let mut by_priority: Vec<(u8, EntryIx)> = lacks.iter().map(place).collect();
    by_priority.sort_unstable();
    let mut order = Vec::with_capacity(lacks.len());
    let mut placed = vec![false; log.len()];
    for (_, ix) in by_priority {
        // Depth first, without recursion: histories are long.
        let mut stack = vec![(ix, false)];
        while let Some((ix, parents_done)) = stack.pop() {
            if placed[ix.at()] {
                continue;
            }
            if parents_done {
                placed[ix.at()] = true;
                order.push(ix);
                continue;
            }
            stack.push((ix, true));
            for parent in log.nodes[ix.at()].parents() {
                if !placed[parent.at()] && lacks.contains(&parent) {
                    stack.push((parent, false));
                }
            }
        }
    }
    order
}
