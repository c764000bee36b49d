//! dtn-tvg-util: a time-varying graph as JSON (`tvgutil/tvg.py`,
//! `tvgutil/contact_plan.py` of version 0.1.6).
//!
//! A predicted contact is `[from, to, start, end, [[valid_from, probability,
//! [[starting_at, bit_rate, delay], …]], …]]`, a factual one `[from, to,
//! start, end, [[starting_at, bit_rate, bit_error_rate, delay], …]]`. Rates
//! are bit/s, delays and times seconds. A contact whose rate or delay changes
//! becomes one contact for each stretch; of several predictions the last
//! counts, as in tvg-util's own `pcp_to_fcp`.

use std::fmt::Write as _;

use super::{
    Draft, Output, Unknown, checked_confidence, checked_owlt, checked_rate, checked_time,
    with_light_times,
};
use crate::error::{ContactError, ErrorKind};
use crate::json::{Json, Kind, quote};
use crate::plan::{Contact, ContactPlan, NodeIndex};
use crate::units::{BitRate, Seconds};

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Predicted,
    Factual,
}

pub(super) fn read(document: &Json, draft: &mut Draft) -> Result<(), ContactError> {
    let kind = document.required("contact_type")?;
    let form = match kind.string()? {
        "PredictedContact_v2" => Form::Predicted,
        "Contact_v2" => Form::Factual,
        other => {
            return Err(ContactError::new(
                ErrorKind::Unsupported,
                other,
                "another version of tvg-util's contacts",
                "load and save the file with tvg-util 0.1, which writes PredictedContact_v2",
            )
            .at(kind.line));
        }
    };
    let mut unknown = Unknown::default();
    unknown.note(document, &["vertices", "edges", "contact_type"]);
    let vertices = document.required("vertices")?;
    for (name, _) in vertices.object()? {
        draft.node(name, vertices.line)?;
    }
    let (mut superseded, mut error_rates) = (0_usize, 0_usize);
    for edge in document.required("edges")?.array()? {
        unknown.note(edge, &["vertices", "contacts"]);
        let [from, to] = edge.required("vertices")?.array()? else {
            return Err(form_error(
                edge,
                "an edge does not have two vertices",
                "write [\"from\", \"to\"]",
            ));
        };
        let ends = (node(from, draft)?, node(to, draft)?);
        for entry in edge.required("contacts")?.array()? {
            let [from, to, start, end, rest] = entry.array()? else {
                return Err(form_error(
                    entry,
                    "a contact does not have five parts",
                    "write [from, to, start, end, characteristics]",
                ));
            };
            if (node(from, draft)?, node(to, draft)?) != ends {
                return Err(form_error(
                    entry,
                    "a contact of other vertices than its edge",
                    "move it to the edge of its vertices",
                ));
            }
            let start_s = time(start)?;
            let end_s = time(end)?;
            let (confidence, characteristics) = match form {
                Form::Factual => (1.0, rest),
                Form::Predicted => {
                    let generations = rest.array()?;
                    superseded += generations.len().saturating_sub(1);
                    let Some([_, probability, characteristics]) =
                        generations.last().map(Json::array).transpose()?
                    else {
                        return Err(form_error(
                            rest,
                            "no prediction of three parts",
                            "write [[valid_from, probability, characteristics]]",
                        ));
                    };
                    let confidence =
                        checked_confidence(probability.number()?, &probability.describe())
                            .map_err(|error| error.at(probability.line))?;
                    (confidence, characteristics)
                }
            };
            let stretches = stretches(form, characteristics, &mut error_rates)?;
            for (index, &(from_s, rate, owlt)) in stretches.iter().enumerate() {
                let until_s = stretches
                    .get(index + 1)
                    .map_or(end_s, |next| next.0.min(end_s));
                let from_s = if index == 0 {
                    start_s
                } else {
                    from_s.max(start_s)
                };
                let backwards = end_s <= start_s && index + 1 == stretches.len();
                if from_s < until_s || backwards {
                    let (from_s, until_s) = if backwards {
                        (start_s, end_s)
                    } else {
                        (from_s, until_s)
                    };
                    let contact = Contact {
                        from: ends.0,
                        to: ends.1,
                        start_s: from_s,
                        end_s: until_s,
                        rate,
                        owlt: Some(owlt),
                        confidence,
                        id: None,
                    };
                    draft.contact(contact, entry.line)?;
                }
            }
        }
    }
    if superseded > 0 {
        draft.warnings.push(format!(
            "{superseded} superseded predictions left out: the last one counts"
        ));
    }
    if error_rates > 0 {
        draft.warnings.push(format!(
            "{error_rates} bit error rates left out: plans have no place for them"
        ));
    }
    unknown.warn(draft);
    Ok(())
}

/// `(from, rate, light time)` of each stretch of a contact, in order.
fn stretches(
    form: Form,
    characteristics: &Json,
    error_rates: &mut usize,
) -> Result<Vec<(f64, BitRate, Seconds)>, ContactError> {
    let mut stretches: Vec<(f64, BitRate, Seconds)> = Vec::new();
    for entry in characteristics.array()? {
        let (starting_at, rate, delay) = match (form, entry.array()?) {
            (Form::Predicted, [starting_at, rate, delay]) => (starting_at, rate, delay),
            (Form::Factual, [starting_at, rate, error_rate, delay]) => {
                *error_rates += usize::from(error_rate.number()? != 0.0);
                (starting_at, rate, delay)
            }
            _ => {
                return Err(form_error(
                    entry,
                    "characteristics of another form",
                    "write [starting_at, bit_rate, delay], with the bit error rate before the delay in factual plans",
                ));
            }
        };
        let from_s = time(starting_at)?;
        if stretches.last().is_some_and(|last| from_s < last.0) {
            return Err(form_error(
                starting_at,
                "characteristics out of order",
                "sort them by time",
            ));
        }
        let rate_value = checked_rate(BitRate::from_bit_per_s(rate.number()?), &rate.describe())
            .map_err(|error| error.at(rate.line))?;
        let owlt = checked_owlt(delay.number()?, &delay.describe())
            .map_err(|error| error.at(delay.line))?;
        stretches.push((from_s, rate_value, owlt));
    }
    if stretches.is_empty() {
        return Err(form_error(
            characteristics,
            "a contact without characteristics",
            "give at least one [starting_at, bit_rate, delay]",
        ));
    }
    Ok(stretches)
}

fn form_error(at: &Json, problem: &str, remedy: &str) -> ContactError {
    ContactError::new(ErrorKind::Syntax, at.describe(), problem, remedy).at(at.line)
}

fn node(name: &Json, draft: &mut Draft) -> Result<NodeIndex, ContactError> {
    match &name.kind {
        Kind::String(text) => draft.node(text, name.line),
        Kind::Number(digits) => draft.node(digits, name.line),
        _ => Err(form_error(
            name,
            "not a vertex",
            "give its name in double quotes",
        )),
    }
}

fn time(value: &Json) -> Result<f64, ContactError> {
    checked_time(value.number()?, &value.describe()).map_err(|error| error.at(value.line))
}

pub(super) fn write(plan: &ContactPlan, out: &mut Output) -> Result<(), ContactError> {
    let contacts = with_light_times(plan)?;
    let mut edges: Vec<((NodeIndex, NodeIndex), Vec<Contact>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut neighbours: Vec<Vec<NodeIndex>> = vec![Vec::new(); plan.nodes().len()];
    for contact in contacts {
        let pair = (contact.from, contact.to);
        let place = *places.entry(pair).or_insert_with(|| {
            neighbours[pair.0.at()].push(pair.1);
            edges.push((pair, Vec::new()));
            edges.len() - 1
        });
        edges[place].1.push(contact);
    }
    let text = &mut out.text;
    text.push_str("{\"vertices\": {");
    for (index, (name, neighbours)) in plan.nodes().iter().zip(&neighbours).enumerate() {
        text.push_str(if index == 0 { "\n  " } else { ",\n  " });
        quote(name, text);
        text.push_str(": [");
        for (index, &neighbour) in neighbours.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ", " });
            quote(plan.name(neighbour), text);
        }
        text.push(']');
    }
    text.push_str("\n}, \"edges\": [");
    for (index, ((from, to), contacts)) in edges.iter().enumerate() {
        text.push_str(if index == 0 { "\n  " } else { ",\n  " });
        let pair = |text: &mut String| {
            quote(plan.name(*from), text);
            text.push_str(", ");
            quote(plan.name(*to), text);
        };
        text.push_str("{\"vertices\": [");
        pair(text);
        text.push_str("], \"contacts\": [");
        for (index, contact) in contacts.iter().enumerate() {
            text.push_str(if index == 0 { "\n    [" } else { ",\n    [" });
            pair(text);
            let owlt = contact.owlt.map_or(0.0, Seconds::get);
            // `{:?}` writes the shortest decimal that reads back the same.
            let _ = write!(
                text,
                ", {:?}, {:?}, [[0.0, {:?}, [[{:?}, {:?}, {owlt:?}]]]]]",
                contact.start_s,
                contact.end_s,
                contact.confidence,
                contact.start_s,
                contact.rate.bit_per_s()
            );
        }
        text.push_str("]}");
    }
    text.push_str("\n], \"contact_type\": \"PredictedContact_v2\"}\n");
    Ok(())
}
