//! Assets in one line of text, for command lines.

use crate::asset::{Asset, Site};
use crate::body::Body;
use crate::error::{ContactError, ErrorKind};
use crate::network::deep_space_network;
use crate::orbit::{OrbitFrame, Orbiter};

const REMEDY: &str = "write dsn[,mask=DEG], goldstone, canberra, madrid, earth, moon, mars, \
    BODY@LAT,LON[,mask=DEG][,alt=KM], or BODY:a=KM,e=NUMBER,i=DEG[,node=DEG][,peri=DEG][,mean=DEG]\
    [,frame=body_equator|icrf|earth_orbit_plane],epoch=UTC";

impl Asset {
    /// Reads an asset from a line; its name becomes `name`, or the line itself.
    ///
    /// * `dsn`, `goldstone`, `canberra`, `madrid`: the Deep Space Network or
    ///   one of its complexes, with `,mask=DEG` (default 10°);
    /// * `earth`, `moon`, `mars`: the centre of a body;
    /// * `moon@-89.45,222.7,mask=5`: a site by latitude and longitude;
    /// * `moon:a=5740,e=0.58,i=54.9,peri=86.3,epoch=2026-11-01`: an orbiter.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the line is of another form;
    /// [`ErrorKind::Geometry`] if the asset is impossible.
    pub fn from_spec(spec: &str, name: Option<&str>) -> Result<Self, ContactError> {
        let name = name.unwrap_or(spec).to_owned();
        if let Some((body, rest)) = spec.split_once('@') {
            return site(body, rest, name);
        }
        if let Some((body, rest)) = spec.split_once(':') {
            return orbiter(body, rest, name);
        }
        let (head, rest) = spec.split_once(',').unwrap_or((spec, ""));
        if let Ok(body) = body(head) {
            return if rest.is_empty() {
                Ok(Self::Centre { name, body })
            } else {
                Err(refuse(rest))
            };
        }
        let mut mask_deg = 10.0;
        for (key, value) in pairs(rest)? {
            match key {
                "mask" => mask_deg = number(value)?,
                _ => return Err(refuse(key)),
            }
        }
        let network = deep_space_network(mask_deg);
        if head == "dsn" {
            return Ok(Self::Network(crate::network::Network { name, ..network }));
        }
        let site = network.sites.into_iter().find(|site| site.name == head);
        site.map(|site| Self::Site(Site { name, ..site }))
            .ok_or_else(|| refuse(spec))
    }
}

fn site(body_name: &str, rest: &str, name: String) -> Result<Asset, ContactError> {
    let mut parts = rest.splitn(3, ',');
    let (Some(latitude), Some(longitude)) = (parts.next(), parts.next()) else {
        return Err(refuse(rest));
    };
    let mut site = Site {
        name,
        body: body(body_name)?,
        latitude_deg: number(latitude)?,
        longitude_deg: number(longitude)?,
        altitude_km: 0.0,
        elevation_mask_deg: 0.0,
    };
    for (key, value) in pairs(parts.next().unwrap_or(""))? {
        match key {
            "mask" => site.elevation_mask_deg = number(value)?,
            "alt" => site.altitude_km = number(value)?,
            _ => return Err(refuse(key)),
        }
    }
    site.prepare()?;
    Ok(Asset::Site(site))
}

fn orbiter(body_name: &str, rest: &str, name: String) -> Result<Asset, ContactError> {
    let mut orbiter = Orbiter {
        name,
        body: body(body_name)?,
        frame: OrbitFrame::BodyEquator,
        semi_major_axis_km: f64::NAN,
        eccentricity: f64::NAN,
        inclination_deg: f64::NAN,
        ascending_node_deg: 0.0,
        periapsis_deg: 0.0,
        mean_anomaly_deg: 0.0,
        epoch: String::new(),
    };
    for (key, value) in pairs(rest)? {
        match key {
            "a" => orbiter.semi_major_axis_km = number(value)?,
            "e" => orbiter.eccentricity = number(value)?,
            "i" => orbiter.inclination_deg = number(value)?,
            "node" => orbiter.ascending_node_deg = number(value)?,
            "peri" => orbiter.periapsis_deg = number(value)?,
            "mean" => orbiter.mean_anomaly_deg = number(value)?,
            "epoch" => value.clone_into(&mut orbiter.epoch),
            "frame" => {
                orbiter.frame = match value {
                    "icrf" => OrbitFrame::Icrf,
                    "body_equator" => OrbitFrame::BodyEquator,
                    "earth_orbit_plane" => OrbitFrame::EarthOrbitPlane,
                    _ => return Err(refuse(value)),
                }
            }
            _ => return Err(refuse(key)),
        }
    }
    let given = [
        orbiter.semi_major_axis_km,
        orbiter.eccentricity,
        orbiter.inclination_deg,
    ];
    if given.iter().any(|value| value.is_nan()) || orbiter.epoch.is_empty() {
        return Err(refuse(rest));
    }
    orbiter.prepare(crate::ephemeris::Ephemeris::de440_excerpt())?;
    Ok(Asset::Orbiter(orbiter))
}

fn body(name: &str) -> Result<Body, ContactError> {
    match name {
        "earth" => Ok(Body::Earth),
        "moon" => Ok(Body::Moon),
        "mars" => Ok(Body::Mars),
        _ => Err(refuse(name)),
    }
}

fn pairs(text: &str) -> Result<Vec<(&str, &str)>, ContactError> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').ok_or_else(|| refuse(part)))
        .collect()
}

fn number(text: &str) -> Result<f64, ContactError> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| refuse(text))
}

fn refuse(value: &str) -> ContactError {
    ContactError::new(
        ErrorKind::Value,
        value,
        "not a description of an asset",
        REMEDY,
    )
}
