//! What a coupling shares.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Invalid;
use crate::ids::{check_name, names};

names! {
    /// A resource that members share. Any name will do; the constructors give
    /// the ones that the project's own scenarios use.
    Resource;
}

macro_rules! known {
    ($($(#[$doc:meta])+ $name:ident = $text:literal;)+) => {
        impl Resource { $(
            $(#[$doc])+
            pub fn $name() -> Self {
                Self($text.into())
            }
        )+ }

        #[test]
        fn known_resources_are_valid_names() {
            for text in [$($text),+] {
                assert!(Resource::new(text).is_ok(), "{text}");
            }
        }
    };
}

known! {
    /// Electrical power on a bus.
    power = "power";
    /// Stored energy.
    energy = "energy";
    /// Time on a relay.
    relay_time = "relay-time";
    /// Time on a ground antenna.
    antenna_time = "antenna-time";
    /// Data volume through a link or into a recorder.
    data_volume = "data-volume";
    /// Oxygen.
    oxygen = "oxygen";
    /// Water.
    water = "water";
}
