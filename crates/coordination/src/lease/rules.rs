//! The rules that the fold keeps. Tests can leave one out, to see that the
//! properties catch it.

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A donor gives what it holds and no more.
    Holder,
    /// Nobody gives its floor.
    Floor,
    /// Only what the donor's past holds is received.
    PastOnly,
    /// What is promised cannot be given.
    Encumbered,
    /// A reversion is claimed once.
    ClaimOnce,
    /// Steps are claimed only well behind the time.
    ClaimBehind,
    /// The holder of a promise uses steps well before the time only.
    FenceEarlier,
    /// A commitment shrinks only by what its supplier holds.
    CommitHeld,
    /// What a donor that forked gave on all branches is counted.
    ForkPaid,
    /// What is not receipted is used up to the cap only.
    Cap,
    /// A receipt of a member that knows of a fork is none.
    ReceiptKnowsNoFork,
    /// A revoked member's leases are frozen, not freed.
    RevokedFrozen,
    /// A fenced member uses its floor only.
    Fence,
    /// Values move by no more than the tolerance from any that may be in use.
    Tolerance,
    /// A switch takes everybody's consent.
    Consent,
    /// Who has consented uses the old values no more.
    ConsentBinds,
    /// What is missing is taken from somebody.
    Derate,
}

/// The rules: all of them, unless a test says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    #[cfg(test)]
    pub(crate) without: Option<Rule>,
}

impl Rules {
    /// Whether the rule is kept.
    #[cfg(not(test))]
    pub(crate) fn keeps(self, _: Rule) -> bool {
        let Self {} = self;
        true
    }

    /// Whether the rule is kept.
    #[cfg(test)]
    pub(crate) fn keeps(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
