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
//! POSIX seconds UTC, rounded inwards, so that rounding in trigonometric
//! functions does not show in a plan unless a change falls within a nanosecond
//! of a whole second.
//!
//! # Check values
//!
//! `tests/check_values.rs` and `tests/geometry.rs` hold these; "published" are
//! the figures this project started from, made with other programs.
//!
//! | what | published | here |
//! |---|---|---|
//! | Earth–Moon, 2026-11-20 00:00 UTC | 383,937.3442 km, 1.280677 s | 383,937.344233 km, 1.280677 s |
//! | base at −89.45°, 222.7° E to the Deep Space Network, November 2026, as published | 44.4 %, gap 367.9 h | 44.36 %, 367.86 h |
//! | the same link as [`link_windows`] sees it | | 45.18 %, 348.70 h, 18 windows |
//! | the base to the relay, 5° mask | 72.2 %, 67 windows, gap 3.0 h | 72.16 %, 67, 3.04 h |
//! | light time Earth to Mars, 2026–2028 | 5.64 to 20.06 min | 5.638 to 20.061 min |
//! | Sun–Earth–Mars below 3°, 2028 | 03-08 to 04-03 | 03-07 19:14:33 to 04-03 17:28:36 UTC |
//!
//! The published direct-to-Earth figures follow only if the site's coordinates
//! are taken in the Moon's *principal* axes
//! ([`Site::from_lunar_principal_axes`]), the *centre* of the Earth must be
//! above the base's horizon (0°), and the 10° mask is that of the antennas; from
//! this site the Earth never rises above 5.9°. A real link is to an antenna,
//! whose parallax of up to 0.95° counts at such elevations, and maps of the
//! Moon use mean-Earth axes: hence the third row.
//!
//! The published relay figures do not say the orbit's frame, node, or phase.
//! In [`OrbitFrame::BodyEquator`] with the epoch at the start of November and
//! the relay at its apoapsis they come out as published for any node; with the
//! relay at its periapsis the share is 72.0 %. In
//! [`OrbitFrame::EarthOrbitPlane`], so starting, it lies between 70.6 and 73.0 %
//! by the node.

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
mod ranges;
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
pub use plan::{Contact, ContactPlan, NodeIndex, Piece, Range, TimeBase};
pub use routing::{Arrival, Hop, Route, Router, earliest_arrival, earliest_arrivals};
pub use summary::{PairSummary, PlanSummary, WindowReport, summarise, window_report};
pub use sun::{
    eclipse_windows, sep_below_windows, sun_earth_probe_deg, sun_elevation_deg, sunlit_windows,
};
pub use time::{TdbSeconds, format_utc, parse_utc};
pub use units::{BitRate, Seconds};
pub use windows::link_windows;
