//! After the agreement: members sign what brings leases to the plan, and meet until all
//! that can be reached hold it.
//!
//! One closer is met by everybody, as often as it takes and no more than so often. Each
//! meeting is a session of delta-sync whose messages take their time over the links and
//! can be lost; what came before a loss stays.

use std::collections::BTreeMap;

use cosmosmesh_log::sync::PeerRecord;
use cosmosmesh_log::sync::sketch::Salt;

use super::{Run, Stopped};
use crate::network::Network;
use cosmosmesh_node::meeting::meet;
use cosmosmesh_node::node::{Halted, Node};

/// How often all meet the closer at most. Without losses it takes three: to bring it all
/// and take it home, to bring what is signed, and to take that home.
const MOST_EXCHANGES: u64 = 200;

/// One meeting in virtual time.
struct Way<'w> {
    network: &'w mut Network,
    reach: &'w super::Reach<'w>,
    start_s: f64,
    /// The two sides.
    ends: [usize; 2],
    /// Whose turn it is, since when, and until when what it sent arrives.
    turn: usize,
    from_s: f64,
    to_s: f64,
    carried: bool,
}

impl Way<'_> {
    fn carry(&mut self, side: usize, bytes: u64) -> bool {
        if side != self.turn {
            (self.turn, self.from_s) = (side, self.to_s);
        }
        let (from, to) = (self.ends[side], self.ends[1 - side]);
        let expected = self.network.expect(from, to, bytes, self.from_s);
        let Some(expected_s) = expected else {
            return false;
        };
        let arrival = self.network.send(from, to, bytes, self.from_s);
        let through = (self.reach)(from, to, self.from_s - self.start_s);
        // That something is lost shows when an answer should be there.
        let lost_s = expected_s + (expected_s - self.from_s);
        self.to_s = self.to_s.max(arrival.unwrap_or(lost_s));
        self.carried = true;
        arrival.is_some() && through
    }
}

impl Run<'_> {
    /// Lets members sign their grants and meet until all that are in reach of `hub` hold
    /// the same, and have signed.
    pub(super) fn grant_all(&mut self, hub: usize) -> Result<(), Stopped> {
        let mut records: BTreeMap<usize, [PeerRecord; 2]> = BTreeMap::new();
        for exchange in 0..MOST_EXCHANGES {
            let mut there: Vec<usize> = (0..self.nodes.len()).collect();
            there.retain(|i| self.meets(hub, *i) && self.nodes[*i].is_some());
            for i in there.iter().copied() {
                self.sign_grants(i)?;
            }
            let digest = |i: usize| self.member(i).map(|m| m.log().digest());
            let wanted = digest(hub);
            let same = |i: &usize| {
                let granted = self.nodes[*i].as_ref().is_some_and(Node::has_granted);
                granted && digest(*i) == wanted
            };
            if there.iter().all(same) {
                break;
            }
            let behind = there.iter().copied().filter(|i| *i != hub && !same(i));
            let mut due: Vec<usize> = behind.collect();
            if due.is_empty() {
                due = there.into_iter().filter(|i| *i != hub).collect();
            }
            let (mut ended_s, mut carried) = (self.now_s, false);
            for i in due {
                let mut salt = [0xff; 16];
                salt[..8].copy_from_slice(&self.terms.seed.to_be_bytes());
                salt[12..].copy_from_slice(&(i as u32).to_be_bytes());
                salt[8] = exchange as u8;
                let mut way = Way {
                    network: &mut self.network,
                    reach: self.mischief.reach,
                    start_s: self.terms.start_s,
                    ends: [i, hub],
                    turn: 2,
                    from_s: self.now_s,
                    to_s: self.now_s,
                    carried: false,
                };
                let records = records.entry(i).or_default();
                // Who lacks more begins: it says what it has, and is sent the rest once.
                let mut both = self.nodes.iter_mut().enumerate();
                let mut both = both.by_ref().filter(|(k, _)| *k == hub || *k == i);
                if let (Some((_, Some(a))), Some((_, Some(b)))) = (both.next(), both.next()) {
                    let mut pair = if hub < i { [b, a] } else { [a, b] };
                    let carry = &mut |side, bytes| way.carry(side, bytes);
                    // A disk that fails now leaves a node that holds less.
                    let _ = meet(&mut pair, Salt(salt), records, carry);
                }
                ended_s = ended_s.max(way.to_s);
                carried |= way.carried;
            }
            if !carried {
                break;
            }
            self.now_s = ended_s + self.terms.compute_s;
        }
        Ok(())
    }

    fn sign_grants(&mut self, i: usize) -> Result<(), Stopped> {
        let now = self.clock(i);
        let tamper = &mut *self.mischief.tamper;
        let mut voice = |payload| tamper(i, payload);
        let Some(node) = &mut self.nodes[i] else {
            return Ok(());
        };
        match node.grant(now, &mut voice) {
            // One whose disk has failed signs nothing.
            Ok(()) | Err(Halted::Store(_) | Halted::Before | Halted::Behind(_)) => Ok(()),
            Err(source) => Err(Stopped {
                member: self.names[i].clone(),
                source: Box::new(source),
            }),
        }
    }
}
