//! `cosmosmesh contacts`: look at contact plans, convert them, find windows.

use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cosmosmesh::contact::{
    Asset, ContactError, ConvertOptions, Dialect, Ephemeris, ErrorKind, MAX_INPUT_BYTES, Mode,
    PlanSummary, Span, TimeBase, WindowReport, convert, format_utc, parse_utc, read, summarise,
    window_report,
};

/// Look at contact plans, convert them, find windows from geometry.
#[derive(Debug, Args)]
pub(crate) struct ContactsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sum up a plan by sender and receiver.
    Show(Show),
    /// Write a plan in another dialect.
    Convert(Convert),
    /// Find when two assets see each other, from the built-in ephemeris.
    Windows(Windows),
}

#[derive(Debug, Args)]
struct Show {
    /// The plan; `-` is standard input.
    plan: PathBuf,
    /// Its dialect (ion, hdtn, tvg-util, a-sabr); recognised if not given.
    #[arg(long)]
    dialect: Option<Dialect>,
    /// Refuse backwards, overlapping and unusable contacts.
    #[arg(long)]
    strict: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Convert {
    /// The plan to read; `-` is standard input.
    input: PathBuf,
    /// The file to write; `-` is standard output.
    output: PathBuf,
    /// The dialect to write (ion, hdtn, tvg-util, a-sabr).
    #[arg(long)]
    to: Dialect,
    /// The dialect to read; recognised if not given.
    #[arg(long)]
    from: Option<Dialect>,
    /// The UTC time of second zero, to move between relative and absolute times.
    #[arg(long, value_name = "UTC")]
    reference: Option<String>,
    /// Refuse backwards, overlapping and unusable contacts.
    #[arg(long)]
    strict: bool,
    /// Print a report as one JSON object (not together with the output `-`).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Windows {
    /// The sender: an asset's name in --assets, or a description such as
    /// `moon@-89.45,222.7,mask=5`, `moon:a=5740,e=0.58,i=54.9,peri=86.3,epoch=2026-11-01`, `dsn`.
    #[arg(long)]
    from: String,
    /// The receiver, likewise.
    #[arg(long)]
    to: String,
    /// Start, UTC, as 2026-11-01T00:00:00Z.
    #[arg(long)]
    start: String,
    /// End, UTC.
    #[arg(long)]
    end: String,
    /// A JSON file with a list of assets.
    #[arg(long)]
    assets: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Nothing is written when it fails.
///
/// # Errors
/// With file, line, value and remedy; the program's exit code is then 2.
pub(crate) fn run(args: &ContactsArgs) -> Result<ExitCode, ContactError> {
    match &args.command {
        Command::Show(args) => show(args)?,
        Command::Convert(args) => convert_file(args)?,
        Command::Windows(args) => windows(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Show) -> Result<(), ContactError> {
    let name = args.plan.display().to_string();
    let reading = read(&name, &load(&args.plan)?, args.dialect, mode(args.strict))?;
    let summary = summarise(&reading.plan);
    if args.json {
        return print_json(&serde_json::json!({
            "file": name,
            "dialect": reading.dialect,
            "summary": summary,
            "warnings": reading.warnings,
        }));
    }
    warn(&reading.warnings);
    print(&table(&name, reading.dialect, &summary))
}

fn table(name: &str, dialect: Dialect, summary: &PlanSummary) -> String {
    use std::fmt::Write as _;
    let time = |seconds: Option<f64>| match (seconds, summary.time_base) {
        (None, _) => "-".to_owned(),
        (Some(s), TimeBase::Posix) => format_utc(s.floor() as i64),
        (Some(s), TimeBase::Relative) => format!("+{s} s"),
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{name}: {dialect}, {} nodes, {} contacts, {} ranges, {} to {}",
        summary.nodes,
        summary.contacts,
        summary.ranges,
        time(summary.start_s),
        time(summary.end_s)
    );
    let mut rows = vec![
        [
            "from",
            "to",
            "contacts",
            "total s",
            "longest gap s",
            "volume Mbit",
        ]
        .map(str::to_owned),
    ];
    rows.extend(summary.pairs.iter().map(|pair| {
        [
            pair.from.clone(),
            pair.to.clone(),
            pair.contacts.to_string(),
            format!("{:.0}", pair.total_s),
            format!("{:.0}", pair.longest_gap_s),
            format!("{:.3}", pair.volume_bit / 1e6),
        ]
    }));
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    out
}

fn convert_file(args: &Convert) -> Result<(), ContactError> {
    let name = args.input.display().to_string();
    let options = ConvertOptions {
        from: args.from,
        to: args.to,
        reference_posix_s: args.reference.as_deref().map(parse_utc).transpose()?,
        mode: mode(args.strict),
    };
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && args.json {
        return Err(ContactError {
            kind: ErrorKind::Value,
            file: String::new(),
            line: None,
            value: "--json".to_owned(),
            problem: "the plan and the report cannot both go to standard output".to_owned(),
            remedy: "name an output file".to_owned(),
        });
    }
    let conversion = convert(&name, &load(&args.input)?, options)?;
    let written = &conversion.written;
    if to_stdout {
        print(&written.text)?;
    } else {
        store(&args.output, written.text.as_bytes())?;
    }
    if args.json {
        return print_json(&serde_json::json!({
            "input": name,
            "output": args.output.display().to_string(),
            "from": conversion.from,
            "to": conversion.to,
            "contacts": conversion.contacts,
            "numbering": written.numbering,
            "warnings": written.warnings,
        }));
    }
    warn(&written.warnings);
    Ok(())
}

fn windows(args: &Windows) -> Result<(), ContactError> {
    let assets: Vec<Asset> = match &args.assets {
        None => Vec::new(),
        Some(path) => serde_json::from_slice(&load(path)?).map_err(|error| ContactError {
            kind: ErrorKind::Syntax,
            file: path.display().to_string(),
            line: u32::try_from(error.line()).ok(),
            value: String::new(),
            problem: error.to_string(),
            remedy: "give a list of assets, each with its `kind` and `name`".to_owned(),
        })?,
    };
    let find = |spec: &str| -> Result<Asset, ContactError> {
        match assets.iter().find(|asset| asset.name() == spec) {
            Some(asset) => Ok(asset.clone()),
            None => Asset::from_spec(spec, None),
        }
    };
    let span = Span::new(parse_utc(&args.start)?, parse_utc(&args.end)?)?;
    let report = window_report(
        Ephemeris::de440_excerpt(),
        &find(&args.from)?,
        &find(&args.to)?,
        span,
    )?;
    if args.json {
        return print_json(&serde_json::json!(report));
    }
    print(&window_table(&report))
}

fn window_table(report: &WindowReport) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} -> {}, {} to {}",
        report.from, report.to, report.start, report.end
    );
    for (window, owlt_s) in report.windows.iter().zip(&report.light_time_s) {
        let _ = writeln!(
            out,
            "  {}  {}  {:>9} s  light time {owlt_s:.6} s",
            format_utc(window.start_s),
            format_utc(window.end_s),
            window.duration_s()
        );
    }
    let _ = writeln!(
        out,
        "{} windows, {} s ({:.1} %), longest gap {:.1} h",
        report.windows.len(),
        report.total_s,
        100.0 * report.share,
        report.longest_gap_s as f64 / 3_600.0
    );
    out
}

fn mode(strict: bool) -> Mode {
    if strict { Mode::Strict } else { Mode::Foreign }
}

fn file_error(path: &Path, problem: impl Display, remedy: &str) -> ContactError {
    ContactError {
        kind: ErrorKind::File,
        file: path.display().to_string(),
        line: None,
        value: String::new(),
        problem: problem.to_string(),
        remedy: remedy.to_owned(),
    }
}

/// Reads at most one byte more than the library accepts, which then refuses it.
fn load(path: &Path) -> Result<Vec<u8>, ContactError> {
    let remedy = "give the path of a file that can be read";
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES as u64 + 1;
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| file_error(path, error, remedy))?;
    Ok(bytes)
}

/// Writes beside the target and moves it into place, so that a failure leaves
/// the target as it was.
fn store(path: &Path, bytes: &[u8]) -> Result<(), ContactError> {
    let remedy = "give a path in a directory that can be written";
    let fail = |error: std::io::Error| file_error(path, error, remedy);
    if path.is_dir() {
        return Err(file_error(
            path,
            "the output is a directory",
            "give the path of a file",
        ));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.part", std::process::id()));
    let partial = PathBuf::from(partial);
    let stored = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    stored.map_err(|error| {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(&partial);
        fail(error)
    })
}

fn print(text: &str) -> Result<(), ContactError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(file_error(
            Path::new("standard output"),
            error,
            "let standard output be written to",
        )),
        _ => Ok(()),
    }
}

fn print_json(value: &serde_json::Value) -> Result<(), ContactError> {
    print(&format!("{value:#}\n"))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}
