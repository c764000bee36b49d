//! Which light time holds when, for each direction.

use std::collections::{BTreeMap, HashMap};

use crate::plan::{Contact, ContactPlan, NodeIndex, Piece};
use crate::units::Seconds;

/// A stretch of one direction's light time.
#[derive(Clone, Copy)]
struct Stretch {
    start_s: f64,
    end_s: f64,
    owlt: Seconds,
}

/// Ranges of each direction as sorted, disjoint stretches.
///
/// A direction without ranges of its own takes those of the other direction
/// that hold both ways (ionrc(5)). Where ranges overlap, the earliest in the
/// plan counts. Building is `O(n log n)`: a range fills the gaps that earlier
/// ones left, and a filled gap is gone.
pub(crate) struct RangeIndex {
    own: HashMap<(NodeIndex, NodeIndex), Vec<Stretch>>,
    implied: HashMap<(NodeIndex, NodeIndex), Vec<Stretch>>,
}

/// Stretches in the making: what is covered, by start, with its end.
#[derive(Default)]
struct Cover {
    covered: BTreeMap<u64, f64>,
    stretches: Vec<Stretch>,
}

impl RangeIndex {
    pub(crate) fn new(plan: &ContactPlan) -> Self {
        let mut own: HashMap<_, Cover> = HashMap::new();
        let mut implied: HashMap<_, Cover> = HashMap::new();
        for range in &plan.ranges {
            let stretch = Stretch {
                start_s: range.start_s,
                end_s: range.end_s,
                owlt: range.owlt,
            };
            own.entry((range.from, range.to)).or_default().add(stretch);
            if range.both_ways {
                implied
                    .entry((range.to, range.from))
                    .or_default()
                    .add(stretch);
            }
        }
        let finish = |covers: HashMap<_, Cover>| {
            covers
                .into_iter()
                .map(|(pair, cover)| (pair, cover.finish()))
                .collect()
        };
        Self {
            own: finish(own),
            implied: finish(implied),
        }
    }

    fn stretches(&self, from: NodeIndex, to: NodeIndex) -> &[Stretch] {
        let pair = (from, to);
        self.own
            .get(&pair)
            .or_else(|| self.implied.get(&pair))
            .map_or(&[], Vec::as_slice)
    }

    /// The parts of a contact, in order. A contact that states its own light
    /// time is one part; a backwards one that does not has none.
    pub(crate) fn pieces(&self, index: usize, contact: &Contact) -> impl Iterator<Item = Piece> {
        let (start_s, end_s) = (contact.start_s, contact.end_s);
        let stated = contact.owlt.map(|owlt| Piece {
            contact: index,
            start_s,
            end_s,
            owlt,
        });
        let stretches: &[Stretch] = if stated.is_some() {
            &[]
        } else {
            self.stretches(contact.from, contact.to)
        };
        let first = stretches.partition_point(|stretch| stretch.end_s <= start_s);
        stated.into_iter().chain(
            stretches[first..]
                .iter()
                .take_while(move |stretch| stretch.start_s < end_s)
                .map(move |stretch| Piece {
                    contact: index,
                    start_s: start_s.max(stretch.start_s),
                    end_s: end_s.min(stretch.end_s),
                    owlt: stretch.owlt,
                })
                .filter(|piece| piece.start_s < piece.end_s),
        )
    }

    /// Some light time of a direction, for contacts that last no time.
    pub(crate) fn any(&self, from: NodeIndex, to: NodeIndex) -> Option<Seconds> {
        self.stretches(from, to).first().map(|stretch| stretch.owlt)
    }
}

/// Maps finite doubles to integers of the same order.
pub(crate) fn order_bits(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

impl Cover {
    fn add(&mut self, stretch: Stretch) {
        if stretch.start_s >= stretch.end_s {
            return;
        }
        let (mut from_s, until_s) = (stretch.start_s, stretch.end_s);
        let mut covered_from_s = stretch.start_s;
        // What begins earlier and reaches into the new stretch.
        if let Some((&key, &end_s)) = self.covered.range(..=order_bits(from_s)).next_back()
            && end_s >= from_s
        {
            covered_from_s = value_of(key);
            from_s = end_s;
        }
        let mut covered_until_s = until_s.max(from_s);
        let inside: Vec<(u64, f64)> = if from_s < until_s {
            let after = order_bits(stretch.start_s) + 1;
            self.covered
                .range(after..=order_bits(until_s))
                .map(|(&k, &e)| (k, e))
                .collect()
        } else {
            Vec::new()
        };
        for (key, end_s) in inside {
            let start_s = value_of(key);
            if from_s < start_s {
                self.stretches.push(Stretch {
                    start_s: from_s,
                    end_s: start_s,
                    ..stretch
                });
            }
            from_s = from_s.max(end_s);
            covered_until_s = covered_until_s.max(end_s);
            self.covered.remove(&key);
        }
        if from_s < until_s {
            self.stretches.push(Stretch {
                start_s: from_s,
                end_s: until_s,
                ..stretch
            });
        }
        self.covered
            .insert(order_bits(covered_from_s), covered_until_s);
    }

    fn finish(mut self) -> Vec<Stretch> {
        self.stretches
            .sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        self.stretches
    }
}

fn value_of(order: u64) -> f64 {
    f64::from_bits(if order >> 63 == 1 {
        order & !(1 << 63)
    } else {
        !order
    })
}
