//! What closers say, byte for byte: what was written once is read for ever.

use cosmosmesh_log::{Status, Vote};
use cosmosmesh_mission::{Attempt, Canonical, Epoch, MessageId, Round};

fn agree<T: Canonical + PartialEq + std::fmt::Debug>(value: &T, expected: &[u8]) {
    assert_eq!(value.to_cbor().as_deref(), Ok(expected));
    assert_eq!(T::from_cbor(expected).as_ref(), Ok(value));
    for length in 0..expected.len() {
        T::from_cbor(&expected[..length]).expect_err("cut");
    }
}

#[test]
fn golden_votes_and_statuses() {
    let id = MessageId([7; 32]);
    let named = [&[0x58, 0x20][..], &[7; 32]].concat();
    let vote = Vote {
        epoch: Epoch(1),
        round: Round(2),
        attempt: Attempt(300),
        proposal: id,
    };
    let head = [0x84, 1, 2, 0x19, 1, 0x2c];
    agree(&vote, &[&head[..], &named].concat());
    let mut status = Status {
        epoch: Epoch(1),
        round: Round(2),
        attempt: Attempt(300),
        vote: Some(id),
    };
    agree(&status, &[&head[..], &named].concat());
    status.vote = None;
    agree(&status, &[&head[..], &[0xf6]].concat());
}
