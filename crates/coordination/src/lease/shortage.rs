//! Who goes short, in declared order.

/// One step of one pool, by member.
pub(crate) struct Step<'s> {
    /// What each member holds. Negative, or below its floor, where more was given
    /// than there was.
    pub(crate) held: &'s mut [i128],
    pub(crate) floors: &'s [i64],
    /// What nobody holds.
    pub(crate) reserve: i128,
    /// All members, those that go short first in front.
    pub(crate) order: &'s [usize],
}

impl Step<'_> {
    /// Pays for what was given twice or is void: each member that is below its floor is
    /// brought back to it, by the reserve, then by those that it gave to, each with what it
    /// has of its own and then with what it gave on, then by all in order, floors last.
    pub(crate) fn pay(&mut self, gave: &dyn Fn(usize, usize) -> i128) {
        for debtor in self.order {
            let debt = i128::from(self.floors[*debtor]) - self.held[*debtor];
            if debt <= 0 {
                continue;
            }
            self.held[*debtor] += debt;
            let reserve = self.reserve.min(debt);
            self.reserve -= reserve;
            let mut met = vec![false; self.held.len()];
            met[*debtor] = true;
            let left = debt - reserve;
            let left = left - self.cut_recipients(*debtor, left, gave, &mut met);
            self.cut_in_order(left);
        }
    }

    /// Cuts the recipients of a member by so much at most; says by how much.
    fn cut_recipients(
        &mut self,
        donor: usize,
        debt: i128,
        gave: &dyn Fn(usize, usize) -> i128,
        met: &mut [bool],
    ) -> i128 {
        let mut paid = 0;
        for recipient in self.order {
            let part = gave(donor, *recipient).min(debt - paid);
            if part <= 0 || met[*recipient] {
                continue;
            }
            met[*recipient] = true;
            let own = self.take(*recipient, part, false);
            paid += own + self.cut_recipients(*recipient, part - own, gave, met);
        }
        paid
    }

    /// Takes at most so much from a member; says how much.
    fn take(&mut self, member: usize, most: i128, floor_too: bool) -> i128 {
        let floor = if floor_too {
            0
        } else {
            i128::from(self.floors[member])
        };
        let taken = (self.held[member] - floor).clamp(0, most.max(0));
        self.held[member] -= taken;
        taken
    }

    fn cut_in_order(&mut self, mut debt: i128) {
        for floor_too in [false, true] {
            for member in self.order {
                debt -= self.take(*member, debt, floor_too);
            }
        }
    }

    /// Takes what is missing of a capacity or commitment from the reserve, then from
    /// members in order, floors last.
    pub(crate) fn curtail(&mut self, missing: i128) {
        let reserve = self.reserve.min(missing);
        self.reserve -= reserve;
        self.cut_in_order(missing - reserve);
    }
}
