//! File forms of contact plans, and conversion between them.

mod asabr;
mod hdtn;
mod ion;
mod tvg;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::check::{Anomaly, AnomalyKind, anomalies};
use crate::error::{ContactError, ErrorKind};
use crate::json::{Json, Kind};
use crate::plan::{Contact, ContactPlan, NodeIndex, TimeBase};
use crate::ranges::RangeIndex;
use crate::units::{BitRate, Seconds};

/// Longest input that is read, in bytes.
pub const MAX_INPUT_BYTES: usize = 32 << 20;
/// Most contacts, and most ranges, that are read.
pub const MAX_CONTACTS: usize = 200_000;
/// Most nodes that are read.
pub const MAX_NODES: usize = 50_000;
/// Longest node name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Largest magnitude of a time, in seconds: 31,700 years.
const MAX_TIME_S: f64 = 1e12;

/// A file form, with its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// ION's `ionrc(5)` commands: rates in **bytes/s**, ranges in light-seconds.
    Ion,
    /// HDTN's JSON (`rateBitsPerSec`, `owlt`): **bit/s** and seconds.
    Hdtn,
    /// JSON of dtn-tvg-util 0.1 (`PredictedContact_v2`, `Contact_v2`):
    /// **bit/s** (`tvgutil/contact_plan.py`: "in bit/s") and seconds; times
    /// are POSIX seconds, as its scenario tools write them.
    TvgUtil,
    /// A-SABR's static form (`node`, `contact`): **bit/s**, as its
    /// `src/types.rs` says ("in bits per second"), and seconds. A-SABR itself
    /// only divides sizes by rates, and its examples carry the same figures as
    /// its ION examples (bytes/s): who wrote a file must know.
    ASabr,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 4] = [Self::Ion, Self::Hdtn, Self::TvgUtil, Self::ASabr];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ion => "ion",
            Self::Hdtn => "hdtn",
            Self::TvgUtil => "tvg-util",
            Self::ASabr => "a-sabr",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = ContactError;

    fn from_str(name: &str) -> Result<Self, ContactError> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.name() == name)
            .ok_or_else(|| {
                ContactError::new(
                    ErrorKind::Dialect,
                    name,
                    "not a dialect of contact plans",
                    "use ion, hdtn, tvg-util or a-sabr",
                )
            })
    }
}

/// What to do with contacts that are backwards, overlap, or lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Keep them for conversion, leave them out of routing, warn.
    #[default]
    Foreign,
    /// Refuse the plan, with line and value.
    Strict,
}

/// A plan that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The plan.
    pub plan: ContactPlan,
    /// The dialect that was named or recognised.
    pub dialect: Dialect,
    /// The line of each contact, counted from 1.
    pub contact_lines: Vec<u32>,
    /// What the reader passed over or had to interpret.
    pub warnings: Vec<String>,
}

/// A plan that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The file's content.
    pub text: String,
    /// What the dialect could not carry, or only rounded.
    pub warnings: Vec<String>,
    /// Numbers that were given to named nodes, where the dialect has numbers only.
    pub numbering: Vec<(u64, String)>,
}

/// How to convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The source's dialect; `None` recognises it.
    pub from: Option<Dialect>,
    /// The target's dialect.
    pub to: Dialect,
    /// The POSIX second that second zero of a relative plan stands for. With
    /// it times are moved between relative and absolute dialects; without it
    /// their numbers stay, with a warning.
    pub reference_posix_s: Option<i64>,
    /// Whether anomalous contacts are refused.
    pub mode: Mode,
}

/// A conversion's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// The source's dialect.
    pub from: Dialect,
    /// The target's dialect.
    pub to: Dialect,
    /// Contacts in the source.
    pub contacts: usize,
    /// What was written; its warnings include the reader's.
    pub written: Written,
}

/// Reads a plan. `file` is the name that errors show. Without a dialect it is
/// recognised by [`recognise`].
///
/// # Errors
/// With file, line, value and remedy: see [`ErrorKind`].
pub fn read(
    file: &str,
    bytes: &[u8],
    dialect: Option<Dialect>,
    mode: Mode,
) -> Result<Reading, ContactError> {
    read_inner(bytes, dialect, mode).map_err(|error| error.in_file(file))
}

fn read_inner(bytes: &[u8], dialect: Option<Dialect>, mode: Mode) -> Result<Reading, ContactError> {
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(ContactError::new(
            ErrorKind::Limit,
            bytes.len(),
            "more bytes than a plan may have",
            format!("split it into files of at most {MAX_INPUT_BYTES} bytes"),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .split(|&byte| byte == b'\n')
            .count();
        ContactError::new(ErrorKind::Syntax, "", "not UTF-8", "save the file as UTF-8")
            .at(line as u32)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let dialect = match dialect {
        Some(dialect) => dialect,
        None => recognise(text)?,
    };
    let mut draft = Draft::new(match dialect {
        Dialect::TvgUtil => TimeBase::Posix,
        Dialect::Ion | Dialect::Hdtn | Dialect::ASabr => TimeBase::Relative,
    });
    match dialect {
        Dialect::Ion => ion::read(text, &mut draft)?,
        Dialect::Hdtn => hdtn::read(&Json::parse(text)?, &mut draft)?,
        Dialect::TvgUtil => tvg::read(&Json::parse(text)?, &mut draft)?,
        Dialect::ASabr => asabr::read(text, &mut draft)?,
    }
    let Draft {
        plan,
        lines,
        mut warnings,
    } = draft;
    let anomalies = anomalies(&plan);
    if mode == Mode::Strict
        && let Some(anomaly) = anomalies.first()
    {
        return Err(refuse(&plan, *anomaly, lines[anomaly.contact]));
    }
    for (kind, what) in [
        (AnomalyKind::Backwards, "backwards contact"),
        (AnomalyKind::Overlapping, "overlapping contact"),
        (AnomalyKind::Loop, "contact of a node with itself"),
        (AnomalyKind::NoRange, "contact without a range"),
    ] {
        let count = anomalies
            .iter()
            .filter(|anomaly| anomaly.kind == kind)
            .count();
        if count > 0 {
            let what = if count == 1 {
                what.to_owned()
            } else {
                what.replacen("contact", "contacts", 1)
            };
            warnings.push(format!(
                "{count} {what} kept for conversion, left out of routing"
            ));
        }
    }
    Ok(Reading {
        plan,
        dialect,
        contact_lines: lines,
        warnings,
    })
}

fn refuse(plan: &ContactPlan, anomaly: Anomaly, line: u32) -> ContactError {
    let contact = &plan.contacts[anomaly.contact];
    ContactError::new(
        ErrorKind::Schedule,
        format!(
            "{} -> {}, {} to {}",
            plan.name(contact.from),
            plan.name(contact.to),
            contact.start_s,
            contact.end_s
        ),
        format!("a contact {}", anomaly.kind),
        "correct the plan, or read it without strict mode",
    )
    .at(line)
}

/// Which dialect a text is in.
///
/// A JSON object with `contacts` is HDTN's, one with `vertices` and `edges` is
/// tvg-util's. Otherwise the first words of the lines decide: `node` and
/// `contact` are A-SABR's; `a`, `m`, `@` and the other one-letter commands are
/// ION's.
///
/// # Errors
/// [`ErrorKind::Dialect`] if both or none fit; the remedy is to name it.
pub fn recognise(text: &str) -> Result<Dialect, ContactError> {
    let unclear = |value: &str, problem: &str| {
        ContactError::new(
            ErrorKind::Dialect,
            value,
            problem,
            "name the dialect: ion, hdtn, tvg-util or a-sabr",
        )
    };
    if text.trim_start().starts_with(['{', '[']) {
        let document = Json::parse(text)?;
        let has = |key| document.member(key).is_some();
        return match (has("contacts"), has("vertices") || has("edges")) {
            (true, false) => Ok(Dialect::Hdtn),
            (false, true) => Ok(Dialect::TvgUtil),
            (true, true) => Err(unclear("", "the JSON fits HDTN and tvg-util alike")),
            (false, false) => Err(unclear("", "the JSON has neither contacts nor edges")),
        };
    }
    let (mut ion, mut asabr) = (None, None);
    for line in text.lines() {
        match line.split_whitespace().next() {
            Some("node" | "contact") => asabr = asabr.or(Some(line)),
            Some(word) if ion::is_command(word) => ion = ion.or(Some(line)),
            _ => {}
        }
    }
    match (ion, asabr) {
        (Some(_), None) => Ok(Dialect::Ion),
        (None, Some(_)) => Ok(Dialect::ASabr),
        (Some(line), Some(_)) => Err(unclear(line, "lines of ION and of A-SABR in one text")),
        (None, None) => Err(unclear(
            text.lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or(""),
            "no line of a known dialect",
        )),
    }
}

/// Writes a plan.
///
/// Where a dialect has whole numbers only, windows shrink, rates are rounded
/// down and light times up, and the warnings count it. Contacts whose light
/// time a range states are cut where it changes if the dialect states it in
/// the contact.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if the dialect cannot carry a value at all, e.g.
/// a contact of which no range tells the light time.
pub fn write(plan: &ContactPlan, dialect: Dialect) -> Result<Written, ContactError> {
    let mut out = Output::default();
    match dialect {
        Dialect::Ion => ion::write(plan, &mut out)?,
        Dialect::Hdtn => hdtn::write(plan, &mut out)?,
        Dialect::TvgUtil => tvg::write(plan, &mut out)?,
        Dialect::ASabr => asabr::write(plan, &mut out)?,
    }
    let kept = match dialect {
        Dialect::Ion => 0,
        Dialect::Hdtn | Dialect::TvgUtil | Dialect::ASabr => plan.metadata.len(),
    };
    if kept > 0 {
        out.warn(format!(
            "{} of ION left out: {dialect} has no place for it",
            counted(kept, "command")
        ));
    }
    for (count, what) in [
        (out.times_rounded, "time"),
        (out.rates_rounded, "rate"),
        (out.light_times_rounded, "light time"),
    ] {
        if count > 0 {
            out.warn(format!(
                "{} rounded to a whole number, to the safe side: {dialect} has no fractions",
                counted(count, what)
            ));
        }
    }
    if out.vanished > 0 {
        out.warn(format!(
            "{} left out: shorter than the dialect's second",
            counted(out.vanished, "contact")
        ));
    }
    Ok(Written {
        text: out.text,
        warnings: out.warnings,
        numbering: out.numbering,
    })
}

/// Reads in one dialect and writes in another.
///
/// # Errors
/// As [`read()`] and [`write()`].
pub fn convert(
    file: &str,
    bytes: &[u8],
    options: ConvertOptions,
) -> Result<Conversion, ContactError> {
    let Reading {
        mut plan,
        dialect,
        mut warnings,
        ..
    } = read(file, bytes, options.from, options.mode)?;
    let absolute = match options.to {
        Dialect::TvgUtil => TimeBase::Posix,
        Dialect::Hdtn | Dialect::ASabr => TimeBase::Relative,
        // ION can write both.
        Dialect::Ion if options.reference_posix_s.is_some() => TimeBase::Posix,
        Dialect::Ion => plan.time_base,
    };
    if absolute != plan.time_base {
        if let Some(reference_s) = options.reference_posix_s {
            let shift_s = match absolute {
                TimeBase::Posix => reference_s as f64,
                TimeBase::Relative => -(reference_s as f64),
            };
            for contact in &mut plan.contacts {
                contact.start_s += shift_s;
                contact.end_s += shift_s;
            }
            for range in &mut plan.ranges {
                range.start_s += shift_s;
                range.end_s += shift_s;
            }
        } else {
            warnings.push(match absolute {
                TimeBase::Posix => format!(
                    "times stay seconds after the source's unnamed reference, which {} reads as POSIX time: give a reference to move them",
                    options.to
                ),
                TimeBase::Relative => format!(
                    "times stay POSIX seconds, which {} reads as seconds after its start: give a reference to move them",
                    options.to
                ),
            });
        }
        plan.time_base = absolute;
    }
    let mut written = write(&plan, options.to).map_err(|error| error.in_file(file))?;
    warnings.append(&mut written.warnings);
    written.warnings = warnings;
    Ok(Conversion {
        from: dialect,
        to: options.to,
        contacts: plan.contacts.len(),
        written,
    })
}

/// `1 contact`, `2 contacts`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// A plan while it is read.
struct Draft {
    plan: ContactPlan,
    lines: Vec<u32>,
    warnings: Vec<String>,
}

impl Draft {
    fn new(time_base: TimeBase) -> Self {
        Self {
            plan: ContactPlan::new(time_base),
            lines: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn node(&mut self, name: &str, line: u32) -> Result<NodeIndex, ContactError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(ContactError::new(
                ErrorKind::Value,
                name,
                "not a usable node name",
                format!("give 1 to {MAX_NAME_BYTES} bytes without control characters"),
            )
            .at(line));
        }
        if self.plan.nodes().len() >= MAX_NODES && self.plan.node(name).is_none() {
            return Err(too_many(MAX_NODES, "nodes").at(line));
        }
        Ok(self.plan.add_node(name))
    }

    fn contact(&mut self, contact: Contact, line: u32) -> Result<(), ContactError> {
        if self.plan.contacts.len() >= MAX_CONTACTS {
            return Err(too_many(MAX_CONTACTS, "contacts").at(line));
        }
        self.plan.contacts.push(contact);
        self.lines.push(line);
        Ok(())
    }
}

fn too_many(limit: usize, what: &str) -> ContactError {
    ContactError::new(
        ErrorKind::Limit,
        limit,
        format!("too many {what}"),
        "split the plan",
    )
}

/// A number as written in plain text; no `inf`, no `nan`.
fn number(token: &str, what: &str) -> Result<f64, ContactError> {
    let plain = token
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    plain
        .then(|| token.parse::<f64>().ok().filter(|v| v.is_finite()))
        .flatten()
        .ok_or_else(|| {
            ContactError::new(
                ErrorKind::Syntax,
                token,
                format!("not a number: {what}"),
                "write a decimal number",
            )
        })
}

fn checked_time(value: f64, shown: &str) -> Result<f64, ContactError> {
    if value.abs() <= MAX_TIME_S {
        Ok(value)
    } else {
        Err(ContactError::new(
            ErrorKind::Value,
            shown,
            "a time out of range",
            "give seconds of magnitude up to 1e12",
        ))
    }
}

fn checked_rate(rate: Option<BitRate>, shown: &str) -> Result<BitRate, ContactError> {
    rate.ok_or_else(|| {
        ContactError::new(
            ErrorKind::Value,
            shown,
            "a negative or huge rate",
            "give a rate from 0 on",
        )
    })
}

fn checked_owlt(value: f64, shown: &str) -> Result<Seconds, ContactError> {
    Seconds::new(value)
        .filter(|owlt| owlt.get() <= MAX_TIME_S)
        .ok_or_else(|| {
            ContactError::new(
                ErrorKind::Value,
                shown,
                "a negative or huge light time",
                "give seconds from 0 on",
            )
        })
}

fn checked_confidence(value: f64, shown: &str) -> Result<f64, ContactError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(ContactError::new(
            ErrorKind::Value,
            shown,
            "a confidence out of range",
            "give a probability from 0 to 1",
        ))
    }
}

/// Names of members that a reader does not know, for one warning.
#[derive(Default)]
struct Unknown(Vec<String>);

impl Unknown {
    fn note(&mut self, object: &Json, known: &[&str]) {
        if let Kind::Object(members) = &object.kind {
            for (name, _) in members {
                if !known.contains(&name.as_str()) && self.0.len() < 8 && !self.0.contains(name) {
                    self.0.push(name.clone());
                }
            }
        }
    }

    fn warn(self, draft: &mut Draft) {
        if !self.0.is_empty() {
            draft.warnings.push(format!(
                "members that are not known were left out: {}",
                self.0.join(", ")
            ));
        }
    }
}

/// A plan while it is written.
#[derive(Default)]
struct Output {
    text: String,
    warnings: Vec<String>,
    numbering: Vec<(u64, String)>,
    times_rounded: usize,
    rates_rounded: usize,
    light_times_rounded: usize,
    vanished: usize,
}

impl Output {
    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Whole seconds inside `[start, end]`; `None` if rounding leaves nothing.
    fn whole_seconds(&mut self, start_s: f64, end_s: f64) -> Option<(f64, f64)> {
        let (start, end) = (start_s.ceil(), end_s.floor());
        self.times_rounded += usize::from(start != start_s) + usize::from(end != end_s);
        if end <= start && end_s > start_s {
            self.vanished += 1;
            return None;
        }
        Some((start, end))
    }

    fn whole_rate(&mut self, rate: f64) -> f64 {
        self.rates_rounded += usize::from(rate.floor() != rate);
        rate.floor()
    }

    fn whole_owlt(&mut self, owlt: Seconds) -> f64 {
        self.light_times_rounded += usize::from(owlt.get().ceil() != owlt.get());
        owlt.get().ceil()
    }

    /// Node numbers: the names themselves if all are numbers, else 1, 2, 3, ….
    fn numbers(&mut self, plan: &ContactPlan) -> Vec<u64> {
        let own: Option<Vec<u64>> = plan
            .nodes()
            .iter()
            .map(|name| {
                name.parse()
                    .ok()
                    .filter(|number: &u64| number.to_string() == *name)
            })
            .collect();
        own.unwrap_or_else(|| {
            self.numbering = plan
                .nodes()
                .iter()
                .enumerate()
                .map(|(i, name)| (i as u64 + 1, name.clone()))
                .collect();
            self.warn(format!(
                "{} numbered from 1 in their order",
                counted(plan.nodes().len(), "node")
            ));
            (1..=plan.nodes().len() as u64).collect()
        })
    }
}

/// Contacts that each state their light time.
fn with_light_times(plan: &ContactPlan) -> Result<Vec<Contact>, ContactError> {
    let ranges = RangeIndex::new(plan);
    let mut contacts: Vec<Contact> = Vec::with_capacity(plan.contacts.len());
    for (index, contact) in plan.contacts.iter().enumerate() {
        let mut covered_s = 0.0;
        for piece in ranges.pieces(index, contact) {
            // Contacts that overlap can each be cut by all ranges.
            if contacts.len() >= 2 * MAX_CONTACTS {
                return Err(too_many(
                    2 * MAX_CONTACTS,
                    "contacts after cutting them where light time changes",
                ));
            }
            covered_s += piece.end_s - piece.start_s;
            contacts.push(Contact {
                start_s: piece.start_s,
                end_s: piece.end_s,
                owlt: Some(piece.owlt),
                ..contact.clone()
            });
        }
        let length_s = contact.end_s - contact.start_s;
        if contact.owlt.is_some() || (length_s > 0.0 && covered_s >= length_s * (1.0 - 1e-12)) {
            continue;
        }
        // A backwards contact: any range of its direction will do.
        match ranges.any(contact.from, contact.to) {
            Some(owlt) if length_s <= 0.0 => {
                contacts.push(Contact {
                    owlt: Some(owlt),
                    ..contact.clone()
                });
            }
            _ => {
                return Err(ContactError::new(
                    ErrorKind::Unsupported,
                    format!(
                        "{} -> {}, {} to {}",
                        plan.name(contact.from),
                        plan.name(contact.to),
                        contact.start_s,
                        contact.end_s
                    ),
                    "no range tells the light time throughout a contact, and the target states it in the contact",
                    "add a range that covers it",
                ));
            }
        }
    }
    Ok(contacts)
}
