//! The one error of this room: where, what, and what to do about it.

use std::fmt;

/// What went wrong, coarsely, for a caller that wants to branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not of the dialect's form.
    Syntax,
    /// The form is right and a value is out of its domain.
    Value,
    /// More dialects than one, or none, fit the content.
    Dialect,
    /// A size limit of the readers was exceeded.
    Limit,
    /// A contact is backwards or overlaps another, in strict mode.
    Schedule,
    /// The plan holds something that the target dialect cannot carry.
    Unsupported,
    /// A file cannot be read or written; for callers that do input and output.
    File,
    /// An instant lies outside the ephemeris, or a geometry is impossible.
    Geometry,
}

/// A refusal, with the place, the offending value and a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactError {
    /// Coarse class.
    pub kind: ErrorKind,
    /// Display name of the input, as the caller gave it; empty if there is none.
    pub file: String,
    /// Line in the input, counted from 1.
    pub line: Option<u32>,
    /// The value that was refused, shortened to at most 80 characters.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would make it right.
    pub remedy: String,
}

impl ContactError {
    pub(crate) fn new(
        kind: ErrorKind,
        value: impl fmt::Display,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let mut value: String = value.to_string();
        if value.chars().count() > 80 {
            value = value.chars().take(79).collect();
            value.push('…');
        }
        Self {
            kind,
            file: String::new(),
            line: None,
            value,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn at(mut self, line: u32) -> Self {
        self.line.get_or_insert(line);
        self
    }

    pub(crate) fn in_file(mut self, file: &str) -> Self {
        if self.file.is_empty() {
            file.clone_into(&mut self.file);
        }
        self
    }
}

impl fmt::Display for ContactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)?;
        if !self.value.is_empty() {
            write!(f, ": `{}`", self.value.escape_debug())?;
        }
        write!(f, " ({})", self.remedy)
    }
}

impl std::error::Error for ContactError {}
