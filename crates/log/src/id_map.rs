//! Looking up by id. Ids are hashes already; hashing them once more the slow way
//! costs more than the rest of a look-up.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use cosmosmesh_mission::MessageId;

/// A map that is looked up and never iterated.
pub(crate) type IdMap<V> = HashMap<MessageId, V, IdState>;

/// A key of this process, so that nobody can prepare ids that fall together.
#[derive(Clone, Debug)]
pub(crate) struct IdState(u64);

impl Default for IdState {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish() | 1)
    }
}

impl BuildHasher for IdState {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher {
            key: self.0,
            hash: 0,
        }
    }
}

/// Takes the first eight bytes and mixes them with the key.
pub(crate) struct IdHasher {
    key: u64,
    hash: u64,
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        // An id comes as its length and its bytes; the length is always the same.
        if let Some(first) = bytes.first_chunk::<8>()
            && bytes.len() > 8
        {
            let product = u128::from(u64::from_le_bytes(*first) ^ self.key)
                * u128::from(self.key.rotate_left(32) | 1);
            self.hash = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::{IdMap, IdState};
    use cosmosmesh_mission::MessageId;
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    #[test]
    fn ids_are_told_apart() {
        let id = |at: u64| MessageId(*blake3::hash(&at.to_le_bytes()).as_bytes());
        let state = IdState::default();
        let hashes: HashSet<u64> = (0..10_000).map(|at| state.hash_one(id(at))).collect();
        assert_eq!(hashes.len(), 10_000);
        let map: IdMap<u64> = (0..1000).map(|at| (id(at), at)).collect();
        assert!((0..1000).all(|at| map.get(&id(at)) == Some(&at)));
        assert_eq!(map.get(&id(1000)), None);
    }
}
