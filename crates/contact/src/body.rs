//! Bodies: size, mass, and how they turn.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::TdbSeconds;
use crate::vector::{Rotation, Vec3};

/// A body that the built-in ephemeris places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// The Sun (NAIF id 10).
    Sun,
    /// The Earth (399).
    Earth,
    /// The Moon (301).
    Moon,
    /// Mars, as the barycentre of its system (4).
    Mars,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sun => "the Sun",
            Self::Earth => "the Earth",
            Self::Moon => "the Moon",
            Self::Mars => "Mars",
        })
    }
}

/// Body-fixed axes in the axes of the ICRF, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Orientation(pub(crate) Rotation);

impl Orientation {
    /// ICRF coordinates to body-fixed ones.
    pub fn to_body_fixed(&self, icrf: [f64; 3]) -> [f64; 3] {
        self.0.apply(icrf)
    }

    /// Body-fixed coordinates to those of the ICRF.
    pub fn to_icrf(&self, body_fixed: [f64; 3]) -> [f64; 3] {
        self.0.undo(body_fixed)
    }
}

/// Pole and prime meridian of a body, radians.
#[derive(Debug, Clone, Copy)]
struct PoleAndMeridian {
    right_ascension: f64,
    declination: f64,
    meridian: f64,
}

impl Body {
    pub(crate) fn naif_id(self) -> i32 {
        match self {
            Self::Sun => 10,
            Self::Earth => 399,
            Self::Moon => 301,
            Self::Mars => 4,
        }
    }

    /// Gravitational parameter in km³/s² (`gm_de440.tpc`; for Mars the planet
    /// alone, 499).
    pub fn gm_km3_per_s2(self) -> f64 {
        match self {
            Self::Sun => 1.327_124_400_412_794_2e11,
            Self::Earth => 3.986_004_355_070_226_6e5,
            Self::Moon => 4.902_800_118_457_55e3,
            Self::Mars => 4.282_837_362_069_909e4,
        }
    }

    /// Equatorial radius in km (`pck00011.tpc`).
    pub fn equatorial_radius_km(self) -> f64 {
        match self {
            Self::Sun => 695_700.0,
            Self::Earth => 6_378.136_6,
            Self::Moon => 1_737.4,
            Self::Mars => 3_396.19,
        }
    }

    /// Polar radius in km (`pck00011.tpc`; for Mars the mean of north and
    /// south that the kernel gives).
    pub fn polar_radius_km(self) -> f64 {
        match self {
            Self::Sun => 695_700.0,
            Self::Earth => 6_356.751_9,
            Self::Moon => 1_737.4,
            Self::Mars => 3_376.20,
        }
    }

    /// Body-fixed axes by the model of the IAU (Archinal et al. 2018, *Report
    /// of the IAU Working Group on Cartographic Coordinates and Rotational
    /// Elements: 2015*; constants as in `pck00011.tpc`; formula as in NAIF's
    /// *PCK Required Reading*).
    ///
    /// Measured against CSPICE N0067 at 2,000 instants of 2026–2030: no element
    /// of the matrices of `IAU_EARTH`, `IAU_MOON`, `IAU_MARS` differs by more
    /// than 2.4e-11. Against better models: the Earth's axes differ from ITRF93
    /// (with NAIF's predicted Earth orientation) by up to 0.097° in 2026–2030,
    /// measured: 11 km on the ground, or 23 s of its rotation at the edge of a
    /// pass. The Moon's differ from the mean-Earth/polar-axis frame of DE421 by
    /// up to 0.0051°, 155 m on the ground (as NAIF states in
    /// `moon_080317.tf`; not measured here).
    ///
    /// The Sun's axes are not needed here; they are those of the ICRF.
    pub fn orientation(self, at: TdbSeconds) -> Orientation {
        let pole = match self {
            Self::Sun => {
                return Orientation(Rotation([
                    [1.0, 0.0, 0.0],
                    [0.0, 1.0, 0.0],
                    [0.0, 0.0, 1.0],
                ]));
            }
            Self::Earth => earth(at),
            Self::Moon => moon(at),
            Self::Mars => mars(at),
        };
        let (sin_w, cos_w) = pole.meridian.sin_cos();
        let (sin_a, cos_a) = pole.right_ascension.sin_cos();
        let (sin_d, cos_d) = pole.declination.sin_cos();
        // R = R3(W) R1(90° − δ) R3(90° + α)
        let node: Vec3 = [-sin_a, cos_a, 0.0];
        let ascending: Vec3 = [-cos_a * sin_d, -sin_a * sin_d, cos_d];
        let axis = [cos_a * cos_d, sin_a * cos_d, sin_d];
        let turn = |cos: f64, sin: f64| {
            [
                cos * node[0] + sin * ascending[0],
                cos * node[1] + sin * ascending[1],
                cos * node[2] + sin * ascending[2],
            ]
        };
        Orientation(Rotation([turn(cos_w, sin_w), turn(-sin_w, cos_w), axis]))
    }

    /// Direction of the pole in the ICRF, and of the ascending node of the
    /// equator on the ICRF's equator.
    pub(crate) fn equator(self, at: TdbSeconds) -> (Vec3, Vec3) {
        let pole = self.orientation(at).0.0[2];
        (pole, crate::vector::cross([0.0, 0.0, 1.0], pole))
    }
}

fn earth(at: TdbSeconds) -> PoleAndMeridian {
    let t = at.centuries();
    PoleAndMeridian {
        right_ascension: (-0.641 * t).to_radians(),
        declination: (90.0 - 0.557 * t).to_radians(),
        meridian: (190.147 + 360.985_623_5 * at.days()).to_radians(),
    }
}

/// `BODY3_NUT_PREC_ANGLES`: degrees, degrees per century.
const MOON_ANGLES: [(f64, f64); 13] = [
    (125.045, -1_935.536_452_5),
    (250.089, -3_871.072_905),
    (260.008, 475_263.332_872_5),
    (176.625, 487_269.629_985),
    (357.529, 35_999.050_957_5),
    (311.589, 964_468.499_31),
    (134.963, 477_198.869_325),
    (276.617, 12_006.300_765),
    (34.226, 63_863.513_242_5),
    (15.134, -5_806.609_357_5),
    (119.743, 131.840_64),
    (239.961, 6_003.150_382_5),
    (25.053, 473_327.796_42),
];
const MOON_RA: [f64; 13] = [
    -3.8787, -0.1204, 0.0700, -0.0172, 0.0, 0.0072, 0.0, 0.0, 0.0, -0.0052, 0.0, 0.0, 0.0043,
];
const MOON_DEC: [f64; 13] = [
    1.5419, 0.0239, -0.0278, 0.0068, 0.0, -0.0029, 0.0009, 0.0, 0.0, 0.0008, 0.0, 0.0, -0.0009,
];
const MOON_PM: [f64; 13] = [
    3.5610, 0.1208, -0.0642, 0.0158, 0.0252, -0.0066, -0.0047, -0.0046, 0.0028, 0.0052, 0.0040,
    0.0019, -0.0044,
];

fn moon(at: TdbSeconds) -> PoleAndMeridian {
    let (d, t) = (at.days(), at.centuries());
    let mut right_ascension = 269.9949 + 0.0031 * t;
    let mut declination = 66.5392 + 0.0130 * t;
    let mut meridian = 38.3213 + 13.176_358_15 * d - 1.4e-12 * d * d;
    for (index, &(angle, rate)) in MOON_ANGLES.iter().enumerate() {
        let (sin, cos) = (angle + rate * t).to_radians().sin_cos();
        right_ascension += MOON_RA[index] * sin;
        declination += MOON_DEC[index] * cos;
        meridian += MOON_PM[index] * sin;
    }
    PoleAndMeridian {
        right_ascension: right_ascension.to_radians(),
        declination: declination.to_radians(),
        meridian: meridian.to_radians(),
    }
}

/// `BODY4_NUT_PREC_ANGLES` 11 to 26 with their amplitudes: degrees, degrees
/// per century, amplitude in degrees. Angles 1 to 10 are of Phobos and Deimos.
const MARS_RA: [(f64, f64, f64); 5] = [
    (198.991_226, 19_139.481_998_5, 0.000_068),
    (226.292_679, 38_280.851_128_1, 0.000_238),
    (249.663_391, 57_420.725_159_3, 0.000_052),
    (266.183_510, 76_560.636_795_0, 0.000_009),
    (79.398_797, 0.504_261_5, 0.419_057),
];
const MARS_DEC: [(f64, f64, f64); 5] = [
    (122.433_576, 19_139.940_747_6, 0.000_051),
    (43.058_401, 38_280.875_327_2, 0.000_141),
    (57.663_379, 57_420.751_720_5, 0.000_031),
    (79.476_401, 76_560.649_500_4, 0.000_005),
    (166.325_722, 0.504_261_5, 1.591_274),
];
const MARS_PM: [(f64, f64, f64); 6] = [
    (129.071_773, 19_140.032_824_4, 0.000_145),
    (36.352_167, 38_281.047_359_1, 0.000_157),
    (56.668_646, 57_420.929_536_0, 0.000_040),
    (67.364_003, 76_560.255_221_5, 0.000_001),
    (104.792_680, 95_700.438_757_8, 0.000_001),
    (95.391_654, 0.504_261_5, 0.584_542),
];

fn mars(at: TdbSeconds) -> PoleAndMeridian {
    let (d, t) = (at.days(), at.centuries());
    let phase = |angle: f64, rate: f64| (angle + rate * t).to_radians();
    let mut right_ascension = 317.269_202 - 0.109_275_47 * t;
    let mut declination = 54.432_516 - 0.058_271_05 * t;
    let mut meridian = 176.049_863 + 350.891_982_443_297 * d;
    for (angle, rate, amplitude) in MARS_RA {
        right_ascension += amplitude * phase(angle, rate).sin();
    }
    for (angle, rate, amplitude) in MARS_DEC {
        declination += amplitude * phase(angle, rate).cos();
    }
    for (angle, rate, amplitude) in MARS_PM {
        meridian += amplitude * phase(angle, rate).sin();
    }
    PoleAndMeridian {
        right_ascension: right_ascension.to_radians(),
        declination: declination.to_radians(),
        meridian: meridian.to_radians(),
    }
}
