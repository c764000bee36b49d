//! A-SABR's static form: `node ID NAME` and `contact FROM TO START END RATE
//! DELAY`, without node or contact management, one entry a line.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Draft, Output, checked_owlt, checked_rate, checked_time, number, with_light_times};
use crate::error::{ContactError, ErrorKind};
use crate::plan::{Contact, ContactPlan, NodeIndex};
use crate::units::BitRate;

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ContactError> {
    let lines = || {
        text.lines().enumerate().filter_map(|(index, line)| {
            let words: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
            (!words.is_empty()).then_some((index as u32 + 1, line.trim(), words))
        })
    };
    let mut ids: HashMap<u64, NodeIndex> = HashMap::new();
    for (line, _, words) in lines() {
        if let ["node", id, name] = words.as_slice() {
            let id_value = id_number(id).map_err(|error| error.at(line))?;
            let known = draft.plan.node(name).is_some();
            let index = draft.node(name, line)?;
            if known || ids.insert(id_value, index).is_some() {
                return Err(ContactError::new(
                    ErrorKind::Value,
                    format!("{id} {name}"),
                    "a node's number or name is given twice",
                    "give each node a number and a name of its own",
                )
                .at(line));
            }
        }
    }
    for (line, shown, words) in lines() {
        match words.as_slice() {
            ["node", _, _] => {}
            ["contact", from, to, start, end, rate, delay] => {
                let contact = contact(&ids, [from, to, start, end, rate, delay])
                    .map_err(|error| error.at(line))?;
                draft.contact(contact, line)?;
            }
            ["node" | "contact", ..] => {
                return Err(ContactError::new(
                    ErrorKind::Unsupported,
                    shown,
                    "an entry of another length: only the static form without management is read",
                    "write `node ID NAME` or `contact FROM TO START END RATE DELAY`",
                )
                .at(line));
            }
            _ => {
                return Err(ContactError::new(
                    ErrorKind::Syntax,
                    shown,
                    "not an entry of A-SABR",
                    "write `node ID NAME` or `contact FROM TO START END RATE DELAY`",
                )
                .at(line));
            }
        }
    }
    if !draft.plan.contacts.is_empty() {
        draft.warnings.push(
            "rates are taken as bit/s, as A-SABR's source says; its examples carry figures of ION's bytes/s"
                .to_owned(),
        );
    }
    Ok(())
}

fn contact(
    ids: &HashMap<u64, NodeIndex>,
    [from, to, start, end, rate, delay]: [&str; 6],
) -> Result<Contact, ContactError> {
    let node = |id: &str| {
        ids.get(&id_number(id)?).copied().ok_or_else(|| {
            ContactError::new(
                ErrorKind::Value,
                id,
                "a contact of a node that is not declared",
                format!("add `node {id} NAME`"),
            )
        })
    };
    Ok(Contact {
        from: node(from)?,
        to: node(to)?,
        start_s: checked_time(number(start, "a start in seconds")?, start)?,
        end_s: checked_time(number(end, "an end in seconds")?, end)?,
        rate: checked_rate(
            BitRate::from_bit_per_s(number(rate, "a rate in bit/s")?),
            rate,
        )?,
        owlt: Some(checked_owlt(number(delay, "a delay in seconds")?, delay)?),
        confidence: 1.0,
        id: None,
    })
}

fn id_number(token: &str) -> Result<u64, ContactError> {
    token.parse().map_err(|_| {
        ContactError::new(
            ErrorKind::Syntax,
            token,
            "not a node number",
            "write a whole number from 0 on",
        )
    })
}

pub(super) fn write(plan: &ContactPlan, out: &mut Output) -> Result<(), ContactError> {
    let mut names = std::collections::HashSet::new();
    let mut renamed = 0;
    for (id, name) in plan.nodes().iter().enumerate() {
        let mut word: String = name
            .chars()
            .map(|c| {
                if c.is_whitespace() || c == '#' {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        while !names.insert(word.clone()) {
            let _ = write!(word, "_{id}");
        }
        renamed += usize::from(word != *name);
        let _ = writeln!(out.text, "node {id} {word}");
    }
    if renamed > 0 {
        out.warn(format!(
            "{renamed} node names changed: a-sabr's names are single words"
        ));
    }
    let mut uncertain = 0;
    for contact in with_light_times(plan)? {
        uncertain += usize::from(contact.confidence != 1.0);
        let _ = writeln!(
            out.text,
            "contact {} {} {} {} {} {}",
            contact.from.0,
            contact.to.0,
            contact.start_s,
            contact.end_s,
            contact.rate.bit_per_s(),
            contact.owlt.map_or(0.0, crate::units::Seconds::get)
        );
    }
    if uncertain > 0 {
        out.warn(format!(
            "{uncertain} confidences below 1 left out: a-sabr has no place for them"
        ));
    }
    Ok(())
}
