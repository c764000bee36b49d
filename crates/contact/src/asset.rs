//! Things that have a place: sites, orbiters, networks, centres of bodies.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::ephemeris::Ephemeris;
use crate::error::{ContactError, ErrorKind};
use crate::network::Network;
use crate::orbit::{Ellipse, Orbiter};
use crate::time::TdbSeconds;
use crate::vector::{Vec3, add, norm, sub};

/// Speed of light in km/s (exact).
pub(crate) const LIGHT_KM_PER_S: f64 = 299_792.458;

/// A place on a body's surface.
///
/// Latitude is geodetic (planetographic) on the body's ellipsoid, longitude
/// is counted eastwards. On the Moon the axes are those of `IAU_MOON`, i.e.
/// mean Earth/polar axis, which maps use; for coordinates in the principal
/// axes of DE440 see [`Site::from_lunar_principal_axes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Name of the node in a plan.
    pub name: String,
    /// The body it stands on.
    pub body: Body,
    /// Geodetic latitude, degrees north.
    pub latitude_deg: f64,
    /// Longitude, degrees east.
    pub longitude_deg: f64,
    /// Height above the ellipsoid, km.
    #[serde(default)]
    pub altitude_km: f64,
    /// Lowest elevation at which it can communicate, degrees.
    #[serde(default)]
    pub elevation_mask_deg: f64,
}

/// Anything a link can end at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Asset {
    /// A place on a surface.
    Site(Site),
    /// A spacecraft on a Keplerian orbit.
    Orbiter(Orbiter),
    /// Several sites that stand in for each other.
    Network(Network),
    /// The centre of a body, e.g. to ask when the Earth is above a horizon.
    Centre {
        /// Name of the node in a plan.
        name: String,
        /// The body.
        body: Body,
    },
}

impl Asset {
    /// Name of the node in a plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Site(site) => &site.name,
            Self::Orbiter(orbiter) => &orbiter.name,
            Self::Network(network) => &network.name,
            Self::Centre { name, .. } => name,
        }
    }

    /// The parts that are each at one place: a network's sites, or itself.
    pub(crate) fn points(&self, ephemeris: &Ephemeris) -> Result<Vec<Point>, ContactError> {
        match self {
            Self::Site(site) => Ok(vec![Point::Site(site.prepare()?)]),
            Self::Orbiter(orbiter) => Ok(vec![Point::Orbiter(orbiter.prepare(ephemeris)?)]),
            Self::Centre { body, .. } => Ok(vec![Point::Centre(*body)]),
            Self::Network(network) => {
                if network.sites.is_empty() || network.sites.len() > 64 {
                    return Err(ContactError::new(
                        ErrorKind::Geometry,
                        network.sites.len(),
                        format!("network \"{}\": unusable number of sites", network.name),
                        "give it 1 to 64 sites",
                    ));
                }
                network
                    .sites
                    .iter()
                    .map(|site| Ok(Point::Site(site.prepare()?)))
                    .collect()
            }
        }
    }
}

impl Site {
    /// The site whose longitude and latitude are given in the Moon's principal
    /// axes of DE440 instead of the mean-Earth axes; they differ by 860 m.
    ///
    /// Rotation of Park et al. 2021, *The JPL Planetary and Lunar Ephemerides
    /// DE440 and DE441*, AJ 161:105: −0.2785″ about x, −78.6944″ about y,
    /// −67.8526″ about z, applied to principal-axes coordinates from z to x.
    #[must_use]
    pub fn from_lunar_principal_axes(mut self) -> Self {
        let arcsec = (1.0_f64 / 3_600.0).to_radians();
        let (sin_lat, cos_lat) = self.latitude_deg.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.longitude_deg.to_radians().sin_cos();
        let (mut x, mut y, mut z) = (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat);
        let (sin, cos) = (-67.8526 * arcsec).sin_cos();
        (x, y) = (cos * x + sin * y, cos * y - sin * x);
        let (sin, cos) = (-78.6944 * arcsec).sin_cos();
        (x, z) = (cos * x - sin * z, cos * z + sin * x);
        let (sin, cos) = (-0.2785 * arcsec).sin_cos();
        (y, z) = (cos * y + sin * z, cos * z - sin * y);
        self.latitude_deg = z.atan2(x.hypot(y)).to_degrees();
        self.longitude_deg = y.atan2(x).to_degrees().rem_euclid(360.0);
        self
    }

    pub(crate) fn prepare(&self) -> Result<Place, ContactError> {
        let refuse = |value: f64, what: &str, remedy: &str| {
            Err(ContactError::new(
                ErrorKind::Geometry,
                value,
                format!("site \"{}\": {what} out of range", self.name),
                remedy,
            ))
        };
        if !(-90.0..=90.0).contains(&self.latitude_deg) {
            return refuse(
                self.latitude_deg,
                "latitude",
                "give degrees north from -90 to 90",
            );
        }
        if !(-360.0..=360.0).contains(&self.longitude_deg) {
            return refuse(
                self.longitude_deg,
                "longitude",
                "give degrees east from -360 to 360",
            );
        }
        if !(-20.0..=100.0).contains(&self.altitude_km) {
            return refuse(self.altitude_km, "altitude", "give km from -20 to 100");
        }
        if !(-90.0..=90.0).contains(&self.elevation_mask_deg) {
            return refuse(
                self.elevation_mask_deg,
                "elevation mask",
                "give degrees from -90 to 90",
            );
        }
        let (a, b) = (
            self.body.equatorial_radius_km(),
            self.body.polar_radius_km(),
        );
        let (sin_lat, cos_lat) = self.latitude_deg.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.longitude_deg.to_radians().sin_cos();
        // Radius of curvature in the prime vertical.
        let n = a * a / (a * a * cos_lat * cos_lat + b * b * sin_lat * sin_lat).sqrt();
        let equatorial = (n + self.altitude_km) * cos_lat;
        Ok(Place {
            body: self.body,
            position_km: [
                equatorial * cos_lon,
                equatorial * sin_lon,
                (n * b * b / (a * a) + self.altitude_km) * sin_lat,
            ],
            up: [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
            mask_rad: self.elevation_mask_deg.to_radians(),
        })
    }
}

/// A site in body-fixed coordinates.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) body: Body,
    pub(crate) position_km: Vec3,
    pub(crate) up: Vec3,
    pub(crate) mask_rad: f64,
}

/// One end of a line of sight.
#[derive(Debug, Clone)]
pub(crate) enum Point {
    Site(Place),
    Orbiter(Ellipse),
    Centre(Body),
}

/// Where a point is at one instant: km in ICRF axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fix {
    /// Relative to the solar-system barycentre.
    pub(crate) position_km: Vec3,
    /// The centre of its body, likewise.
    pub(crate) centre_km: Vec3,
    /// Local vertical and lowest sine of elevation, if it stands on ground.
    pub(crate) horizon: Option<(Vec3, f64)>,
}

impl Point {
    pub(crate) fn body(&self) -> Body {
        match self {
            Self::Site(place) => place.body,
            Self::Orbiter(ellipse) => ellipse.body,
            Self::Centre(body) => *body,
        }
    }

    /// Seconds in which its direction changes by about a sixtieth of a turn.
    pub(crate) fn pace_s(&self) -> f64 {
        match self {
            Self::Site(place) if place.body == Body::Moon => 3_600.0,
            Self::Site(_) => 600.0,
            Self::Orbiter(ellipse) => {
                let e = 1.0 - ellipse.eccentricity();
                // Fastest at the periapsis.
                (ellipse.period_s() * e * e.sqrt() / 60.0).clamp(5.0, 3_600.0)
            }
            Self::Centre(_) => 3_600.0,
        }
    }

    pub(crate) fn fix(&self, ephemeris: &Ephemeris, at: TdbSeconds) -> Result<Fix, ContactError> {
        let centre_km = ephemeris.position_km(self.body(), at)?;
        Ok(match self {
            Self::Site(place) => {
                let axes = place.body.orientation(at);
                Fix {
                    position_km: add(centre_km, axes.to_icrf(place.position_km)),
                    centre_km,
                    horizon: Some((axes.to_icrf(place.up), place.mask_rad)),
                }
            }
            Self::Orbiter(ellipse) => Fix {
                position_km: add(centre_km, ellipse.position_km(at)),
                centre_km,
                horizon: None,
            },
            Self::Centre(_) => Fix {
                position_km: centre_km,
                centre_km,
                horizon: None,
            },
        })
    }
}

/// Light time from one point, sending at an instant, to another.
///
/// Three fixed-point steps: each shrinks the error by v/c < 1e-3, so what is
/// left is below a nanosecond. Relativistic delay (below 250 µs near the
/// Sun's limb) is left out.
pub(crate) fn receive(
    ephemeris: &Ephemeris,
    sent: &Fix,
    at: TdbSeconds,
    to: &Point,
) -> Result<(Fix, f64), ContactError> {
    let mut owlt_s = 0.0;
    let mut fix = to.fix(ephemeris, at)?;
    for _ in 0..3 {
        let next_s = norm(sub(fix.position_km, sent.position_km)) / LIGHT_KM_PER_S;
        // The excerpt's last seconds: stay inside it.
        fix = to.fix(ephemeris, TdbSeconds(at.0 + next_s))?;
        if (next_s - owlt_s).abs() < 1e-9 {
            owlt_s = next_s;
            break;
        }
        owlt_s = next_s;
    }
    Ok((fix, owlt_s))
}

/// One-way light time from `from`, sending at a POSIX second UTC, to `to`,
/// in seconds. Of a network, the site with the shortest way counts.
///
/// # Errors
/// [`ErrorKind::Geometry`] if an asset is impossible or the instant lies
/// outside the ephemeris.
pub fn one_way_light_time_s(
    ephemeris: &Ephemeris,
    from: &Asset,
    to: &Asset,
    posix_s: f64,
) -> Result<f64, ContactError> {
    let at = TdbSeconds::from_posix(posix_s);
    let mut best = f64::INFINITY;
    let receivers = to.points(ephemeris)?;
    for sender in from.points(ephemeris)? {
        let sent = sender.fix(ephemeris, at)?;
        for receiver in &receivers {
            best = best.min(receive(ephemeris, &sent, at, receiver)?.1);
        }
    }
    Ok(best)
}

/// Elevation of `target` above the horizon of `site`, in degrees; geometric,
/// at one instant, without refraction.
///
/// # Errors
/// [`ErrorKind::Geometry`], as [`one_way_light_time_s`].
pub fn elevation_deg(
    ephemeris: &Ephemeris,
    site: &Site,
    target: &Asset,
    posix_s: f64,
) -> Result<f64, ContactError> {
    let at = TdbSeconds::from_posix(posix_s);
    let here = Point::Site(site.prepare()?).fix(ephemeris, at)?;
    let mut best = f64::NEG_INFINITY;
    for point in target.points(ephemeris)? {
        let there = point.fix(ephemeris, at)?;
        best = best.max(elevation_rad(&here, there.position_km));
    }
    Ok(best.to_degrees())
}

/// Elevation of a position above a fix's horizon, radians; π/2 without one.
pub(crate) fn elevation_rad(here: &Fix, there_km: Vec3) -> f64 {
    match here.horizon {
        Some((up, _)) => {
            let way = sub(there_km, here.position_km);
            (crate::vector::dot(way, up) / norm(way))
                .clamp(-1.0, 1.0)
                .asin()
        }
        None => std::f64::consts::FRAC_PI_2,
    }
}
