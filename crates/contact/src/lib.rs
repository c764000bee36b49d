//! Contact plans: who can send to whom, when, how fast and how far away.
//!
//! Three things live here, and none of them does input or output:
//!
//! * **Plans and their file forms** ([`ContactPlan`], [`read()`], [`write()`]): ION,
//!   HDTN, tvg-util and A-SABR. The dialect is named or recognised from the
//!   content; its units are fixed by the dialect and never guessed.
//! * **Windows from geometry** ([`link_windows`], [`sunlit_windows`],
//!   [`eclipse_windows`], [`PlanBuilder`]): an excerpt of the JPL ephemeris DE440,
//!   the IAU rotation of Earth, Moon and Mars, surface sites with elevation
//!   masks, Keplerian orbiters, occultation and light time. [`Ephemeris`]
//!   and [`Body::orientation`] state the measured errors.
//! * **Earliest arrival** ([`Router`]): Dijkstra over contacts as in CCSDS
//!   734.3-B-1 (Schedule-Aware Bundle Routing).
//!
//! Times of a plan are seconds (see [`TimeBase`]); times of windows are whole
//! POSIX seconds UTC, rounded inwards, so that a plan made from them is the
//! same on every machine whose trigonometric functions err by less than the
//! root search resolves.

mod asset;
mod body;
mod builder;
mod check;
mod ephemeris;
mod error;
mod formats;
mod interval;
mod json;
mod network;
mod orbit;
mod plan;
mod routing;
mod spec;
mod summary;
mod sun;
mod time;
mod units;
mod vector;
mod windows;

pub use asset::{Asset, Site, elevation_deg, one_way_light_time_s};
pub use body::{Body, Orientation};
pub use builder::{LinkTerms, PlanBuilder};
pub use check::{Anomaly, AnomalyKind, anomalies};
pub use ephemeris::Ephemeris;
pub use error::{ContactError, ErrorKind};
pub use formats::{
    Conversion, ConvertOptions, Dialect, MAX_CONTACTS, MAX_INPUT_BYTES, MAX_NAME_BYTES, MAX_NODES,
    Mode, Reading, Written, convert, read, recognise, write,
};
pub use interval::{Span, Window, complement, intersect, total_s, union};
pub use network::{Network, deep_space_network};
pub use orbit::{OrbitFrame, Orbiter};
pub use plan::{Contact, ContactPlan, NodeIndex, Range, TimeBase};
pub use routing::{Arrival, Hop, Route, Router, earliest_arrival, earliest_arrivals};
pub use summary::{PairSummary, PlanSummary, WindowReport, summarise, window_report};
pub use sun::{
    eclipse_windows, sep_below_windows, sun_earth_probe_deg, sun_elevation_deg, sunlit_windows,
};
pub use time::{TdbSeconds, format_utc, parse_utc};
pub use units::{BitRate, Seconds};
pub use windows::link_windows;
