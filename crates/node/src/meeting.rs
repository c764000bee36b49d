//! Two nodes that tell each other all that one holds and the other does not.

use cosmosmesh_log::store::Disk;
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Options, PeerRecord, Session};

use crate::node::{Halted, Node};

/// Lets two nodes meet until neither has more to say; says how many bytes it took.
/// `records` are what each knows of the other, before and after. `carry` is told which
/// side sends how much, and says whether it arrives.
///
/// # Errors
/// A store fails.
pub fn meet<D: Disk>(
    nodes: &mut [&mut Node<D>; 2],
    salt: Salt,
    records: &mut [PeerRecord; 2],
    carry: &mut dyn FnMut(usize, u64) -> bool,
) -> Result<u64, Halted> {
    let options = Options {
        budget_bytes: usize::MAX / 2,
        ..Options::new(salt)
    };
    let [one, other] = records.clone();
    let mut sides = [
        Session::open(nodes[0].member().log(), one, options),
        Session::answer(other, options),
    ];
    let mut bytes = 0;
    talk(nodes, &mut sides, &mut |side, size| {
        bytes += size;
        carry(side, size)
    })?;
    *records = sides.each_ref().map(|side| side.record().clone());
    Ok(bytes)
}

/// Carries messages to and fro until both sides are silent, or something was lost.
fn talk<D: Disk>(
    nodes: &mut [&mut Node<D>; 2],
    sides: &mut [Session; 2],
    carry: &mut dyn FnMut(usize, u64) -> bool,
) -> Result<(), Halted> {
    let (mut turn, mut quiet, mut lost) = (0, 0, false);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(message) = sides[turn].poll() {
            quiet = 0;
            // What follows a lost message still arrives; then the meeting is over.
            if !carry(turn, message.len() as u64) {
                lost = true;
                continue;
            }
            // Both run this very code: what one says the other understands. Where
            // not, their logs differ in the end, and that is found.
            let Ok(entries) = sides[other].receive(&message) else {
                return Ok(());
            };
            nodes[other].hold(entries)?;
            if sides[other].advance(nodes[other].member().log()).is_err() {
                return Ok(());
            }
        }
        if lost {
            return Ok(());
        }
        turn = other;
    }
    Ok(())
}
