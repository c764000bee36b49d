//! How many closers it takes, and whose turn it is.

use std::collections::BTreeSet;

/// The numbers of a set of closers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub(super) closers: usize,
    pub(super) liars: usize,
    pub(super) quorum: usize,
    /// Whether a later attempt keeps to what an earlier one may have certified.
    pub(super) bound: bool,
}

impl Rules {
    /// The rules for so many closers.
    ///
    /// One or two must all be there. Of three one may be missing, and none may lie. Of
    /// `n` from four on, `f = ⌊(n + 1) / 5⌋` may be missing or lie in any way, and
    /// `n - f` are a quorum: `n ≥ 5f - 1` is what agreement in two steps takes.
    pub fn of(closers: usize) -> Self {
        let (liars, missing) = match closers {
            0..=2 => (0, 0),
            3 => (0, 1),
            n => ((n + 1) / 5, (n + 1) / 5),
        };
        Self {
            closers,
            liars,
            quorum: closers - missing,
            bound: true,
        }
    }

    /// Rules that are broken on purpose, to see that it is noticed.
    #[cfg(test)]
    pub(crate) fn planted(self, quorum: usize, bound: bool) -> Self {
        Self {
            quorum,
            bound,
            ..self
        }
    }

    /// How many closers there are.
    pub fn closers(self) -> usize {
        self.closers
    }

    /// How many of them may say what they should not.
    pub fn liars(self) -> usize {
        self.liars
    }

    /// How many votes are a certificate, and how many statuses justify an attempt.
    pub fn quorum(self) -> usize {
        self.quorum
    }

    /// So many that one of them at least is neither missing nor lying.
    pub fn some_sound(self) -> usize {
        self.closers - self.quorum + 1
    }

    /// How many closers besides a proposer that said two things must report one cohort
    /// for it to have been certified, perhaps. More than can report any other then.
    pub(super) fn reported(self) -> usize {
        self.closers + 1 - 3 * self.liars
    }

    pub(super) fn keeps_bound(self) -> bool {
        self.bound
    }
}

/// The closers in the order in which they propose for a round: turned by one with each
/// round, those first of whom the last closing names something. A closer that is gone
/// is not first again and again.
pub fn order(closers: &[usize], round: u32, heard: Option<&BTreeSet<usize>>) -> Vec<usize> {
    let turn = round.saturating_sub(1) as usize % closers.len().max(1);
    let turned = closers[turn..].iter().chain(&closers[..turn]).copied();
    let is_there = |at: &usize| heard.is_none_or(|heard| heard.contains(at));
    let (mut there, gone): (Vec<_>, Vec<_>) = turned.partition(is_there);
    there.extend(gone);
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_bound() {
        let expected = [
            (1, 0, 1),
            (2, 0, 2),
            (3, 0, 2),
            (4, 1, 3),
            (5, 1, 4),
            (8, 1, 7),
            (9, 2, 7),
            (14, 3, 11),
        ];
        for (n, liars, quorum) in expected {
            let rules = Rules::of(n);
            assert_eq!((rules.liars(), rules.quorum()), (liars, quorum), "{n}");
            let f = rules.liars();
            assert!(f == 0 || n + 1 >= 5 * f);
            assert!(
                2 * quorum > n + f,
                "quorums share a closer that does not lie"
            );
        }
    }

    #[test]
    fn the_turn_goes_round_and_the_absent_come_last() {
        let closers = [2, 0, 5, 3];
        assert_eq!(order(&closers, 1, None), [2, 0, 5, 3]);
        assert_eq!(order(&closers, 2, None), [0, 5, 3, 2]);
        let heard = BTreeSet::from([2, 3, 5]);
        assert_eq!(order(&closers, 2, Some(&heard)), [5, 3, 2, 0]);
        assert_eq!(order(&closers, 6, Some(&BTreeSet::new())), [0, 5, 3, 2]);
    }
}
