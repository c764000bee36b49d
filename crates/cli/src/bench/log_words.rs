//! What `cosmosmesh bench log` measured, as tables.

use std::fmt;

use super::log::{AppendRow, Measured, OpenRow};
use super::sync::{SketchRow, VectorRow};

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "replay of {} entries by 64 authors, entries/s",
            self.entries
        )?;
        for (what, per_s) in [
            ("sign", self.sign_per_s),
            ("decode and hash", self.decode_per_s),
            ("verify, one core", self.verify_per_s),
            ("verify, two threads", self.verify_two_threads_per_s),
            ("attach what is verified, order, state", self.fold_per_s),
            ("all of it, one core", self.replay_verified_per_s),
        ] {
            writeln!(f, "  {what:<40} {per_s:>12.0}")?;
        }
        writeln!(f, "\ndurable append")?;
        writeln!(
            f,
            "  {:>18} {:>12} {:>12}",
            "entries a commit", "entries/s", "commits/s"
        )?;
        self.append.iter().try_for_each(|row| write!(f, "{row}"))?;
        write!(f, "\n{}", self.open)?;
        writeln!(
            f,
            "\nsync by version vectors, {} entries before",
            self.vectors.first().map_or(0, |row| row.entries)
        )?;
        writeln!(
            f,
            "  {:>8} {:>8} {:>8} {:>10} {:>12} {:>12} {:>9}",
            "missing", "authors", "changed", "overhead B", "B an author", "round trips", "ms"
        )?;
        self.vectors.iter().try_for_each(|row| write!(f, "{row}"))?;
        writeln!(f, "\nrepair by sketches, differences at random places")?;
        writeln!(
            f,
            "  {:>8} {:>8} {:>16} {:>14} {:>14} {:>9}",
            "ids", "differ", "one answer did", "B a difference", "with wants", "ms"
        )?;
        self.sketches.iter().try_for_each(|row| write!(f, "{row}"))
    }
}

impl fmt::Display for AppendRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:>18} {:>12.0} {:>12.0}",
            self.entries_per_commit, self.entries_per_s, self.commits_per_s
        )
    }
}

impl fmt::Display for OpenRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "opening {} entries, {:.1} MB, in s",
            self.entries,
            self.bytes as f64 / 1e6
        )?;
        for (what, s) in [
            ("every frame checked", self.open_s),
            ("and the graph rebuilt from it", self.open_s + self.load_s),
            ("the index made from nothing", self.index_s),
            ("one entry found by the index", self.find_s),
        ] {
            writeln!(f, "  {what:<40} {s:>12.4}")?;
        }
        Ok(())
    }
}

impl fmt::Display for VectorRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:>8} {:>8} {:>8} {:>10} {:>12.1} {:>12.1} {:>9.1}",
            self.missing,
            self.authors,
            self.changed_authors,
            self.overhead_bytes,
            self.bytes_per_changed_author,
            self.turns as f64 / 2.0,
            self.s * 1e3
        )
    }
}

impl fmt::Display for SketchRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:>8} {:>8} {:>16} {:>14.1} {:>14.1} {:>9.1}",
            self.ids,
            self.difference,
            format!("{} of {}", self.first_time, self.cases),
            self.bytes_per_difference,
            self.with_wants,
            self.s * 1e3
        )
    }
}
