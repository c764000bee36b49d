//! What can befall nodes and frames, besides what their members say.

use cosmosmesh_optimize::seeded::Seeded;

/// Something that befalls a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Upset {
    /// When, in seconds since the start.
    pub at_s: f64,
    /// Whom.
    pub member: usize,
    /// What.
    pub what: Upsetting,
}

/// See [`Upset`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Upsetting {
    /// It loses power, and comes back.
    Crash {
        /// Decides what its disk keeps of what was not synced.
        seed: u64,
        /// How long it is down, in seconds.
        down_s: f64,
    },
    /// Its disk stops in the midst of a write or sync, and it with the disk.
    StopDisk {
        /// How many go well before.
        operations: u64,
    },
    /// Its disk takes no more than so many bytes, until it is started again.
    FillDisk {
        /// How many.
        bytes: usize,
    },
    /// Its clock is wrong from now on.
    Clock {
        /// By how much, in seconds.
        skew_s: i64,
    },
    /// A backup of its disk is made.
    Backup,
    /// It loses power, and comes back with the disk of its last backup.
    Restore {
        /// How long it is down, in seconds.
        down_s: f64,
    },
    /// A contact with a member has opened.
    LinkUp {
        /// With whom.
        with: usize,
    },
}

/// What becomes of frames on their way, loss aside.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// A frame comes twice with this probability.
    pub twice: f64,
    /// A frame is late with this probability, and so behind others.
    pub late: f64,
    /// By how much at most, in seconds.
    pub late_s: f64,
    /// A bit of a frame is flipped with this probability.
    pub flipped: f64,
    /// Decides all that.
    pub seed: u64,
}

impl Noise {
    /// What arrives of a frame, each copy with how late it is.
    pub(crate) fn fate(&self, chance: &mut Seeded, frame: Vec<u8>) -> Vec<(Vec<u8>, f64)> {
        let mut happens = |p: f64| p > 0.0 && chance.uniform(0.0, 1.0) < p;
        let (twice, late, flipped) = (
            happens(self.twice),
            happens(self.late),
            happens(self.flipped),
        );
        let mut copies = vec![(frame, 0.0)];
        if twice {
            copies.push(copies[0].clone());
        }
        if late {
            copies[0].1 = chance.uniform(0.0, self.late_s);
        }
        if flipped && !copies[0].0.is_empty() {
            let bits = 8 * copies[0].0.len() as u64;
            let at = chance.below(bits) as usize;
            copies[0].0[at / 8] ^= 1 << (at % 8);
        }
        copies
    }
}
