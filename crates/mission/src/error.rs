//! Why a value is not part of the vocabulary.

use thiserror::Error;

/// A value that no canonical message may hold.
///
/// Every variant carries what was expected and what was met, so that an edge
/// (the command line, the dashboard) can add the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A name is empty or too long.
    #[error("{kind} has {actual} bytes, expected 1 to {limit}")]
    NameLength {
        /// Which kind of name.
        kind: &'static str,
        /// The most bytes it may have.
        limit: usize,
        /// The bytes it has.
        actual: usize,
    },
    /// A name holds something other than `[a-z0-9_.-]` segments joined by `/`.
    #[error(
        "{kind} {text:?} is not made of segments [a-z0-9]([a-z0-9_.-]*[a-z0-9])? joined by '/'"
    )]
    NameGrammar {
        /// Which kind of name.
        kind: &'static str,
        /// The name that was met.
        text: String,
    },
    /// A hexadecimal text does not have the digits of its type.
    #[error("{kind} is not {digits} lowercase hexadecimal digits")]
    Hex {
        /// Which kind of bytes.
        kind: &'static str,
        /// How many digits it must have.
        digits: usize,
    },
    /// A number is NaN, infinite, or (on the wire) a negative zero.
    #[error("number is not finite, or is a negative zero on the wire")]
    NotFinite,
    /// A unit symbol that is not in the table.
    #[error("unit {symbol:?} is not known")]
    UnknownUnit {
        /// The symbol that was met.
        symbol: String,
    },
    /// Two units that measure different things.
    #[error("{from} measures {from_dimension}, {to} measures {to_dimension}")]
    UnitClash {
        /// The unit at hand.
        from: crate::Unit,
        /// What it measures.
        from_dimension: crate::Dimension,
        /// The unit asked for.
        to: crate::Unit,
        /// What that measures.
        to_dimension: crate::Dimension,
    },
    /// An integer outside the range of its field.
    #[error("{what} is {actual}, expected {least} to {most}")]
    OutOfRange {
        /// Which field.
        what: &'static str,
        /// The least that is allowed.
        least: i128,
        /// The most that is allowed.
        most: i128,
        /// What was met.
        actual: i128,
    },
    /// A floating-point number outside the range of its field.
    #[error("{what} is {actual}, expected {expected}")]
    Beyond {
        /// Which field.
        what: &'static str,
        /// The range.
        expected: &'static str,
        /// What was met.
        actual: crate::Finite,
    },
    /// A list whose length does not fit its companions.
    #[error("{what} has {actual} items, expected {expected}")]
    Length {
        /// Which list.
        what: &'static str,
        /// The items it must have.
        expected: usize,
        /// The items it has.
        actual: usize,
    },
    /// A list that must strictly increase does not.
    #[error("{what} does not strictly increase at item {index}")]
    Order {
        /// Which list.
        what: &'static str,
        /// The first item that is not above its predecessor.
        index: usize,
    },
    /// An interval whose lower end is above its upper end.
    #[error("{what} has its lower bound above its upper bound at item {index}")]
    EmptyInterval {
        /// Which list of intervals.
        what: &'static str,
        /// The first interval that is empty.
        index: usize,
    },
    /// Two fields that must agree do not.
    #[error("{left} and {right} disagree")]
    Disagree {
        /// One field.
        left: &'static str,
        /// The other.
        right: &'static str,
    },
    /// An entry of a sparse list that is zero.
    #[error("{what} is zero")]
    Zero {
        /// Which entry.
        what: &'static str,
    },
    /// A field that another field makes necessary is missing.
    #[error("{what} is missing")]
    Missing {
        /// Which field.
        what: &'static str,
    },
}

/// Checks that a list strictly increases.
///
/// # Errors
/// Names the first item that is not above its predecessor.
pub(crate) fn strictly_increasing<T: PartialOrd>(
    what: &'static str,
    items: impl IntoIterator<Item = T>,
) -> Result<(), Invalid> {
    let mut previous: Option<T> = None;
    for (index, item) in items.into_iter().enumerate() {
        if previous.as_ref().is_some_and(|before| *before >= item) {
            return Err(Invalid::Order { what, index });
        }
        previous = Some(item);
    }
    Ok(())
}

/// Checks that a list has the length its companions give.
pub(crate) fn expect_length(
    what: &'static str,
    expected: usize,
    actual: usize,
) -> Result<(), Invalid> {
    if expected == actual {
        Ok(())
    } else {
        Err(Invalid::Length {
            what,
            expected,
            actual,
        })
    }
}
