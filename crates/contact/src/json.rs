//! A small JSON reader (RFC 8259) that knows the line of every value, so that
//! an error about a value can point at it, and that keeps the order of members.

use crate::error::{ContactError, ErrorKind};

/// Nesting that is accepted; no dialect here needs more than nine.
const MAX_DEPTH: u32 = 32;

/// Values that one document may hold: twice what a plan of the largest size needs.
const MAX_VALUES: usize = 8_000_000;

/// A value and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub(crate) line: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// The digits as written: a double and an integer can both be had from it.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one document.
    pub(crate) fn parse(text: &str) -> Result<Self, ContactError> {
        let mut parser = Parser {
            bytes: text.as_bytes(),
            text,
            at: 0,
            line: 1,
            values: 0,
        };
        let value = parser.value(0)?;
        parser.space();
        if parser.at < parser.bytes.len() {
            return Err(parser.error("text after the end of the document"));
        }
        Ok(value)
    }

    /// What kind of value it is, for an error.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(value) => value.to_string(),
            Kind::Number(digits) => digits.clone(),
            Kind::String(text) => format!("\"{text}\""),
            Kind::Array(items) => format!("[… {} values]", items.len()),
            Kind::Object(members) => format!("{{… {} members}}", members.len()),
        }
    }

    fn expected(&self, what: &str, remedy: &str) -> ContactError {
        ContactError::new(
            ErrorKind::Value,
            self.describe(),
            format!("not {what}"),
            remedy,
        )
        .at(self.line)
    }

    pub(crate) fn member(&self, key: &str) -> Option<&Json> {
        match &self.kind {
            Kind::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(crate) fn required(&self, key: &str) -> Result<&Json, ContactError> {
        self.member(key).ok_or_else(|| {
            ContactError::new(
                ErrorKind::Syntax,
                self.describe(),
                format!("the member \"{key}\" is missing"),
                format!("add \"{key}\""),
            )
            .at(self.line)
        })
    }

    pub(crate) fn array(&self) -> Result<&[Json], ContactError> {
        match &self.kind {
            Kind::Array(items) => Ok(items),
            _ => Err(self.expected("an array", "write [ … ]")),
        }
    }

    pub(crate) fn object(&self) -> Result<&[(String, Json)], ContactError> {
        match &self.kind {
            Kind::Object(members) => Ok(members),
            _ => Err(self.expected("an object", "write { … }")),
        }
    }

    pub(crate) fn string(&self) -> Result<&str, ContactError> {
        match &self.kind {
            Kind::String(text) => Ok(text),
            _ => Err(self.expected("a string", "write it in double quotes")),
        }
    }

    pub(crate) fn number(&self) -> Result<f64, ContactError> {
        match &self.kind {
            Kind::Number(digits) => digits
                .parse::<f64>()
                .ok()
                .filter(|value| value.is_finite())
                .ok_or_else(|| self.expected("a number that fits", "write a smaller number")),
            _ => Err(self.expected("a number", "write a plain number")),
        }
    }

    pub(crate) fn unsigned(&self) -> Result<u64, ContactError> {
        match &self.kind {
            Kind::Number(digits) => digits
                .parse()
                .map_err(|_| self.expected("a whole number from 0 on", "write digits only")),
            _ => Err(self.expected("a whole number from 0 on", "write digits only")),
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: u32,
    values: usize,
}

impl Parser<'_> {
    fn error(&self, problem: &str) -> ContactError {
        let rest: String = self
            .text
            .get(self.at..)
            .unwrap_or("")
            .chars()
            .take(24)
            .collect();
        ContactError::new(
            ErrorKind::Syntax,
            rest,
            format!("not JSON: {problem}"),
            "correct the text at this place",
        )
        .at(self.line)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.line += u32::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, problem: &str) -> Result<(), ContactError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.error(problem))
        }
    }

    fn value(&mut self, depth: u32) -> Result<Json, ContactError> {
        self.space();
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            let mut error = self.error("nested too deeply, or too many values");
            error.kind = ErrorKind::Limit;
            return Err(error);
        }
        let line = self.line;
        let kind = match self.peek() {
            Some(b'{') => self.members(depth)?,
            Some(b'[') => self.items(depth)?,
            Some(b'"') => Kind::String(self.quoted()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.digits()?),
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(_) => return Err(self.error("no value begins like this")),
            None => return Err(self.error("the text ends where a value should be")),
        };
        Ok(Json { line, kind })
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, ContactError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(self.error("no value begins like this"))
        }
    }

    fn members(&mut self, depth: u32) -> Result<Kind, ContactError> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member's name in double quotes is missing"));
            }
            let name = self.quoted()?;
            if !names.insert(name.clone()) {
                return Err(self.error(&format!("the member \"{name}\" is given twice")));
            }
            self.space();
            self.take(b':', "a colon is missing")?;
            let value = self.value(depth + 1)?;
            members.push((name, value));
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b'}', "a comma or a closing brace is missing")?;
                return Ok(Kind::Object(members));
            }
        }
    }

    fn items(&mut self, depth: u32) -> Result<Kind, ContactError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b']', "a comma or a closing bracket is missing")?;
                return Ok(Kind::Array(items));
            }
        }
    }

    fn digits(&mut self) -> Result<String, ContactError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let run = |parser: &mut Self| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at - from
        };
        let leading_zero = self.peek() == Some(b'0');
        let whole = run(self);
        let mut well_formed = whole >= 1 && !(leading_zero && whole > 1);
        if self.peek() == Some(b'.') {
            self.at += 1;
            well_formed &= run(self) >= 1;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            well_formed &= run(self) >= 1;
        }
        if !well_formed || self.at - start > 400 {
            self.at = start;
            return Err(self.error("a number of another form"));
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn quoted(&mut self) -> Result<String, ContactError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let from = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            text.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string that does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ContactError> {
        let byte = self.peek();
        if byte.is_some_and(|b| b.is_ascii()) {
            self.at += 1;
        }
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex()?;
                let code = if (0xd800..0xdc00).contains(&high)
                    && self.bytes.get(self.at..self.at + 2) == Some(b"\\u")
                {
                    self.at += 2;
                    let low = self.hex()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(self.error("half of a surrogate pair"));
                    }
                    0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    high
                };
                char::from_u32(code).ok_or_else(|| self.error("half of a surrogate pair"))?
            }
            _ => return Err(self.error("an unknown escape")),
        })
    }

    fn hex(&mut self) -> Result<u32, ContactError> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .ok_or_else(|| self.error("four hexadecimal digits are missing"))?;
        self.at += 4;
        Ok(code)
    }
}

/// Writes a string as JSON.
pub(crate) fn quote(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
