//! ION: commands of `ionadmin`, one a line, as `ionrc(5)` describes them.
//!
//! * Times are `+seconds` after the reference time, or `yyyy/mm/dd-hh:mm:ss`
//!   UTC. `@` sets the reference; a relative one is added to the last.
//! * `a contact start stop from to bytes/s [confidence]`
//! * `a range start stop from to light-seconds`: directional; if the first
//!   number is the smaller one it holds both ways unless the other direction
//!   has a range of its own.
//! * Everything else that does not change contacts is kept as it is.

use std::fmt::Write as _;

use super::{
    Draft, MAX_CONTACTS, Output, checked_confidence, checked_owlt, checked_rate, checked_time,
    number, too_many,
};
use crate::error::{ContactError, ErrorKind};
use crate::plan::{Contact, ContactPlan, Range, TimeBase};
use crate::time::{civil_from_posix, parse_fields};
use crate::units::BitRate;

/// Commands that are kept without being understood.
const KEPT: [&str; 10] = ["1", "m", "s", "e", "v", "!", "h", "?", "q", "r"];

/// Whether a line that begins with this word is ION's.
pub(super) fn is_command(word: &str) -> bool {
    matches!(word, "a" | "c" | "d" | "@" | "^" | "i" | "l" | "b") || KEPT.contains(&word)
}

/// A time as the file means it.
#[derive(Clone, Copy)]
struct Time {
    base: TimeBase,
    seconds: f64,
}

struct Reader {
    reference: Time,
    base: Option<TimeBase>,
    /// Kept commands, and the times in them that depend on the reference.
    special: usize,
}

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ContactError> {
    let mut reader = Reader {
        reference: Time {
            base: TimeBase::Relative,
            seconds: 0.0,
        },
        base: None,
        special: 0,
    };
    for (index, line) in text.lines().enumerate() {
        let number = index as u32 + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        reader
            .line(line, number, draft)
            .map_err(|error| error.at(number))?;
    }
    draft.plan.time_base = reader.base.unwrap_or(reader.reference.base);
    if reader.special > 0 {
        draft.warnings.push(format!(
            "{} registration or hypothetical contacts: kept as commands, left out of routing",
            reader.special
        ));
    }
    Ok(())
}

impl Reader {
    fn line(&mut self, line: &str, number: u32, draft: &mut Draft) -> Result<(), ContactError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["@", time] => {
                let time = self.time(time)?;
                if self.base.is_some_and(|base| base != time.base) {
                    return Err(mixed(words[1]));
                }
                self.reference = time;
            }
            ["a", "contact", start, stop, from, to, rate, rest @ ..] if rest.len() <= 1 => {
                // Registration (start -1) and hypothetical (stop 0) contacts.
                if *start == "-1" || *stop == "0" {
                    self.special += 1;
                    return keep(line.to_owned(), draft);
                }
                let (start_s, end_s) = (self.plan_time(start)?, self.plan_time(stop)?);
                let confidence = match rest.first() {
                    Some(token) => {
                        checked_confidence(super::number(token, "a confidence")?, token)?
                    }
                    None => 1.0,
                };
                let bytes = super::number(rate, "a rate in bytes per second")?;
                let contact = Contact {
                    from: draft.node(node_number(from)?, number)?,
                    to: draft.node(node_number(to)?, number)?,
                    start_s,
                    end_s,
                    rate: checked_rate(BitRate::from_byte_per_s(bytes), rate)?,
                    owlt: None,
                    confidence,
                    id: None,
                };
                draft.contact(contact, number)?;
            }
            ["a", "range", start, stop, from, to, distance] => {
                let (start_s, end_s) = (self.plan_time(start)?, self.plan_time(stop)?);
                let light_s = super::number(distance, "a range in light-seconds")?;
                if draft.plan.ranges.len() >= MAX_CONTACTS {
                    return Err(too_many(MAX_CONTACTS, "ranges"));
                }
                let (from, to) = (node_number(from)?, node_number(to)?);
                let both_ways = from.parse::<u64>().ok() < to.parse::<u64>().ok();
                let range = Range {
                    from: draft.node(from, number)?,
                    to: draft.node(to, number)?,
                    start_s,
                    end_s,
                    owlt: checked_owlt(light_s, distance)?,
                    both_ways,
                };
                draft.plan.ranges.push(range);
            }
            // What follows would change contacts that were read before.
            ["c" | "d", "contact" | "range", ..] => {
                return Err(ContactError::new(
                    ErrorKind::Unsupported,
                    line,
                    "a command that changes or deletes contacts is not carried out",
                    "apply it by hand and remove the line",
                ));
            }
            ["^", region] if *region != "1" => {
                return Err(ContactError::new(
                    ErrorKind::Unsupported,
                    *region,
                    "a second region is a contact plan of its own",
                    "put each region into its own file",
                ));
            }
            ["^", _] | ["i" | "l" | "b", ..] => {}
            ["m", "horizon", time] if time.starts_with('+') || time.contains('/') => {
                let seconds = self.plan_time(time)?;
                let base = self.base.unwrap_or(self.reference.base);
                return keep(format!("m horizon {}", show(base, seconds)?), draft);
            }
            [command, ..] if KEPT.contains(command) => return keep(line.to_owned(), draft),
            _ => {
                return Err(ContactError::new(
                    ErrorKind::Syntax,
                    line,
                    "not a command of ION",
                    "write `a contact START STOP FROM TO BYTES_PER_S [CONFIDENCE]` or `a range START STOP FROM TO LIGHT_SECONDS`",
                ));
            }
        }
        Ok(())
    }

    /// A time, relative ones resolved against the reference.
    fn time(&self, token: &str) -> Result<Time, ContactError> {
        if let Some(offset) = token.strip_prefix('+') {
            let offset_s = number(offset, "a time as +SECONDS")?;
            if offset_s < 0.0 {
                return Err(bad_time(token));
            }
            return Ok(Time {
                base: self.reference.base,
                seconds: checked_time(self.reference.seconds + offset_s, token)?,
            });
        }
        date(token)
            .map(|posix_s| Time {
                base: TimeBase::Posix,
                seconds: posix_s as f64,
            })
            .ok_or_else(|| bad_time(token))
    }

    /// The time of a contact or range: all of a plan are of one base.
    fn plan_time(&mut self, token: &str) -> Result<f64, ContactError> {
        let time = self.time(token)?;
        if *self.base.get_or_insert(time.base) != time.base {
            return Err(mixed(token));
        }
        Ok(time.seconds)
    }
}

fn date(token: &str) -> Option<i64> {
    parse_fields(*b"//-::", token)
}

fn bad_time(token: &str) -> ContactError {
    ContactError::new(
        ErrorKind::Syntax,
        token,
        "not a time of ION",
        "write +SECONDS or yyyy/mm/dd-hh:mm:ss",
    )
}

fn mixed(token: &str) -> ContactError {
    ContactError::new(
        ErrorKind::Value,
        token,
        "relative times without an absolute reference, mixed with absolute ones",
        "set the reference with `@ yyyy/mm/dd-hh:mm:ss` before the first relative time",
    )
}

/// The number without leading zeros.
fn node_number(token: &str) -> Result<&str, ContactError> {
    if token.bytes().all(|b| b.is_ascii_digit()) && token.parse::<u64>().is_ok() {
        let bare = token.trim_start_matches('0');
        Ok(if bare.is_empty() { "0" } else { bare })
    } else {
        Err(ContactError::new(
            ErrorKind::Syntax,
            token,
            "not a node number",
            "ION's nodes have whole numbers",
        ))
    }
}

fn keep(command: String, draft: &mut Draft) -> Result<(), ContactError> {
    if draft.plan.metadata.len() >= MAX_CONTACTS {
        return Err(too_many(MAX_CONTACTS, "commands"));
    }
    draft.plan.metadata.push(command);
    Ok(())
}

/// A whole number of seconds as ION writes times.
fn show(base: TimeBase, seconds: f64) -> Result<String, ContactError> {
    match base {
        TimeBase::Relative if seconds >= 0.0 => Ok(format!("+{seconds}")),
        TimeBase::Posix if (-62_135_596_800.0..253_402_300_800.0).contains(&seconds) => {
            let [year, month, day, hour, minute, second] = civil_from_posix(seconds.floor() as i64);
            Ok(format!(
                "{year:04}/{month:02}/{day:02}-{hour:02}:{minute:02}:{second:02}"
            ))
        }
        _ => Err(ContactError::new(
            ErrorKind::Unsupported,
            seconds,
            "a time that ION cannot write",
            "move the plan so that its times are from 0 on, or of years 1 to 9999",
        )),
    }
}

pub(super) fn write(plan: &ContactPlan, out: &mut Output) -> Result<(), ContactError> {
    let numbers = out.numbers(plan);
    let named: Vec<String> = out
        .numbering
        .iter()
        .map(|(number, name)| format!("# node {number} = {name}\n"))
        .collect();
    out.text.extend(named);
    for command in &plan.metadata {
        out.text.push_str(command);
        out.text.push('\n');
    }
    let mut ranges: Vec<(u64, u64, f64, f64, f64)> = Vec::new();
    for range in &plan.ranges {
        let (mut from, mut to) = (numbers[range.from.at()], numbers[range.to.at()]);
        if range.both_ways && from > to {
            (from, to) = (to, from);
        }
        // A range is no opportunity: it is widened, not narrowed.
        let (start, end) = (range.start_s.floor(), range.end_s.ceil());
        out.times_rounded += usize::from(start != range.start_s) + usize::from(end != range.end_s);
        let owlt = out.whole_owlt(range.owlt);
        ranges.push((from, to, start, end, owlt));
    }
    let mut contacts = String::new();
    for contact in &plan.contacts {
        let Some((start, end)) = out.whole_seconds(contact.start_s, contact.end_s) else {
            continue;
        };
        let (from, to) = (numbers[contact.from.at()], numbers[contact.to.at()]);
        let rate = out.whole_rate(contact.rate.byte_per_s());
        let (start_text, end_text) = (show(plan.time_base, start)?, show(plan.time_base, end)?);
        let _ = write!(
            contacts,
            "a contact {start_text} {end_text} {from} {to} {rate}"
        );
        if contact.confidence != 1.0 {
            let _ = write!(contacts, " {}", contact.confidence);
        }
        contacts.push('\n');
        if let Some(owlt) = contact.owlt {
            let owlt = out.whole_owlt(owlt);
            let range = (from, to, start, end, owlt);
            // A backwards contact needs no range.
            if start < end {
                ranges.push(range);
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    for (from, to, start, end, owlt) in ranges {
        let line = format!(
            "a range {} {} {from} {to} {owlt}\n",
            show(plan.time_base, start)?,
            show(plan.time_base, end)?
        );
        if seen.insert(line.clone()) {
            out.text.push_str(&line);
        }
    }
    out.text.push_str(&contacts);
    Ok(())
}
