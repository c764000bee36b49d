//! Errors in a scenario: each names the file, the line, the column, the value
//! that stands there and what to write instead.

use std::ops::Range;

/// What separates a message from its remedy in an error that comes out of a
/// deserialiser, which has room for one text only.
pub(crate) const REMEDY: &str = " ⟶ ";

/// Something wrong at one place of a scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioError(Box<Inner>);

#[derive(Debug, Clone, PartialEq)]
struct Inner {
    file: String,
    text: String,
    span: Range<usize>,
    line: usize,
    column: usize,
    message: String,
    remedy: String,
}

impl ScenarioError {
    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// The value (or key) that stands there, cut after 60 characters.
    pub fn value(&self) -> String {
        let text = self.0.text.get(self.0.span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        line.chars().take(60).collect()
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.0.remedy
    }
}

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner {
            file,
            line,
            column,
            message,
            remedy,
            ..
        } = &*self.0;
        write!(f, "{file}:{line}:{column}: {message}")?;
        let value = self.value();
        if !value.is_empty() {
            write!(f, " (at `{value}`)")?;
        }
        write!(f, "; {remedy}")
    }
}

impl std::error::Error for ScenarioError {}

impl miette::Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.0.remedy))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.0.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = self.0.span.clone();
        let label = miette::LabeledSpan::new_with_span(Some("here".to_owned()), span);
        Some(Box::new(std::iter::once(label)))
    }
}

/// A scenario's text and name: what errors are made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn error(
        &self,
        span: &Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ScenarioError {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        ScenarioError(Box::new(Inner {
            file: self.file.clone(),
            text: self.text.clone(),
            span: span.clone(),
            line,
            column,
            message: message.into(),
            remedy: remedy.into(),
        }))
    }

    /// The error of the TOML reader, with a remedy.
    pub(crate) fn toml(&self, error: &toml::de::Error) -> ScenarioError {
        let span = error.span().unwrap_or(0..0);
        let whole = error.message();
        if let Some((message, remedy)) = whole.split_once(REMEDY) {
            return self.error(&span, message, remedy);
        }
        let remedy = if whole.starts_with("unknown field") {
            "remove the field or correct its spelling; schemas/scenario.schema.json lists all fields"
        } else if whole.starts_with("missing field") {
            "add the field to this table; schemas/scenario.schema.json says what it means"
        } else if whole.starts_with("invalid type") {
            "give a value of the expected type; schemas/scenario.schema.json lists the types"
        } else if whole.starts_with("duplicate key") {
            "give the field once"
        } else if whole.starts_with("unknown variant") {
            "use one of the words that are listed"
        } else {
            "correct the TOML at this place"
        };
        self.error(&span, whole, remedy)
    }
}
