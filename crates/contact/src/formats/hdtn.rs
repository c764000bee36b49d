//! HDTN: a JSON object with `contacts`, each with `source`, `dest`,
//! `startTime`, `endTime` (seconds after the router's start),
//! `rateBitsPerSec` and `owlt` (seconds).

use std::fmt::Write as _;

use super::{Draft, Output, Unknown, checked_owlt, checked_rate, checked_time, with_light_times};
use crate::error::{ContactError, ErrorKind};
use crate::json::Json;
use crate::plan::{Contact, ContactPlan};
use crate::units::BitRate;

const KNOWN: [&str; 7] = [
    "contact",
    "source",
    "dest",
    "startTime",
    "endTime",
    "rateBitsPerSec",
    "owlt",
];

pub(super) fn read(document: &Json, draft: &mut Draft) -> Result<(), ContactError> {
    let mut unknown = Unknown::default();
    unknown.note(document, &["contacts"]);
    for entry in document.required("contacts")?.array()? {
        entry.object()?;
        unknown.note(entry, &KNOWN);
        let line = entry.line;
        let number = |key: &str| -> Result<(f64, String, u32), ContactError> {
            let value = entry.required(key)?;
            Ok((value.number()?, value.describe(), value.line))
        };
        let time = |key: &str| {
            let (value, shown, line) = number(key)?;
            checked_time(value, &shown).map_err(|error| error.at(line))
        };
        let (rate, rate_shown, rate_line) = number("rateBitsPerSec")?;
        let (owlt, owlt_shown, owlt_line) = number("owlt")?;
        let contact = Contact {
            from: draft.node(&entry.required("source")?.unsigned()?.to_string(), line)?,
            to: draft.node(&entry.required("dest")?.unsigned()?.to_string(), line)?,
            start_s: time("startTime")?,
            end_s: time("endTime")?,
            rate: checked_rate(BitRate::from_bit_per_s(rate), &rate_shown)
                .map_err(|error| error.at(rate_line))?,
            owlt: Some(checked_owlt(owlt, &owlt_shown).map_err(|error| error.at(owlt_line))?),
            confidence: 1.0,
            id: entry.member("contact").map(Json::unsigned).transpose()?,
        };
        draft.contact(contact, line)?;
    }
    unknown.warn(draft);
    Ok(())
}

pub(super) fn write(plan: &ContactPlan, out: &mut Output) -> Result<(), ContactError> {
    let numbers = out.numbers(plan);
    let contacts = with_light_times(plan)?;
    // Ids are kept if every contact has one and no cut has doubled any.
    let mut ids: Vec<u64> = contacts.iter().filter_map(|contact| contact.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let keep_ids = ids.len() == contacts.len();
    let mut uncertain = 0;
    out.text.push_str("{\"contacts\": [");
    let mut written = 0_u64;
    for contact in contacts {
        let Some((start, end)) = out.whole_seconds(contact.start_s, contact.end_s) else {
            continue;
        };
        if start < 0.0 || end < 0.0 {
            return Err(ContactError::new(
                ErrorKind::Unsupported,
                start.min(end),
                "a negative time, which HDTN cannot read",
                "move the plan so that its times are from 0 on",
            ));
        }
        uncertain += usize::from(contact.confidence != 1.0);
        let rate = out.whole_rate(contact.rate.bit_per_s());
        let owlt = out.whole_owlt(
            contact
                .owlt
                .expect("with_light_times gives every contact a light time"),
        );
        let id = if keep_ids {
            contact.id.unwrap_or(written)
        } else {
            written
        };
        let _ = write!(
            out.text,
            "{}\n  {{\"contact\": {id}, \"source\": {}, \"dest\": {}, \"startTime\": {start}, \"endTime\": {end}, \"rateBitsPerSec\": {rate}, \"owlt\": {owlt}}}",
            if written == 0 { "" } else { "," },
            numbers[contact.from.at()],
            numbers[contact.to.at()],
        );
        written += 1;
    }
    out.text.push_str("\n]}\n");
    if uncertain > 0 {
        out.warn(format!(
            "{uncertain} confidences below 1 left out: hdtn has no place for them"
        ));
    }
    Ok(())
}
