//! The words, figures and tables of the page.

use std::fmt::Write as _;

use super::{Alone, AssetGain, BoundKind, ReportData, verdict};

/// Text as HTML text or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A share as a percentage with two significant digits, rounded up: what is
/// said to be "within" it is.
pub(super) fn percent(share: f64) -> String {
    let p = share.max(0.0) * 100.0;
    if !p.is_finite() {
        return "an unknown share".to_owned();
    }
    if p == 0.0 {
        return "0 %".to_owned();
    }
    let digits = (1 - p.log10().floor() as i32).clamp(0, 8);
    let ten = 10_f64.powi(digits);
    let up = (p * ten * (1.0 - 1e-9)).ceil() / ten;
    let text = format!("{up:.*}", digits as usize);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} %")
}

/// A number with about four significant digits, thousands apart.
pub(super) fn figure(v: f64) -> String {
    let digits = match v.abs() {
        a if !(5e-7..1000.0).contains(&a) => 0,
        a if a >= 100.0 => 1,
        a if a >= 1.0 => 2,
        a if a >= 0.01 => 3,
        _ => 6,
    };
    decimals(v, digits)
}

/// A number with so many digits after the point, thousands apart.
fn decimals(v: f64, digits: usize) -> String {
    if !v.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.digits$}", v.abs());
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), ""), |(w, r)| (w, r));
    let mut out = String::new();
    if v < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') {
        out.push('−');
    }
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// A signed number: gains say `+`.
fn signed(v: f64) -> String {
    let text = figure(v);
    if v > 0.0 && text.chars().any(|c| ('1'..='9').contains(&c)) {
        format!("+{text}")
    } else {
        text
    }
}

/// A number of bytes, in decimal multiples.
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// A length of time in words.
fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    let s = seconds.round() as i64;
    let (d, h, m) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {} s", s % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, m) => format!("{d} d {h} h {m} min"),
    }
}

/// A time as `2026-11-01 00:00`, UTC.
fn utc(unix_s: i64) -> String {
    let (days, s) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let (y, m, d) = civil(days);
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02}", s / 3600, s / 60 % 60)
}

/// The Gregorian date of a day since 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
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
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Everything between the tags of the body but the data and the script.
pub(super) fn body(page: &mut String, data: &ReportData) {
    page.push_str(
        "<svg class=\"defs\" id=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>\
         <pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"2\" height=\"6\"/></pattern>\
         </defs></svg>\n<main>\n",
    );
    header(page, data);
    tiles(page, data);
    page.push_str(
        "<nav class=\"bar\" aria-label=\"Report\"><span class=\"links\">\
         <a href=\"#gains\">Gains</a><a href=\"#assets\">Assets</a><a href=\"#shares\">Shares and \
         prices</a><a href=\"#leases\">Leases</a><a href=\"#agreement\">Agreement</a><a href=\"#contacts\">Contacts</a>\
         <a href=\"#figures\">Key figures</a></span>\
         <span class=\"zoom\" id=\"zoom\"></span></nav>\n\
         <noscript><p class=\"note\">The timelines and curves are drawn by a script inside this \
         file, which is switched off here. Words, figures and tables are complete \
         without it.</p></noscript>\n",
    );
    gains(page, data);
    page.push_str(
        "<section id=\"assets\"><h2>What each asset does</h2><p class=\"note\">All times are UTC. \
         Steps are drawn as long as they are; the ticks on the lower axis mark them. Shaded: night, eclipse \
         or terrain shadow. In each power plot, sources stand above zero and uses below; the two \
         sides are equal in every step, apart from what is marked as not served. Drag over a plot to look closer, double-click to see all. \
         These schedules are each owner's own business: this page holds all of them because the \
         run was simulated in one place.</p><div id=\"asset-plots\"></div></section>\n\
         <section id=\"shares\"><h2>Who gets what, and at what price</h2><p class=\"note\">The \
         price of a step is what one more unit would be worth to all assets together in that \
         step. Whoever draws pays it, whoever supplies gets it. It is zero where there is enough \
         for everybody. Minutes are drawn per hour of the step, so that short and long steps \
         compare.</p><div id=\"share-plots\"></div></section>\n",
    );
    leases(page, data);
    page.push_str(
        "<section id=\"agreement\"><h2>How the agreement came about</h2><p class=\"note\">In each \
         round every asset answers prices with what it would draw; no asset shows its model. The \
         lower bound says that no plan can cost less, the upper bound is the cost of a plan that \
         works. Where they meet, the plan is the best possible. The gap is the distance between \
         them relative to the cost.</p><div id=\"agreement-plots\" class=\"grid\"></div></section>\n\
         <section id=\"contacts\"><h2>What each contact carried</h2><p class=\"note\">Messages of \
         the agreement, overheads included, one row a direction. Outlined: the contact; filled: \
         the more bytes, the darker.</p><div id=\"contact-plots\"></div></section>\n",
    );
    figures(page, data);
    provenance(page, data);
    page.push_str("</main>\n<div id=\"tip\" role=\"status\" hidden></div>\n");
}

fn header(page: &mut String, data: &ReportData) {
    let s = &data.scenario;
    let start = s.start_unix_s;
    let end = start + data.edges_s.last().copied().unwrap_or(0);
    let _ = write!(
        page,
        "<header>\n<p class=\"eyebrow\">CosmosMesh plan report</p>\n<h1>{}</h1>\n\
         <p class=\"lede\">{}</p>\n<p class=\"meta\">{} to {} UTC · {} steps · {} · {}</p>\n",
        escape(&s.name),
        escape(&s.description),
        utc(start),
        utc(end),
        data.steps(),
        count(data.assets.len(), "asset"),
        count(data.owners.len(), "owner"),
    );
    let summary = &data.summary;
    let unsound = !summary.violations.is_empty() || summary.coupling_violation_max > 0;
    let (class, sign) = match summary.bound {
        _ if unsound || !summary.agreed => ("bad", "✕"),
        BoundKind::Certified => ("good", "✓"),
        BoundKind::Conditional | BoundKind::None => ("warn", "!"),
    };
    let _ = writeln!(
        page,
        "<div class=\"verdict {class}\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span><div>\
         <p class=\"word\">{}.</p>",
        escape(&verdict(data))
    );
    for line in explanation(data) {
        let _ = writeln!(page, "<p>{}</p>", escape(&line));
    }
    page.push_str("</div></div>\n</header>\n");
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", decimals(n as f64, 0))
}

/// The sentences under the verdict.
fn explanation(data: &ReportData) -> Vec<String> {
    let s = &data.summary;
    let unit = &data.scenario.value_unit;
    let mut lines = s.violations.clone();
    if s.coupling_violation_max > 0 {
        lines.push(format!(
            "Allocations exceed what there is by up to {} quanta.",
            s.coupling_violation_max
        ));
    }
    let reason = s.bound_reason.trim().trim_end_matches('.');
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    lines.push(match (s.bound, s.lower_value, s.upper_value) {
        (BoundKind::Certified | BoundKind::Conditional, Some(lower), Some(upper)) => {
            // As many digits as show the difference.
            let apart = (upper - lower).abs();
            let digits = if apart > 0.0 {
                1 - apart.log10().floor() as i32
            } else {
                2
            };
            let digits = digits.clamp(0, 9) as usize;
            let (whose, kind) = match s.bound {
                BoundKind::Conditional => (" of those who agreed", "conditional"),
                _ => ("", "certified"),
            };
            format!(
                "The plan is worth {} and no plan{whose} can be worth more than {} (in {unit}). \
                 The bound is {kind}{because}.",
                decimals(-upper, digits),
                decimals(-lower, digits)
            )
        }
        (BoundKind::Certified, ..) => format!("The bound is certified{because}."),
        (BoundKind::Conditional, ..) => format!("The bound is conditional{because}."),
        (BoundKind::None, ..) => format!("There is no bound{because}."),
    });
    if let (BoundKind::Certified, Some(gap)) = (s.bound, s.certified_relative_gap)
        && gap > s.gap_wanted
    {
        lines.push(format!(
            "That is more than the {} asked for.",
            percent(s.gap_wanted)
        ));
    }
    let (standing, of_plan) = if s.plan_final {
        ("final", "nothing that comes later changes it")
    } else {
        ("provisional", "not everybody holds a certificate of it")
    };
    lines.push(format!(
        "It is {standing}: {of_plan}. Of the entries of the log {} are final and {} provisional.",
        s.final_entries, s.provisional_entries
    ));
    if let Some(error) = s.central_relative_error {
        lines.push(format!(
            "Its cost differs by {} from that of a planner who would know everybody's model.",
            percent(error.abs())
        ));
    }
    lines
}

fn tiles(page: &mut String, data: &ReportData) {
    let (s, t) = (&data.summary, &data.total);
    let unit = &data.scenario.value_unit;
    let mut tiles: Vec<(&str, String, String)> = Vec::new();
    tiles.push((
        "Gap to the best possible",
        s.certified_relative_gap
            .map_or_else(|| "none".to_owned(), percent),
        match s.bound {
            BoundKind::Certified => "certified".to_owned(),
            BoundKind::Conditional => "conditional".to_owned(),
            BoundKind::None => "no bound".to_owned(),
        },
    ));
    tiles.push((
        "Time until all hold it",
        duration(s.virtual_time_s),
        format!("{} in mission time", count(s.rounds as usize, "round")),
    ));
    tiles.push((
        "Said to each other",
        bytes(s.bytes_sent),
        count(s.messages as usize, "message"),
    ));
    tiles.push((
        "Plan is worth",
        figure(-t.cost_value),
        format!("{unit}, all assets together"),
    ));
    tiles.push((
        "Energy served",
        format!("{} kWh", figure(t.served_kwh)),
        format!("{} kWh not served", figure(t.unserved_kwh)),
    ));
    if let Some(least) = t.least_charge {
        tiles.push((
            "Least battery charge",
            format!("{:.1} %", 100.0 * least),
            "of its capacity, any asset".to_owned(),
        ));
    }
    if t.returned_gbit > 0.0 || t.lost_gbit > 0.0 {
        tiles.push((
            "Data returned",
            format!("{} Gbit", figure(t.returned_gbit)),
            format!("{} Gbit overwritten", figure(t.lost_gbit)),
        ));
    }
    if t.oxygen_kg > 0.0 {
        tiles.push((
            "Oxygen delivered",
            format!("{} kg", figure(t.oxygen_kg)),
            "besides the crew's own".to_owned(),
        ));
    }
    tiles.push((
        "Over-commitment",
        s.coupling_violation_max.to_string(),
        "quanta allotted beyond capacity".to_owned(),
    ));
    tiles.push((
        "Physics re-simulated",
        scientific(s.physical_residual_max),
        "worst residual, relative".to_owned(),
    ));
    page.push_str("<div class=\"tiles\">\n");
    for (label, value, note) in tiles {
        let _ = writeln!(
            page,
            "<div class=\"tile\"><span>{}</span><strong>{}</strong><small>{}</small></div>",
            escape(label),
            escape(&value),
            escape(&note)
        );
    }
    page.push_str("</div>\n");
}

/// Who may use how much: a table.
fn leases(page: &mut String, data: &ReportData) {
    let found = &data.leases;
    let share = found.granted_share.map_or_else(String::new, |share| {
        // Never more than there is.
        let hundredths = (share * 1e4).floor() / 100.0;
        format!(" Members hold {hundredths} % of what they take by the plan.")
    });
    let _ = write!(
        page,
        "<section id=\"leases\"><h2>Who may use how much</h2>\n<p class=\"note\">A lease is a \
         right that its holder has signed for, or has from the contract; together leases are \
         never more than there is, whoever is silent or lies. Sums over all steps.{share} {}, \
         {}, {} refused.</p>\n\
         <table><thead><tr><th scope=\"col\">What</th><th scope=\"col\">Member</th>\
         <th scope=\"col\" class=\"n\">Takes by the plan</th>\
         <th scope=\"col\" class=\"n\">Holds</th><th scope=\"col\" class=\"n\">May use</th>\
         <th scope=\"col\" class=\"n\">Is committed to supply</th>\
         <th scope=\"col\">Unit</th></tr></thead><tbody>\n",
        count(found.commitments, "commitment"),
        count(found.transfers, "transfer"),
        found.refused,
    );
    for row in &found.holdings {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escape(&row.coupling),
            escape(&row.member),
            row.wanted.map_or_else(|| "–".to_owned(), figure),
            figure(row.held),
            figure(row.usable),
            figure(row.committed),
            escape(&row.unit),
        );
    }
    page.push_str("</tbody></table></section>\n");
}

fn scientific(v: f64) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{v:.1e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let raised: String = exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            c => c
                .to_digit(10)
                .and_then(|d| char::from_u32(0x2070 + d))
                .unwrap_or(c),
        })
        .collect();
    format!("{mantissa}·10{raised}")
}

fn gains(page: &mut String, data: &ReportData) {
    let unit = escape(&data.scenario.value_unit);
    let gains: Vec<f64> = data
        .owners
        .iter()
        .flat_map(|o| {
            o.assets
                .iter()
                .map(AssetGain::gain_value)
                .chain([o.gain_value()])
        })
        .flatten()
        .collect();
    let most = gains.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    // Losses that would be seen need room on the other side of the axis.
    let losses = gains.iter().any(|&g| g < -0.005 * most);
    let (both, scale) = if losses {
        (" both", 50.0 / most)
    } else {
        ("", 100.0 / most)
    };
    let _ = write!(
        page,
        "<section id=\"gains\"><h2>What each owner gains</h2>\n<p class=\"note\">Worth is what a \
         plan brings less what it spends, in {unit}; more is better, and a negative worth is a \
         cost. Payments are what follows from the agreed prices: whoever draws power or uses \
         minutes pays, whoever supplies them is paid. The gain is the worth after payments less \
         the worth of going alone. {}</p>\n\
         <table class=\"gains{both}\"><thead><tr><th scope=\"col\">Owner and assets</th><th scope=\"col\" class=\"n\">Alone</th>\
         <th scope=\"col\" class=\"n\">Agreed plan</th><th scope=\"col\" class=\"n\">Payments</th>\
         <th scope=\"col\" class=\"n\">After payments</th><th scope=\"col\" class=\"n\">Gain</th>\
         <th scope=\"col\" class=\"bars\"><span class=\"unit\">in {unit}</span></th></tr></thead>\n",
        escape(&data.alone_means)
    );
    for owner in &data.owners {
        let helpless = owner
            .assets
            .iter()
            .filter(|a| a.alone_value().is_none())
            .count();
        let reason = format!(
            "{helpless} of {} cannot go alone",
            count(owner.assets.len(), "asset")
        );
        page.push_str("<tbody>");
        row(
            page,
            &Row {
                class: "owner",
                name: &owner.name,
                alone: owner.alone_value(),
                reason: &reason,
                payment: owner.payment_value(),
                agreed: owner.agreed_value(),
                gain: owner.gain_value(),
            },
            scale,
        );
        for asset in &owner.assets {
            let reason = match &asset.alone {
                Alone::Infeasible(reason) => reason.as_str(),
                Alone::Cost(_) => "",
            };
            row(
                page,
                &Row {
                    class: "asset",
                    name: &asset.asset,
                    alone: asset.alone_value(),
                    reason,
                    payment: asset.payment_value,
                    agreed: asset.agreed_value(),
                    gain: asset.gain_value(),
                },
                scale,
            );
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></section>\n");
}

/// A row of the table of gains; all figures are worths but the payment.
struct Row<'a> {
    class: &'a str,
    name: &'a str,
    alone: Option<f64>,
    reason: &'a str,
    payment: f64,
    agreed: f64,
    gain: Option<f64>,
}

/// `scale` is the width of a bar in percent for one unit of gain.
fn row(page: &mut String, row: &Row<'_>, scale: f64) {
    let payment = match figure(row.payment.abs()) {
        none if !none.chars().any(|c| ('1'..='9').contains(&c)) => "none".to_owned(),
        sum if row.payment > 0.0 => format!("pays {sum}"),
        sum => format!("gets {sum}"),
    };
    let _ = write!(
        page,
        "<tr class=\"{}\"><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td>",
        row.class,
        escape(row.name),
        row.alone.map_or_else(|| "not possible".to_owned(), figure),
        figure(row.agreed + row.payment),
        payment,
        figure(row.agreed)
    );
    match row.gain {
        Some(gain) => {
            let width = if scale.is_finite() {
                scale * gain.abs()
            } else {
                0.0
            };
            let side = if gain < 0.0 { "less" } else { "more" };
            let _ = writeln!(
                page,
                "<td class=\"n\"><b>{}</b></td><td class=\"bars\"><span class=\"track\">\
                 <i class=\"{side}\" style=\"width:{width:.2}%\"></i></span></td></tr>",
                signed(gain)
            );
        }
        None => {
            let _ = writeln!(
                page,
                "<td class=\"words\" colspan=\"2\">the agreement lets it live: {}</td></tr>",
                escape(row.reason)
            );
        }
    }
}

fn figures(page: &mut String, data: &ReportData) {
    let columns: Vec<_> = crate::kpi::figures(&data.total, &data.scenario.value_unit)
        .into_iter()
        .map(|(quantity, _, unit)| (quantity, unit))
        .collect();
    let rows: Vec<(&str, Vec<Option<f64>>)> = data
        .assets
        .iter()
        .map(|a| (a.name.as_str(), &a.kpis))
        .chain([("all together", &data.total)])
        .map(|(name, kpis)| {
            let values = crate::kpi::figures(kpis, "")
                .into_iter()
                .map(|(_, v, _)| v)
                .collect();
            (name, values)
        })
        .collect();
    page.push_str(
        "<section id=\"figures\"><h2>Key figures</h2>\n<div class=\"wide\"><table class=\"figures\">\
         <thead><tr><th scope=\"col\">Quantity</th>",
    );
    for (name, _) in &rows {
        let _ = write!(page, "<th scope=\"col\" class=\"n\">{}</th>", escape(name));
    }
    page.push_str("</tr></thead><tbody>\n");
    for (i, (quantity, unit)) in columns.iter().enumerate() {
        let unit = if unit == "1" { "share" } else { unit };
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{} <span class=\"unit\">{}</span></th>",
            escape(&quantity.replace('_', " ")),
            escape(unit)
        );
        for (_, values) in &rows {
            let text = values[i].map_or_else(|| "–".to_owned(), figure);
            let _ = write!(page, "<td class=\"n\">{text}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></section>\n");
}

fn provenance(page: &mut String, data: &ReportData) {
    let s = &data.summary;
    let mut lost = String::new();
    if s.loss_share > 0.0 {
        lost = format!(" · {} of messages lost on purpose", percent(s.loss_share));
    }
    let _ = writeln!(
        page,
        "<footer><p>Method {} · seed {} · {} · gap wanted {}{lost} · state digest <code>{}</code></p>\
         <p>The same scenario, method and seed give the same digest, and this same page to the \
         byte. Bounds are as the assets declared them.</p></footer>",
        escape(&s.method),
        s.seed,
        count(s.members as usize, "member"),
        percent(s.gap_wanted),
        escape(&s.state_digest)
    );
}

#[cfg(test)]
mod tests {
    use super::{bytes, civil, duration, figure, percent, scientific, utc};

    #[test]
    fn figures_in_words() {
        assert_eq!(figure(-12345.678), "−12\u{202f}346");
        assert_eq!(figure(0.0), "0");
        assert_eq!(figure(-0.000_000_01), "0");
        assert_eq!(figure(3.14259), "3.14");
        assert_eq!(figure(f64::NAN), "–");
        assert_eq!(percent(1e-4), "0.01 %");
        assert_eq!(percent(3.21e-5), "0.0033 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1e-13), "0.00000001 %");
        assert_eq!(percent(0.3), "30 %");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(duration(90_061.0), "1 d 1 h 1 min");
        assert_eq!(scientific(4.2e-9), "4.2·10⁻⁹");
    }

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(utc(1_793_491_200), "2026-11-01 00:00");
        assert_eq!(utc(951_825_600), "2000-02-29 12:00");
        assert_eq!(utc(-1), "1969-12-31 23:59");
    }
}
