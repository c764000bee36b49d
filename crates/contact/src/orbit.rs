//! Two-body orbits about a body.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::ephemeris::Ephemeris;
use crate::error::{ContactError, ErrorKind};
use crate::time::TdbSeconds;
use crate::vector::{Rotation, Vec3, add, cross, scale, sub};

/// Axes in which orbital elements are given; fixed in inertial space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum OrbitFrame {
    /// The axes of the ICRF.
    Icrf,
    /// The body's equator (IAU pole) at the epoch of the elements; first axis
    /// along its ascending node on the ICRF's equator.
    #[default]
    BodyEquator,
    /// About the Moon only: the plane in which the Earth moves about the Moon
    /// at the epoch; first axis along its ascending node on the Moon's equator
    /// (Ely 2005, *Stable Constellations of Frozen Elliptical Inclined Lunar
    /// Orbits*, J. Astronaut. Sci. 53: the "OP" frame).
    EarthOrbitPlane,
}

/// A spacecraft on a fixed Keplerian ellipse.
///
/// Two-body motion: no oblateness, no third body. For the frozen lunar orbit
/// of the check values that is good for the statistics of a month, not for
/// pointing; the real orbit's elements wander by some degrees within weeks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orbiter {
    /// Name of the node in a plan.
    pub name: String,
    /// Central body.
    pub body: Body,
    /// Axes of the angles below.
    #[serde(default)]
    pub frame: OrbitFrame,
    /// Semi-major axis in km.
    pub semi_major_axis_km: f64,
    /// Eccentricity, in `[0, 1)`.
    pub eccentricity: f64,
    /// Inclination in degrees.
    pub inclination_deg: f64,
    /// Right ascension of the ascending node in degrees.
    #[serde(default)]
    pub ascending_node_deg: f64,
    /// Argument of the periapsis in degrees.
    #[serde(default)]
    pub periapsis_deg: f64,
    /// Mean anomaly at the epoch in degrees.
    #[serde(default)]
    pub mean_anomaly_deg: f64,
    /// Epoch of the elements, UTC, as `2026-11-01T00:00:00Z`.
    pub epoch: String,
}

impl Orbiter {
    /// Orbital period in seconds.
    pub fn period_s(&self) -> f64 {
        let a = self.semi_major_axis_km;
        std::f64::consts::TAU * (a * a * a / self.body.gm_km3_per_s2()).sqrt()
    }

    /// Position about the central body's centre at a POSIX second UTC, km, axes
    /// of the ICRF.
    ///
    /// # Errors
    /// [`ErrorKind::Geometry`] if the orbit is impossible.
    pub fn position_km(
        &self,
        ephemeris: &Ephemeris,
        posix_s: f64,
    ) -> Result<[f64; 3], ContactError> {
        Ok(self
            .prepare(ephemeris)?
            .position_km(TdbSeconds::from_posix(posix_s)))
    }

    pub(crate) fn prepare(&self, ephemeris: &Ephemeris) -> Result<Ellipse, ContactError> {
        let refuse = |value: f64, problem: &str, remedy: &str| {
            ContactError::new(
                ErrorKind::Geometry,
                value,
                format!("orbiter \"{}\": {problem}", self.name),
                remedy,
            )
        };
        let angles = [
            self.inclination_deg,
            self.ascending_node_deg,
            self.periapsis_deg,
            self.mean_anomaly_deg,
        ];
        if let Some(angle) = angles.into_iter().find(|a| !a.is_finite() || a.abs() > 1e6) {
            return Err(refuse(
                angle,
                "an angle is not a usable number",
                "give degrees",
            ));
        }
        if !(0.0..0.99).contains(&self.eccentricity) {
            return Err(refuse(
                self.eccentricity,
                "eccentricity out of range",
                "give a value from 0 to below 0.99",
            ));
        }
        let periapsis_km = self.semi_major_axis_km * (1.0 - self.eccentricity);
        let within =
            periapsis_km > self.body.equatorial_radius_km() && self.semi_major_axis_km < 1e8;
        if !within {
            return Err(refuse(
                periapsis_km,
                "the orbit's lowest point, in km from the centre, is not above the surface",
                "give a larger semi-major axis or a smaller eccentricity",
            ));
        }
        let epoch_s = crate::time::parse_utc(&self.epoch)?;
        let epoch = TdbSeconds::from_posix(epoch_s as f64);
        let axes = match self.frame {
            OrbitFrame::Icrf => Rotation([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
            OrbitFrame::BodyEquator => {
                let (pole, node) = self.body.equator(epoch);
                Rotation::from_axes(pole, node)
            }
            OrbitFrame::EarthOrbitPlane => {
                if self.body != Body::Moon {
                    return Err(ContactError::new(
                        ErrorKind::Geometry,
                        self.body,
                        format!(
                            "orbiter \"{}\": the frame earth_orbit_plane exists about the Moon only",
                            self.name
                        ),
                        "use body_equator or icrf",
                    ));
                }
                let earth = |at| -> Result<Vec3, ContactError> {
                    Ok(sub(
                        ephemeris.position_km(Body::Earth, at)?,
                        ephemeris.position_km(Body::Moon, at)?,
                    ))
                };
                // The plane through two positions a minute apart; the error of
                // the normal is that of the Moon's acceleration, below 1e-6 rad.
                let normal = cross(
                    earth(TdbSeconds(epoch.0 - 30.0))?,
                    earth(TdbSeconds(epoch.0 + 30.0))?,
                );
                let (pole, _) = self.body.equator(epoch);
                Rotation::from_axes(normal, cross(pole, normal))
            }
        };
        let (sin_i, cos_i) = self.inclination_deg.to_radians().sin_cos();
        let (sin_n, cos_n) = self.ascending_node_deg.to_radians().sin_cos();
        let (sin_w, cos_w) = self.periapsis_deg.to_radians().sin_cos();
        let node = [cos_n, sin_n, 0.0];
        let normal = [-cos_i * sin_n, cos_i * cos_n, sin_i];
        let p = add(scale(node, cos_w), scale(normal, sin_w));
        let q = add(scale(node, -sin_w), scale(normal, cos_w));
        let a = self.semi_major_axis_km;
        let b = a * (1.0 - self.eccentricity * self.eccentricity).sqrt();
        Ok(Ellipse {
            body: self.body,
            towards_periapsis: scale(axes.undo(p), a),
            across: scale(axes.undo(q), b),
            eccentricity: self.eccentricity,
            mean_anomaly: self.mean_anomaly_deg.to_radians(),
            mean_motion: std::f64::consts::TAU / self.period_s(),
            epoch,
        })
    }
}

/// An orbiter's ellipse in ICRF axes, ready to be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Ellipse {
    pub(crate) body: Body,
    towards_periapsis: Vec3,
    across: Vec3,
    eccentricity: f64,
    mean_anomaly: f64,
    mean_motion: f64,
    epoch: TdbSeconds,
}

impl Ellipse {
    /// Position about the central body, km.
    pub(crate) fn position_km(&self, at: TdbSeconds) -> Vec3 {
        let mean = (self.mean_anomaly + self.mean_motion * (at.0 - self.epoch.0))
            .rem_euclid(std::f64::consts::TAU);
        let (sin, cos) = eccentric_anomaly(mean, self.eccentricity).sin_cos();
        add(
            scale(self.towards_periapsis, cos - self.eccentricity),
            scale(self.across, sin),
        )
    }

    pub(crate) fn period_s(&self) -> f64 {
        std::f64::consts::TAU / self.mean_motion
    }

    pub(crate) fn eccentricity(&self) -> f64 {
        self.eccentricity
    }
}

/// Kepler's equation by Newton's method with a bisection to fall back on.
fn eccentric_anomaly(mean: f64, eccentricity: f64) -> f64 {
    let (mut low, mut high) = (mean - eccentricity, mean + eccentricity);
    let mut anomaly = mean + eccentricity * mean.sin();
    for _ in 0..60 {
        let residual = anomaly - eccentricity * anomaly.sin() - mean;
        if residual > 0.0 {
            high = anomaly;
        } else {
            low = anomaly;
        }
        let step = residual / (1.0 - eccentricity * anomaly.cos());
        let next = anomaly - step;
        anomaly = if next >= low && next <= high {
            next
        } else {
            0.5 * (low + high)
        };
        if step.abs() < 1e-14 {
            break;
        }
    }
    anomaly
}
