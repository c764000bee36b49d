//! Which ids two sets do not share: rateless invertible Bloom lookup tables.
//!
//! After Yang, Gilad, Alizadeh, *Practical Rateless Set Reconciliation*
//! (SIGCOMM 2024, arXiv:2402.02668). A set is coded as an endless sequence of
//! symbols; the `i`-th adds up (exclusive or) the elements that map to it, which
//! each does with probability `1/(1 + i/2)` (their §4). Subtracting two sequences
//! codes the symmetric difference of the sets. A symbol with one element left
//! gives it away, which is then taken out of the others; about `1.35·d` symbols
//! give away all of `d` elements, from either side, however large the sets.
//!
//! Three choices of ours: elements are ids shortened to 48 bits under a salt that
//! nobody knows before the meeting, so that nobody can prepare ids that collide;
//! a symbol has a checksum but no count, because whoever decodes can look up
//! which side an element is from; nine bytes a symbol. Its checksum has 24 bits,
//! which is enough because an element must also map to the symbol that gives it away,
//! and because the symbols to which most elements map are looked at last.

use std::collections::BTreeSet;

use cosmosmesh_mission::MessageId;

/// The bytes of one symbol on the wire.
pub const SYMBOL_BYTES: usize = 9;
/// The most symbols that one difference may take.
pub const MAX_SYMBOLS: usize = 1 << 18;
const SHORT_BITS: u32 = 48;

/// What makes short ids unpredictable: drawn for each meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// An id shortened to 48 bits. Asked for by the upper 32 of them: what else begins so
/// is sent along, which is rarer than one in four thousand for a million entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortId(pub(crate) u64);

impl ShortId {
    /// What it is asked for by.
    pub(crate) fn start(self) -> u32 {
        (self.0 >> (SHORT_BITS - 32)) as u32
    }
}

/// A salt, ready to hash with.
#[derive(Clone, Copy, Debug)]
pub struct Shortener {
    key: [u8; 32],
    mix: u64,
}

impl Shortener {
    /// Prepares a salt.
    pub fn new(salt: Salt) -> Self {
        let key = blake3::derive_key("cosmosmesh v1 sync short id", &salt.0);
        let mix = u64::from_le_bytes(std::array::from_fn(|at| key[at]));
        Self { key, mix }
    }

    /// 256 bits that depend on the id and the salt.
    pub(crate) fn hash(&self, id: &MessageId) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, &id.0).as_bytes()
    }

    /// The short form of an id.
    pub fn shorten(&self, id: &MessageId) -> ShortId {
        short_of(&self.hash(id))
    }

    /// 24 bits.
    fn check(&self, short: u64) -> u32 {
        (splitmix(short ^ self.mix) >> 40) as u32
    }

    fn maps_to(&self, short: u64, index: usize) -> bool {
        let mut mapping = self.mapping(short);
        while mapping.index < index as u64 {
            mapping.advance();
        }
        mapping.index == index as u64
    }

    fn mapping(&self, short: u64) -> Mapping {
        Mapping {
            state: splitmix(short.rotate_left(24) ^ !self.mix),
            index: 0,
        }
    }
}

pub(crate) fn short_of(hash: &[u8; 32]) -> ShortId {
    let word = u64::from_le_bytes(std::array::from_fn(|at| hash[at]));
    // Zero is what an empty symbol adds up to.
    ShortId((word >> (64 - SHORT_BITS)).max(1))
}

/// Splitmix64's output function (Steele, Lea, Flood 2014).
fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The symbols that an element maps to, in increasing order, from the 0th on.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    state: u64,
    index: u64,
}

impl Mapping {
    /// From index `i` the next is at least `g` further with probability
    /// `Π k/(k+2) ≈ ((i + 1.5)/(i + g + 1.5))²`; this inverts it.
    fn advance(&mut self) {
        self.state = splitmix(self.state);
        // In (0, 1]; square root and division are exact to the last bit.
        let uniform = ((self.state >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let gap = (self.index as f64 + 1.5) * ((1.0 / uniform).sqrt() - 1.0);
        // Rounded up; a cast rounds down.
        let whole = gap as u64;
        let gap = whole + u64::from(whole as f64 != gap || whole == 0);
        self.index = self.index.saturating_add(gap);
    }
}

/// What the elements that map to one index add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Symbol {
    sum: u64,
    check: u32,
}

impl Symbol {
    fn add(&mut self, short: u64, check: u32) {
        self.sum ^= short;
        self.check ^= check;
    }

    fn is_empty(&self) -> bool {
        self.sum == 0 && self.check == 0
    }

    /// Nine bytes.
    pub fn to_bytes(self) -> [u8; SYMBOL_BYTES] {
        let mut bytes = [0; SYMBOL_BYTES];
        bytes[..6].copy_from_slice(&self.sum.to_le_bytes()[..6]);
        bytes[6..].copy_from_slice(&self.check.to_le_bytes()[..3]);
        bytes
    }

    /// Any nine bytes are a symbol.
    pub fn from_bytes(bytes: &[u8; SYMBOL_BYTES]) -> Self {
        let mut sum = [0; 8];
        sum[..6].copy_from_slice(&bytes[..6]);
        Self {
            sum: u64::from_le_bytes(sum),
            check: u32::from_le_bytes([bytes[6], bytes[7], bytes[8], 0]),
        }
    }
}

/// The symbols `from..to` of a set.
pub fn symbols(
    shortener: &Shortener,
    set: impl IntoIterator<Item = ShortId>,
    from: usize,
    to: usize,
) -> Vec<Symbol> {
    let mut symbols = vec![Symbol::default(); to.saturating_sub(from)];
    for ShortId(short) in set {
        let check = shortener.check(short);
        let mut mapping = shortener.mapping(short);
        while mapping.index < to as u64 {
            if mapping.index >= from as u64 {
                symbols[mapping.index as usize - from].add(short, check);
            }
            mapping.advance();
        }
    }
    symbols
}

/// The elements that are in one of two sets, from the symbols of both; nothing if
/// there are too few of them.
pub fn difference(
    shortener: &Shortener,
    ours: &[Symbol],
    theirs: &[Symbol],
) -> Option<BTreeSet<ShortId>> {
    let mut left: Vec<Symbol> = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| subtract(*a, *b))
        .collect();
    let mut found = BTreeSet::new();
    let mut look: BTreeSet<usize> = (0..left.len()).collect();
    while let Some(at) = look.pop_last() {
        let Symbol { sum, check } = left[at];
        if sum == 0 || shortener.check(sum) != check || !shortener.maps_to(sum, at) {
            continue;
        }
        // Taken out twice it would be back: then these are no symbols of sets.
        if !found.insert(ShortId(sum)) {
            return None;
        }
        let mut mapping = shortener.mapping(sum);
        while mapping.index < left.len() as u64 {
            let at = mapping.index as usize;
            left[at].add(sum, check);
            look.insert(at);
            mapping.advance();
        }
    }
    // Every element maps to the first symbol.
    left.first().is_some_and(Symbol::is_empty).then_some(found)
}

fn subtract(a: Symbol, b: Symbol) -> Symbol {
    Symbol {
        sum: a.sum ^ b.sum,
        check: a.check ^ b.check,
    }
}
