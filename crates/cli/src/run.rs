//! `cosmosmesh run`: from a scenario to an agreed, certified plan.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cosmosmesh::optimize::method::MethodName;
use cosmosmesh::run::{Figures, Options, Run, RunError, Since, shipped_scenario, verdict};
use cosmosmesh::{TimedRound, kpi};
use cosmosmesh_mission::MemberId;

/// Largest scenario file that is read, in bytes.
const MAX_SCENARIO_BYTES: u64 = 1 << 20;

/// Run the agreement of a scenario to a certified plan.
///
/// One agent an asset, in virtual time: messages travel in contact windows
/// with light time and rate. Exit code 0: an agreed plan that violates
/// nothing. 1: no agreement, or a violation. 2: bad input; nothing is written.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A shipped scenario (`energy_balance`, `shackleton_relay`) or the path of a
    /// scenario file.
    scenario: String,
    /// The method; `auto` is aladin.
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    method: Method,
    /// Settle at this certified relative gap.
    #[arg(long, default_value_t = 1e-4)]
    gap: f64,
    /// Each message is lost with this probability.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Decides which messages are lost.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Give up after this many rounds.
    #[arg(long, default_value_t = 60)]
    most_rounds: u32,
    /// A member that nobody hears from the start on, or when so many rounds are closed;
    /// can be given several times.
    #[arg(long, value_name = "MEMBER[@ROUND]")]
    silent: Vec<String>,
    /// Compare with the optimum of a planner that knows every model.
    #[arg(long)]
    check_central: bool,
    /// Write plan, key figures, report.html and each member's log (`logs/MEMBER/`)
    /// to this directory.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// No progress on standard error.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Auto,
    Aladin,
    Admm,
}

impl Method {
    fn name(self) -> MethodName {
        match self {
            Self::Auto | Self::Aladin => MethodName::Aladin,
            Self::Admm => MethodName::Admm,
        }
    }
}

pub(crate) fn run(a: &RunArgs) -> ExitCode {
    match attempt(a) {
        Ok(code) => code,
        Err(e @ RunError::Infeasible { .. }) => {
            eprintln!("cosmosmesh: {e}");
            ExitCode::from(1)
        }
        Err(e) => {
            eprintln!("cosmosmesh: {e}");
            ExitCode::from(crate::BAD_INPUT)
        }
    }
}

#[allow(clippy::disallowed_methods)] // the command line may read a clock
fn attempt(a: &RunArgs) -> Result<ExitCode, RunError> {
    let begun = std::time::Instant::now();
    let (display_name, text) = read(&a.scenario)?;
    let options = Options {
        method: a.method.name(),
        gap: a.gap,
        loss: a.loss,
        seed: a.seed,
        check_central: a.check_central,
        most_rounds: a.most_rounds,
        silent: a
            .silent
            .iter()
            .map(|text| silent(text))
            .collect::<Result<_, _>>()?,
    };
    let mut first = true;
    let mut watch = |r: &TimedRound| {
        if !a.quiet {
            if std::mem::take(&mut first) {
                eprintln!("round  virtual time  answered  imbalance  certified gap");
            }
            eprintln!("{}", progress(r));
        }
    };
    let run = cosmosmesh::run::run(&display_name, &text, &options, &mut watch)?;
    if let Some(dir) = &a.out {
        crate::log::write_all(&dir.join("logs"), &run).map_err(RunError::Unfit)?;
    }
    if let (Some(dir), Some(data)) = (&a.out, &run.report) {
        for file in kpi::files(data) {
            write(&dir.join(&file.path), &file.text)?;
        }
    }
    if let Some(dir) = &a.out {
        write(
            &dir.join("figures.json"),
            &figures_json(&run.figures, begun.elapsed().as_secs_f64()),
        )?;
    }
    if a.json {
        crate::print(&figures_json(&run.figures, begun.elapsed().as_secs_f64()));
    } else {
        crate::print(&summary(&run, a.out.as_deref()));
    }
    if run.figures.agreed && run.figures.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for v in &run.figures.violations {
        eprintln!("cosmosmesh: {v}");
    }
    Ok(ExitCode::from(1))
}

/// Reads `MEMBER` or `MEMBER@ROUND`.
fn silent(text: &str) -> Result<(MemberId, Since), RunError> {
    let refused = || RunError::Option {
        option: "--silent",
        value: text.to_owned(),
        remedy: "give the name of an asset, or name and round, such as rover@3",
    };
    let (member, round) = text.split_once('@').unwrap_or((text, "0"));
    let round = round.parse().map_err(|_| refused())?;
    let member = MemberId::new(member).map_err(|_| refused())?;
    Ok((member, Since::Round(round)))
}

/// The text of a scenario and what to call it.
fn read(name: &str) -> Result<(String, String), RunError> {
    let path = Path::new(name);
    let bare = !name.contains(['/', '\\', '.']);
    if bare {
        return Ok((format!("{name}.toml"), shipped_scenario(name)?.to_owned()));
    }
    let fail = |what: String| RunError::Unfit(format!("{name}: {what}"));
    let size = std::fs::metadata(path)
        .map_err(|e| fail(e.to_string()))?
        .len();
    if size > MAX_SCENARIO_BYTES {
        return Err(fail(format!(
            "{size} bytes are more than the limit of {MAX_SCENARIO_BYTES}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    Ok((name.to_owned(), text))
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    let fail = |e: std::io::Error| RunError::Unfit(format!("{}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}

fn progress(r: &TimedRound) -> String {
    let gap = r
        .closed
        .gap
        .map_or_else(|| "-".to_owned(), |g| format!("{g:.1e}"));
    format!(
        "{:>5}  {:>12}  {:>8}  {:>9.1e}  {gap}",
        r.closed.round,
        duration(r.at_s),
        r.closed.present.len(),
        r.closed.relative_imbalance,
    )
}

fn duration(s: f64) -> String {
    let whole = s.round() as i64;
    let (d, h, m) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    if d > 0 {
        format!("{d} d {h:02} h {m:02} m")
    } else if h > 0 {
        format!("{h} h {m:02} m")
    } else if m > 0 {
        format!("{m} m {:02} s", whole % 60)
    } else {
        format!("{s:.1} s")
    }
}

fn summary(run: &Run, out: Option<&Path>) -> String {
    let f = &run.figures;
    let number = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
    let mut lines = vec![match &run.report {
        Some(data) => verdict(data),
        None => format!("{}: no agreement.", f.scenario),
    }];
    lines.push(format!(
        "  {} members, {} steps, {} rounds of {}, {} of virtual time",
        f.members,
        f.steps,
        f.rounds,
        f.method,
        duration(f.virtual_time_s)
    ));
    lines.push(format!(
        "  cost between {} and {}; {} messages, {} kB",
        number(f.lower_value),
        number(f.upper_value),
        f.messages,
        f.bytes_sent / 1000
    ));
    if let Some(e) = f.central_relative_error {
        lines.push(format!(
            "  relative distance from the central optimum: {e:.1e}"
        ));
    }
    lines.push(format!(
        "  {} final entries in every log, {} provisional",
        f.final_entries, f.provisional_entries
    ));
    let leases = &f.leases;
    lines.push(match leases.granted_share {
        Some(share) => format!(
            "  leases: {:.2} % of what members take by the plan, {} commitments, {} transfers, {} \
             refused",
            // Never more than there is.
            (share * 1e4).floor() / 100.0,
            leases.commitments,
            leases.transfers,
            leases.refused
        ),
        None => "  what everyone may use by the leases in force:".to_owned(),
    });
    if leases.granted_share.is_none() {
        lines.extend(leases.holdings.iter().map(|row| {
            format!(
                "    {} of {}: {:.4} {}",
                row.member, row.coupling, row.usable, row.unit
            )
        }));
    }
    lines.push(format!("  state digest {}", f.state_digest));
    if let (Some(out), Some(_)) = (out, &run.report) {
        lines.push(format!("  open {}", out.join("report.html").display()));
    }
    lines.join("\n") + "\n"
}

/// The figures with what only the process knows.
fn figures_json(f: &Figures, wall_time_s: f64) -> String {
    let mut value = serde_json::json!(f);
    if let Some(object) = value.as_object_mut() {
        object.insert("wall_time_s".to_owned(), serde_json::json!(wall_time_s));
        object.insert(
            "peak_rss_bytes".to_owned(),
            serde_json::json!(peak_rss_bytes()),
        );
    }
    format!("{value:#}\n")
}

/// The most memory that this process has held, where the system tells.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kb| kb * 1024)
}
