//! Two nodes that tell each other all that one holds and the other does not.

use cosmosmesh_log::store::Disk;
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Options, PeerRecord, Session};

use crate::node::{Halted, Node};

/// Lets two nodes meet until neither has more to say; says how many bytes it took.
///
/// # Errors
/// A store fails.
pub fn meet<D: Disk>(nodes: &mut [&mut Node<D>; 2], salt: Salt) -> Result<u64, Halted> {
    let options = Options {
        budget_bytes: usize::MAX / 2,
        ..Options::new(salt)
    };
    let mut sides = [
        Session::open(nodes[0].member().log(), PeerRecord::default(), options),
        Session::answer(PeerRecord::default(), options),
    ];
    let (mut bytes, mut turn, mut quiet) = (0, 0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(message) = sides[turn].poll() {
            quiet = 0;
            bytes += message.len() as u64;
            // Both run this very code: what one says the other understands. Where
            // not, their logs differ in the end, and that is found.
            let Ok(entries) = sides[other].receive(&message) else {
                return Ok(bytes);
            };
            nodes[other].hold(entries)?;
            if sides[other].advance(nodes[other].member().log()).is_err() {
                return Ok(bytes);
            }
        }
        turn = other;
    }
    Ok(bytes)
}
