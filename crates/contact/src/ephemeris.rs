//! Positions of Sun, Earth, Moon and Mars from a binary SPK (DAF) file.
//!
//! The form is that of NAIF's *DAF Required Reading* and *SPK Required Reading*
//! (data type 2: Chebyshev polynomials for position, records of equal length).

use std::sync::OnceLock;

use crate::body::Body;
use crate::error::{ContactError, ErrorKind};
use crate::time::TdbSeconds;
use crate::vector::{Vec3, add};

/// Five type-2 segments of DE440 over 2026–2031; `data/PROVENANCE.md`.
const DE440_EXCERPT: &[u8] = include_bytes!("../data/de440-excerpt-2026-2031.bsp");

/// Bytes of a DAF record.
const RECORD_BYTES: usize = 1024;
/// Segments we are prepared to read from one file.
const MAX_SEGMENTS: usize = 64;
/// Coefficients per component; DE440 uses at most 14.
const MAX_COEFFICIENTS: usize = 32;

/// A solar-system ephemeris.
///
/// Measured against CSPICE N0067 with the same segments at 2,000 random instants
/// of 2026–2030: Sun, Earth, Moon and Mars agree to the last bit, and so does
/// [`TdbSeconds::from_posix`]. How good DE440 itself is, Park et al. 2021 say.
///
/// Mars is the barycentre of its system (NAIF id 4); its centre lies within
/// 0.2 m of it.
#[derive(Debug, Clone)]
pub struct Ephemeris {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    target: i32,
    centre: i32,
    /// Covered TDB seconds past J2000.
    start_s: f64,
    end_s: f64,
    first_record_s: f64,
    record_s: f64,
    record_words: usize,
    words: Vec<f64>,
}

impl Ephemeris {
    /// The excerpt of DE440 that is built in: 2026-01-01 to 2031-01-01 TDB.
    pub fn de440_excerpt() -> &'static Self {
        static EXCERPT: OnceLock<Ephemeris> = OnceLock::new();
        EXCERPT.get_or_init(|| {
            Self::from_bytes(DE440_EXCERPT).expect("the built-in excerpt is read by a test")
        })
    }

    /// Reads a little-endian SPK file with segments of type 2 in the frame J2000.
    ///
    /// # Errors
    /// [`ErrorKind::Syntax`] if it is no such file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContactError> {
        let refuse = |what: &str| {
            ContactError::new(
                ErrorKind::Syntax,
                "",
                format!("not a usable ephemeris: {what}"),
                "give a little-endian SPK with type-2 segments in J2000, e.g. an excerpt made with jplephem",
            )
        };
        if bytes.get(..7) != Some(b"DAF/SPK") || bytes.get(88..96) != Some(b"LTL-IEEE") {
            return Err(refuse("no little-endian DAF/SPK header"));
        }
        if int_at(bytes, 8) != Some(2) || int_at(bytes, 12) != Some(6) {
            return Err(refuse("summaries are not of two doubles and six integers"));
        }
        let mut record = int_at(bytes, 76).ok_or_else(|| refuse("truncated header"))?;
        let mut segments = Vec::new();
        let mut visited = 0;
        while record != 0 {
            visited += 1;
            if visited > MAX_SEGMENTS {
                return Err(refuse("too many summary records"));
            }
            let base = usize::try_from(record - 1)
                .ok()
                .and_then(|index| index.checked_mul(RECORD_BYTES))
                .ok_or_else(|| refuse("summary record out of range"))?;
            let next = double_at(bytes, base).ok_or_else(|| refuse("truncated summaries"))?;
            let count = double_at(bytes, base + 16).ok_or_else(|| refuse("truncated summaries"))?;
            if !(0.0..=25.0).contains(&count) {
                return Err(refuse("impossible number of summaries"));
            }
            for index in 0..count as usize {
                if segments.len() == MAX_SEGMENTS {
                    return Err(refuse("too many segments"));
                }
                let at = base + 24 + 40 * index;
                segments.push(Segment::read(bytes, at).map_err(&refuse)?);
            }
            if !(0.0..=f64::from(i32::MAX)).contains(&next) {
                return Err(refuse("summary record out of range"));
            }
            record = next as i32;
        }
        Ok(Self { segments })
    }

    /// Position relative to the solar-system barycentre in km, axes of the
    /// ICRF (NAIF's J2000).
    ///
    /// # Errors
    /// [`ErrorKind::Geometry`] outside the covered years.
    pub fn position_km(&self, body: Body, at: TdbSeconds) -> Result<[f64; 3], ContactError> {
        let mut id = body.naif_id();
        let mut position: Vec3 = [0.0; 3];
        // Two steps at most in DE440: Moon -> Earth-Moon barycentre -> 0.
        for _ in 0..4 {
            if id == 0 {
                return Ok(position);
            }
            let segment = self
                .segments
                .iter()
                .find(|s| s.target == id && s.start_s <= at.0 && at.0 <= s.end_s)
                .ok_or_else(|| {
                    ContactError::new(
                        ErrorKind::Geometry,
                        format!("{:.0} s TDB past J2000", at.0),
                        format!("the ephemeris does not place {body} at that time"),
                        "stay within 2026-01-01 and 2030-12-31",
                    )
                })?;
            position = add(position, segment.position_km(at));
            id = segment.centre;
        }
        Err(ContactError::new(
            ErrorKind::Geometry,
            body,
            "the ephemeris does not lead to the solar-system barycentre",
            "use an excerpt that holds the barycentres too",
        ))
    }
}

impl Segment {
    fn read(bytes: &[u8], at: usize) -> Result<Self, &'static str> {
        let double = |offset| double_at(bytes, at + offset).ok_or("truncated summary");
        let int = |offset| int_at(bytes, at + offset).ok_or("truncated summary");
        let (start_s, end_s) = (double(0)?, double(8)?);
        let (target, centre, frame, kind) = (int(16)?, int(20)?, int(24)?, int(28)?);
        let (first, last) = (int(32)?, int(36)?);
        if kind != 2 || frame != 1 {
            return Err("a segment is not of type 2 in J2000");
        }
        let first = usize::try_from(first)
            .ok()
            .filter(|&word| word >= 1)
            .ok_or("bad address")?;
        let last = usize::try_from(last)
            .ok()
            .filter(|&word| word >= first + 4)
            .ok_or("bad address")?;
        let words: Vec<f64> = bytes
            .get((first - 1) * 8..last * 8)
            .ok_or("a segment is cut short")?
            .chunks_exact(8)
            .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes")))
            .collect();
        if words.iter().any(|word| !word.is_finite()) {
            return Err("a segment holds a number that is not finite");
        }
        let directory = words.len() - 4;
        let (first_record_s, record_s) = (words[directory], words[directory + 1]);
        let (record_words, records) = (words[directory + 2], words[directory + 3]);
        let most_words = (2 + 3 * MAX_COEFFICIENTS) as f64;
        if record_words < 5.0
            || record_words > most_words
            || (record_words - 2.0) % 3.0 != 0.0
            || records < 1.0
            || records * record_words != directory as f64
            || record_s <= 0.0
            || start_s < first_record_s
            || end_s > first_record_s + records * record_s
        {
            return Err("a segment's directory contradicts its length");
        }
        Ok(Self {
            target,
            centre,
            start_s,
            end_s,
            first_record_s,
            record_s,
            record_words: record_words as usize,
            words,
        })
    }

    /// Clenshaw's recurrence on the record that covers the instant.
    fn position_km(&self, at: TdbSeconds) -> Vec3 {
        let records = (self.words.len() - 4) / self.record_words;
        let index = ((at.0 - self.first_record_s) / self.record_s) as usize;
        let record = &self.words[index.min(records - 1) * self.record_words..][..self.record_words];
        let x = (at.0 - record[0]) / record[1];
        let count = (self.record_words - 2) / 3;
        let mut position = [0.0; 3];
        for (axis, component) in position.iter_mut().enumerate() {
            let coefficients = &record[2 + axis * count..][..count];
            let (mut next, mut after) = (0.0, 0.0);
            for &coefficient in coefficients[1..].iter().rev() {
                let this = 2.0 * x * next - after + coefficient;
                after = next;
                next = this;
            }
            *component = x * next - after + coefficients[0];
        }
        position
    }
}

fn double_at(bytes: &[u8], at: usize) -> Option<f64> {
    let chunk = bytes.get(at..at.checked_add(8)?)?;
    Some(f64::from_le_bytes(chunk.try_into().ok()?))
}

fn int_at(bytes: &[u8], at: usize) -> Option<i32> {
    let chunk = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(chunk.try_into().ok()?))
}
