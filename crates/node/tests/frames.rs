//! Frames have one encoding, and what is none is refused.

use cosmosmesh_coordination::closing::ask::{Ask, MOST_WANTED};
use cosmosmesh_mission::{Canonical, MessageId};
use cosmosmesh_node::frame::Frame;

fn frames() -> Vec<Frame> {
    let ask = Ask {
        round: 7,
        have: vec![0, 300],
        ends: vec![MessageId([7; 32])],
        want: vec![MessageId([3; 32])],
    };
    vec![
        Frame::Entries(vec![vec![1, 2, 3], Vec::new()]),
        Frame::Ask(ask.clone()),
        Frame::HeadAsked(ask),
        Frame::Head(Some(MessageId([9; 32]))),
        Frame::Head(None),
    ]
}

#[test]
fn frames_come_back_as_they_were() {
    for frame in frames() {
        let bytes = frame.to_cbor().expect("an encoding");
        assert_eq!(Frame::from_cbor(&bytes), Ok(frame));
    }
}

#[test]
fn whatever_is_accepted_is_the_one_encoding() {
    for frame in frames() {
        let bytes = frame.to_cbor().expect("an encoding");
        for at in 0..bytes.len() {
            assert!(Frame::from_cbor(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                if let Ok(read) = Frame::from_cbor(&other) {
                    assert_eq!(read.to_cbor().expect("an encoding"), other);
                }
            }
        }
    }
}

#[test]
fn asks_for_more_than_is_answered_are_refused() {
    let ask = Ask {
        ends: vec![MessageId([7; 32])],
        want: vec![MessageId([0; 32]); MOST_WANTED + 1],
        ..Ask::default()
    };
    let bytes = Frame::Ask(ask).to_cbor().expect("an encoding");
    assert!(Frame::from_cbor(&bytes).is_err());
}
