//! Sunlight: elevation, eclipse, and how close to the Sun a probe appears.

use crate::asset::{Asset, Fix, Point, Site, elevation_rad};
use crate::body::Body;
use crate::ephemeris::Ephemeris;
use crate::error::{ContactError, ErrorKind};
use crate::interval::{Span, Window, union};
use crate::time::TdbSeconds;
use crate::vector::{Vec3, angle, norm, sub};
use crate::windows::search;

/// Elevation of the Sun's centre above a site's horizon, degrees, at a POSIX
/// second UTC. Geometric: aberration (0.006°) and refraction are left out.
///
/// # Errors
/// [`ErrorKind::Geometry`] if the site is impossible or the instant lies
/// outside the ephemeris.
pub fn sun_elevation_deg(
    ephemeris: &Ephemeris,
    site: &Site,
    posix_s: f64,
) -> Result<f64, ContactError> {
    let at = TdbSeconds::from_posix(posix_s);
    let here = Point::Site(site.prepare()?).fix(ephemeris, at)?;
    Ok(elevation_rad(&here, ephemeris.position_km(Body::Sun, at)?).to_degrees())
}

/// Windows in which an asset is in sunlight.
///
/// At a site: the Sun's centre stands at least `min_elevation_deg` above the
/// horizon (give the local terrain's, or 0; the communication mask is not
/// used). Everywhere: no body's umbra covers it — the orbited body's, and
/// for the Moon also the Earth's.
///
/// # Errors
/// [`ErrorKind::Geometry`], as [`sun_elevation_deg`], and for networks and
/// centres of bodies, which have no sunlight of their own.
pub fn sunlit_windows(
    ephemeris: &Ephemeris,
    asset: &Asset,
    min_elevation_deg: f64,
    span: Span,
) -> Result<Vec<Window>, ContactError> {
    let point = single(ephemeris, asset)?;
    let step_s = point.pace_s().min(1_200.0);
    search(span, step_s, |posix_s| {
        let at = TdbSeconds::from_posix(posix_s);
        let fix = point.fix(ephemeris, at)?;
        let sun_km = ephemeris.position_km(Body::Sun, at)?;
        let mut margin = f64::INFINITY;
        if fix.horizon.is_some() {
            margin = elevation_rad(&fix, sun_km) - min_elevation_deg.to_radians();
        }
        for body in shadows(&point) {
            margin = margin.min(outside_umbra_rad(ephemeris, &fix, sun_km, body, at)?);
        }
        Ok(margin)
    })
}

/// Windows in which the umbra of a body covers an asset: the orbited body's
/// and, at the Moon, the Earth's. The night of a site is not an eclipse.
///
/// The umbra is the cone of a spherical body with its equatorial radius;
/// atmospheres are left out.
///
/// # Errors
/// As [`sunlit_windows`].
pub fn eclipse_windows(
    ephemeris: &Ephemeris,
    asset: &Asset,
    span: Span,
) -> Result<Vec<Window>, ContactError> {
    let point = single(ephemeris, asset)?;
    let step_s = point.pace_s().min(1_200.0);
    let mut windows = Vec::new();
    for body in shadows(&point) {
        let found = search(span, step_s, |posix_s| {
            let at = TdbSeconds::from_posix(posix_s);
            let fix = point.fix(ephemeris, at)?;
            let sun_km = ephemeris.position_km(Body::Sun, at)?;
            Ok(-outside_umbra_rad(ephemeris, &fix, sun_km, body, at)?)
        })?;
        windows = union(&windows, &found);
    }
    Ok(windows)
}

/// Angle Sun–Earth–probe, degrees, at a POSIX second UTC, for a probe at the
/// centre of `body`; geometric.
///
/// # Errors
/// [`ErrorKind::Geometry`] outside the ephemeris.
pub fn sun_earth_probe_deg(
    ephemeris: &Ephemeris,
    body: Body,
    posix_s: f64,
) -> Result<f64, ContactError> {
    let at = TdbSeconds::from_posix(posix_s);
    let earth = ephemeris.position_km(Body::Earth, at)?;
    let sun = sub(ephemeris.position_km(Body::Sun, at)?, earth);
    let probe = sub(ephemeris.position_km(body, at)?, earth);
    Ok(angle(sun, probe).to_degrees())
}

/// Windows in which the angle Sun–Earth–probe is at most `limit_deg`: solar
/// conjunction (below about 3° X band fails), at either side of the Sun.
///
/// # Errors
/// [`ErrorKind::Geometry`] outside the ephemeris.
pub fn sep_below_windows(
    ephemeris: &Ephemeris,
    body: Body,
    limit_deg: f64,
    span: Span,
) -> Result<Vec<Window>, ContactError> {
    search(span, 21_600.0, |posix_s| {
        Ok(limit_deg - sun_earth_probe_deg(ephemeris, body, posix_s)?)
    })
}

fn single(ephemeris: &Ephemeris, asset: &Asset) -> Result<Point, ContactError> {
    match asset {
        Asset::Site(_) | Asset::Orbiter(_) => Ok(asset.points(ephemeris)?.remove(0)),
        Asset::Network(_) | Asset::Centre { .. } => Err(ContactError::new(
            ErrorKind::Geometry,
            asset.name(),
            "sunlight is asked of something that is no single site or orbiter",
            "ask for each site of the network",
        )),
    }
}

/// Bodies whose umbra can cover the point, its own ground excepted.
fn shadows(point: &Point) -> Vec<Body> {
    let mut bodies = Vec::new();
    if matches!(point, Point::Orbiter(_)) {
        bodies.push(point.body());
    }
    match point.body() {
        Body::Moon => bodies.push(Body::Earth),
        Body::Earth if matches!(point, Point::Orbiter(_)) => bodies.push(Body::Moon),
        _ => {}
    }
    bodies
}

/// Positive outside the umbra: how much of the Sun's disk stands out behind
/// the body, as an angle. The body must be the nearer of the two to cover it.
fn outside_umbra_rad(
    ephemeris: &Ephemeris,
    fix: &Fix,
    sun_km: Vec3,
    body: Body,
    at: TdbSeconds,
) -> Result<f64, ContactError> {
    let to_sun = sub(sun_km, fix.position_km);
    let to_body = sub(ephemeris.position_km(body, at)?, fix.position_km);
    let disk = |radius_km: f64, way: Vec3| (radius_km / norm(way)).clamp(-1.0, 1.0).asin();
    let sun_disk = disk(Body::Sun.equatorial_radius_km(), to_sun);
    let body_disk = disk(body.equatorial_radius_km(), to_body);
    Ok(angle(to_sun, to_body) + sun_disk - body_disk)
}
