//! UTC as POSIX seconds, and Barycentric Dynamical Time (TDB).

use crate::error::{ContactError, ErrorKind};

/// Seconds of TDB past J2000 (2000-01-01T12:00:00 TDB): what the ephemeris and
/// the rotation models are functions of.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct TdbSeconds(pub f64);

/// POSIX seconds of 2000-01-01T12:00:00 UTC.
const J2000_POSIX_S: f64 = 946_728_000.0;

/// TAI − UTC from each POSIX second on: IERS Bulletin C, as in NAIF's
/// `naif0012.tls`; the last leap second was that of 2017-01-01. If a further
/// one is announced, times after it are wrong by that second until this
/// table has it.
const LEAP_SECONDS: [(i64, f64); 28] = [
    (63_072_000, 10.0),
    (78_796_800, 11.0),
    (94_694_400, 12.0),
    (126_230_400, 13.0),
    (157_766_400, 14.0),
    (189_302_400, 15.0),
    (220_924_800, 16.0),
    (252_460_800, 17.0),
    (283_996_800, 18.0),
    (315_532_800, 19.0),
    (362_793_600, 20.0),
    (394_329_600, 21.0),
    (425_865_600, 22.0),
    (489_024_000, 23.0),
    (567_993_600, 24.0),
    (631_152_000, 25.0),
    (662_688_000, 26.0),
    (709_948_800, 27.0),
    (741_484_800, 28.0),
    (773_020_800, 29.0),
    (820_454_400, 30.0),
    (867_715_200, 31.0),
    (915_148_800, 32.0),
    (1_136_073_600, 33.0),
    (1_230_768_000, 34.0),
    (1_341_100_800, 35.0),
    (1_435_708_800, 36.0),
    (1_483_228_800, 37.0),
];

impl TdbSeconds {
    /// From POSIX seconds UTC.
    ///
    /// TDB − TT is NAIF's one-term formula (time.req, "The relationship between
    /// TDT and TDB"), off by at most 30 µs: 0.9 m of the Earth's path.
    pub fn from_posix(posix_s: f64) -> Self {
        let after = LEAP_SECONDS.partition_point(|&(from, _)| from as f64 <= posix_s);
        let tai_minus_utc = LEAP_SECONDS[after.saturating_sub(1)].1;
        let tt = posix_s - J2000_POSIX_S + tai_minus_utc + 32.184;
        let mean_anomaly = 6.239_996 + 1.990_968_71e-7 * tt;
        let eccentric = mean_anomaly + 1.671e-2 * mean_anomaly.sin();
        Self(tt + 1.657e-3 * eccentric.sin())
    }

    pub(crate) fn days(self) -> f64 {
        self.0 / 86_400.0
    }

    pub(crate) fn centuries(self) -> f64 {
        self.0 / (86_400.0 * 36_525.0)
    }
}

/// Days of the proleptic Gregorian calendar from 1970-01-01 (Hinnant,
/// "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// POSIX seconds of a calendar time, if it exists.
pub(crate) fn posix_from_civil(fields: [i64; 6]) -> Option<i64> {
    let [year, month, day, hour, minute, second] = fields;
    let in_range = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !in_range {
        return None;
    }
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day))
        .then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Year, month, day, hour, minute, second of a POSIX second.
pub(crate) fn civil_from_posix(posix_s: i64) -> [i64; 6] {
    let (year, month, day) = civil_from_days(posix_s.div_euclid(86_400));
    let second = posix_s.rem_euclid(86_400);
    [
        year,
        month,
        day,
        second / 3_600,
        second / 60 % 60,
        second % 60,
    ]
}

/// Numbers between fixed separators: `parse_fields(*b"--T::", "2026-11-20T00:00:00")`.
pub(crate) fn parse_fields(separators: [u8; 5], text: &str) -> Option<i64> {
    let mut fields = [0_i64; 6];
    let mut rest = text;
    for (index, field) in fields.iter_mut().enumerate() {
        let part = match separators.get(index) {
            Some(&separator) => {
                let (part, tail) = rest.split_once(char::from(separator))?;
                rest = tail;
                part
            }
            None => rest,
        };
        let width_ok = if index == 0 {
            part.len() == 4
        } else {
            (1..=2).contains(&part.len())
        };
        if !width_ok || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *field = part.parse().ok()?;
    }
    posix_from_civil(fields)
}

/// POSIX seconds of `yyyy-mm-ddThh:mm:ssZ` (RFC 3339, whole seconds, UTC; the
/// `Z` and the time of day may be left out).
///
/// # Errors
/// [`ErrorKind::Value`] if the text is of another form or the date does not exist.
pub fn parse_utc(text: &str) -> Result<i64, ContactError> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let parsed = if bare.contains('T') {
        parse_fields(*b"--T::", bare)
    } else {
        parse_fields(*b"--T::", &format!("{bare}T00:00:00"))
    };
    parsed.ok_or_else(|| {
        ContactError::new(
            ErrorKind::Value,
            text,
            "not a time in UTC",
            "write it as 2026-11-20T00:00:00Z",
        )
    })
}

/// `yyyy-mm-ddThh:mm:ssZ` of POSIX seconds.
pub fn format_utc(posix_s: i64) -> String {
    let [year, month, day, hour, minute, second] = civil_from_posix(posix_s);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
