//! Untrusted bytes: seeded mutations of valid encodings never panic, and
//! whatever is accepted encodes to the very bytes that were read.

mod common;

use cosmosmesh_mission::{Canonical, Envelope, LocalProblem};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const VALUES: usize = 400;
const MUTATIONS: usize = 200;

/// The `SplitMix64` generator: small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Heads that decoders trip over.
const HEADS: &[&[u8]] = &[
    &[0x18, 0x17],
    &[0x1b, 0, 0, 0, 0, 0, 0, 0, 1],
    &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5f, 0xff],
    &[0x7f, 0xff],
    &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x9f, 0xff],
    &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xbf, 0xff],
    &[0xc2, 0x41, 0x01],
    &[0xc3, 0x49, 0x01, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0xf6],
    &[0xf9, 0x7e, 0x00],
    &[0xfb, 0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
    &[0xff],
];

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, random.next() as u8),
            4 if bytes.len() > 1 => drop(bytes.remove(at)),
            5 => {
                let end = at + random.below(bytes.len() - at);
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let head = HEADS[random.below(HEADS.len())];
                bytes.splice(at..=at, head.iter().copied());
            }
        }
    }
}

fn survive<T: Canonical>(seed: u8, values: &impl Strategy<Value = T>) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut random = Random(u64::from(seed));
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..VALUES {
        let value = values.new_tree(&mut runner).expect("a strategy").current();
        let valid = value.to_cbor().expect("generated valid");
        for _ in 0..MUTATIONS {
            let mut bytes = valid.clone();
            mutate(&mut bytes, &mut random);
            match T::from_cbor(&bytes) {
                Ok(read) => {
                    let again = read.to_cbor().expect("what is accepted has an encoding");
                    assert_eq!(again, bytes, "seed {seed}: accepted but not canonical");
                    accepted += 1;
                }
                Err(error) => {
                    assert!(error.offset <= bytes.len(), "seed {seed}: {error}");
                    refused += 1;
                }
            }
        }
    }
    // Both ways must have been taken, or the test shows nothing.
    assert!(
        accepted > 1000 && refused > 1000,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn mutated_envelopes() {
    for seed in 1..=4 {
        survive::<Envelope>(seed, &common::envelope());
    }
}

#[test]
fn mutated_local_problems() {
    for seed in 1..=2 {
        survive::<LocalProblem>(seed, &common::local_problem());
    }
}

#[test]
fn noise() {
    let mut random = Random(7);
    for _ in 0..100_000 {
        let length = random.below(64);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        assert!(Envelope::from_cbor(&bytes).is_err());
        assert!(LocalProblem::from_cbor(&bytes).is_err());
    }
}
