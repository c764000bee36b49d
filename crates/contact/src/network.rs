//! Several sites of one operator that can stand in for each other.

use serde::{Deserialize, Serialize};

use crate::asset::Site;
use crate::body::Body;

/// A set of sites that acts as one node: it is in contact when one of them is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Name of the node in a plan.
    pub name: String,
    /// Its sites, all on the same body.
    pub sites: Vec<Site>,
}

/// The three complexes of NASA's Deep Space Network, each by its 70 m antenna
/// (DSS-14 Goldstone, DSS-43 Canberra, DSS-63 Madrid).
///
/// Geodetic coordinates from JPL's *DSN Telecommunications Link Design
/// Handbook* (810-005), module 301 "Coverage and Geometry", rounded to
/// 0.0001° and 0.01 km.
pub fn deep_space_network(elevation_mask_deg: f64) -> Network {
    let site = |name: &str, latitude_deg, longitude_deg, altitude_km| Site {
        name: name.to_owned(),
        body: Body::Earth,
        latitude_deg,
        longitude_deg,
        altitude_km,
        elevation_mask_deg,
    };
    Network {
        name: "dsn".to_owned(),
        sites: vec![
            site("goldstone", 35.4259, 243.1105, 1.00),
            site("canberra", -35.4024, 148.9813, 0.69),
            site("madrid", 40.4314, 355.7520, 0.86),
        ],
    }
}
