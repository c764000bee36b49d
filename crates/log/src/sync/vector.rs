//! What a node says it has: for each author how far its chain is held.

use std::collections::BTreeMap;

use blake3::hazmat::HasherExt as _;
use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{Canonical, DecodeError, Invalid, Refusal};

use crate::chain::Place;
use crate::entry::hasher;
use crate::limits::MAX_AUTHORS;
use crate::log::{EntryIx, Log};
use crate::terms::AuthorIx;

/// How far one author's chain is held.
///
/// A log is closed under parents, so the last entry of a chain says it all; the
/// mark tells it from another at the same place. Of a forked author the mark is
/// over all its entries, and the place means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The boot epoch of the last entry.
    pub boot: u64,
    /// Its position.
    pub seq: u64,
    /// The first bytes of its id, or of a hash of all entries if it forked.
    pub mark: u32,
    /// Whether two entries with one back link are held.
    pub forked: bool,
}

/// Claims by author. On the wire they take at most 14 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector(pub BTreeMap<AuthorIx, Claim>);

impl Vector {
    /// What `log` holds.
    pub fn of(log: &Log) -> Self {
        let authors = (0..log.chains.len() as u32).map(AuthorIx);
        Self(
            authors
                .filter_map(|author| Some((author, claim(log, author)?)))
                .collect(),
        )
    }

    /// The claims here that are not in `base`.
    #[must_use]
    pub fn since(&self, base: &Self) -> Self {
        let changed = self
            .0
            .iter()
            .filter(|(author, claim)| base.0.get(author) != Some(claim));
        Self(changed.map(|(author, claim)| (*author, *claim)).collect())
    }

    /// Takes over later claims.
    pub fn apply(&mut self, later: &Self) {
        self.0
            .extend(later.0.iter().map(|(author, claim)| (*author, *claim)));
    }

    /// Which vector it is.
    pub fn digest(&self) -> [u8; 8] {
        let mut hasher = hasher!("cosmosmesh v1 sync vector");
        for (author, claim) in &self.0 {
            hasher.update(&author.0.to_le_bytes());
            hasher.update(&claim.boot.to_le_bytes());
            hasher.update(&claim.seq.to_le_bytes());
            hasher.update(&claim.mark.to_le_bytes());
            hasher.update(&[u8::from(claim.forked)]);
        }
        first(hasher.finalize().as_bytes())
    }
}

fn first<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| bytes[at])
}

/// The place of a claim on the wire: how far its author is from the one before,
/// doubled, with the fork in the lowest bit; boot epoch; position; mark.
const NUMBERS: usize = 4;

impl Canonical for Vector {
    fn write(&self, writer: &mut Writer) {
        writer.array(NUMBERS * self.0.len(), |writer| {
            let mut before = 0;
            for (author, claim) in &self.0 {
                let step = u64::from(author.0 - before);
                before = author.0;
                writer.unsigned(2 * step + u64::from(claim.forked));
                writer.unsigned(claim.boot);
                writer.unsigned(claim.seq);
                writer.unsigned(u64::from(claim.mark));
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let numbers = Vec::<u64>::read(reader)?;
        let refused = |what| reader.refuse(at, Refusal::Unexpected { expected: what });
        let claims = numbers.chunks_exact(NUMBERS);
        if !claims.remainder().is_empty() {
            return Err(refused("four numbers for each claim"));
        }
        let mut vector = BTreeMap::new();
        let mut author = 0_u64;
        for (index, claim) in claims.enumerate() {
            author = author.saturating_add(claim[0] / 2);
            if index > 0 && claim[0] < 2 {
                let order = Invalid::Order {
                    what: "authors",
                    index,
                };
                return Err(reader.refuse(at, Refusal::Invalid(order)));
            }
            if author >= MAX_AUTHORS as u64 {
                return Err(refused("an author below the limit"));
            }
            let mark = u32::try_from(claim[3]).map_err(|_| refused("a mark of 32 bits"))?;
            vector.insert(
                AuthorIx(author as u32),
                Claim {
                    boot: claim[1],
                    seq: claim[2],
                    mark,
                    forked: claim[0] % 2 == 1,
                },
            );
        }
        Ok(Self(vector))
    }
}

/// What `log` holds of one author.
pub(crate) fn claim(log: &Log, author: AuthorIx) -> Option<Claim> {
    let chain = &log.chains[author.0 as usize];
    if chain.is_forked() {
        let mut hasher = hasher!("cosmosmesh v1 sync fork mark");
        let mut ids: Vec<_> = chain.all().map(|ix| log.id(ix)).collect();
        ids.sort_unstable();
        for id in ids {
            hasher.update(&id.0);
        }
        return Some(Claim {
            boot: 0,
            seq: 0,
            mark: u32::from_le_bytes(first(hasher.finalize().as_bytes())),
            forked: true,
        });
    }
    // Off the trunk of a chain without forks is only what a revocation cut.
    let tip = chain.off.values().next_back().or(chain.trunk.last())?;
    let node = &log.nodes[tip.at()];
    Some(Claim {
        boot: node.boot,
        seq: node.seq,
        mark: u32::from_le_bytes(first(&node.id.0)),
        forked: false,
    })
}

/// What follows from a peer's claim about one author.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It has what we have.
    Same,
    /// It lacks these.
    Lacks(Vec<EntryIx>),
    /// It has more, and will see what we lack.
    Ahead,
    /// Each may have what the other has not, and neither can tell.
    Conflict,
}

pub(crate) fn compare(log: &Log, author: AuthorIx, theirs: Option<&Claim>) -> Found {
    let chain = &log.chains[author.0 as usize];
    let ours = claim(log, author);
    let (ours, theirs) = match (ours, theirs) {
        (None, None) => return Found::Same,
        (None, Some(_)) => return Found::Ahead,
        (Some(_), None) => return Found::Lacks(chain.all().collect()),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    if ours == *theirs {
        return Found::Same;
    }
    if theirs.forked {
        // Whoever holds the fork sees what one without it lacks.
        return if ours.forked {
            Found::Conflict
        } else {
            Found::Ahead
        };
    }
    let place: Place = (theirs.boot, theirs.seq);
    let Some(last) = chain.find(&log.nodes, place, &theirs.mark.to_le_bytes()) else {
        let behind = !ours.forked && place > (ours.boot, ours.seq);
        return if behind {
            Found::Ahead
        } else {
            Found::Conflict
        };
    };
    if ours.forked {
        let mut held = std::collections::BTreeSet::new();
        let mut next = Some(last);
        while let Some(ix) = next {
            held.insert(ix);
            next = log.nodes[ix.at()].back;
        }
        return Found::Lacks(chain.all().filter(|ix| !held.contains(ix)).collect());
    }
    Found::Lacks(chain.after(&log.nodes, place).collect())
}
