//! A CSV file in memory: its bytes, where its records are, and edits that touch only the records they are about.
//!
//! Records that nobody edits keep their bytes: their quoting, their further fields, their line ends. Looking a record
//! up splits the file into records without parsing their fields, which is what makes a single read cheap.

use std::ops::Range;
use tombolo_sdk::{Failure, Result};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A file's bytes, split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    bytes: Vec<u8>,
    header: Vec<String>,
    /// Where the records begin.
    body: usize,
    delimiter: u8,
    crlf: bool,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(columns: &[&str], delimiter: u8) -> Self {
        let header: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let bytes = encode(&header, delimiter, false);
        Self {
            body: bytes.len(),
            bytes,
            header,
            delimiter,
            crlf: false,
        }
    }

    /// A file's bytes. `name` is for messages.
    pub(crate) fn parse(name: &str, bytes: Vec<u8>, delimiter: u8) -> Result<Self> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
            return Err(Failure::other(format!(
                "{name}, line {line}: not UTF-8; save the file as UTF-8"
            )));
        }
        let start = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let span = Records {
            bytes: &bytes,
            at: start,
            delimiter,
        }
        .next()
        .ok_or_else(|| {
            Failure::other(format!(
                "{name} has no header line; name its columns in the first line"
            ))
        })?;
        let header = fields(&bytes[span.clone()], delimiter);
        let crlf = bytes[span.clone()].ends_with(b"\r\n");
        Ok(Self {
            body: span.end,
            bytes,
            header,
            delimiter,
            crlf,
        })
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Where a column is.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h == name)
    }

    /// Where each record is, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        Records {
            bytes: &self.bytes,
            at: self.body,
            delimiter: self.delimiter,
        }
    }

    /// The record's own bytes, without its line end.
    pub(crate) fn raw(&self, record: &Range<usize>) -> &[u8] {
        let mut raw = &self.bytes[record.clone()];
        while let [rest @ .., b'\r' | b'\n'] = raw {
            raw = rest;
        }
        raw
    }

    /// The record's fields.
    pub(crate) fn fields(&self, record: &Range<usize>) -> Vec<String> {
        fields(&self.bytes[record.clone()], self.delimiter)
    }

    /// All records with their fields, parsed in one go into a row that is used again and again.
    pub(crate) fn each(&self, mut visit: impl FnMut(Range<usize>, &csv::ByteRecord)) {
        let mut reader = reader(&self.bytes[self.body..], self.delimiter, 1 << 16);
        let mut row = csv::ByteRecord::new();
        for record in self.records() {
            // The bytes are in memory and every split into fields is accepted: neither end nor error comes early.
            if !reader.read_byte_record(&mut row).unwrap_or(false) {
                return;
            }
            visit(record, &row);
        }
    }

    /// The first record with this value in a column.
    pub(crate) fn find(&self, column: usize, value: &str) -> Option<Range<usize>> {
        if column == 0 && !value.is_empty() && plain(value, self.delimiter) {
            let wanted = value.as_bytes();
            return self
                .records()
                .find(|record| self.starts_with(record, wanted));
        }
        let mut found = None;
        self.each(|record, row| {
            if found.is_none() && row.get(column) == Some(value.as_bytes()) {
                found = Some(record);
            }
        });
        found
    }

    /// Whether the record's first field, quoted or not, is this.
    fn starts_with(&self, record: &Range<usize>, wanted: &[u8]) -> bool {
        let raw = self.raw(record);
        match raw.first() {
            Some(b'"') => self
                .fields(record)
                .first()
                .is_some_and(|f| f.as_bytes() == wanted),
            _ => raw
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.first().is_none_or(|b| *b == self.delimiter)),
        }
    }

    /// Appends a record.
    pub(crate) fn append<S: AsRef<[u8]>>(&mut self, fields: &[S]) {
        if !self.bytes.ends_with(b"\n") && !self.bytes.ends_with(b"\r") {
            self.bytes
                .extend_from_slice(if self.crlf { b"\r\n" } else { b"\n" });
            self.body = self.body.max(if self.records().next().is_none() {
                self.bytes.len()
            } else {
                0
            });
        }
        self.bytes.extend(encode(fields, self.delimiter, self.crlf));
    }

    /// Puts other fields in a record's place.
    pub(crate) fn replace<S: AsRef<[u8]>>(&mut self, record: Range<usize>, fields: &[S]) {
        self.bytes
            .splice(record, encode(fields, self.delimiter, self.crlf));
    }

    /// Takes a record away.
    pub(crate) fn remove(&mut self, record: Range<usize>) {
        self.bytes.drain(record);
    }

    /// Keeps only the records for which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&csv::ByteRecord) -> bool) {
        let mut kept = self.bytes[..self.body].to_vec();
        self.each(|record, row| {
            if keep(row) {
                kept.extend_from_slice(&self.bytes[record]);
            }
        });
        self.bytes = kept;
    }
}

/// Splits bytes into records as the csv crate does: a quote opens a quoted field only at the field's start.
struct Records<'b> {
    bytes: &'b [u8],
    at: usize,
    delimiter: u8,
}

impl Iterator for Records<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty lines are no records.
        while matches!(self.bytes.get(self.at), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
        let start = self.at;
        let mut at = start;
        while let Some(found) = memchr::memchr3(b'"', b'\r', b'\n', &self.bytes[at..]) {
            at += found;
            if self.bytes[at] == b'"' {
                let opens = at == start || self.bytes[at - 1] == self.delimiter;
                at = if opens { self.close(at + 1) } else { at + 1 };
                continue;
            }
            at += if self.bytes[at..].starts_with(b"\r\n") {
                2
            } else {
                1
            };
            self.at = at;
            return Some(start..at);
        }
        self.at = self.bytes.len();
        (start < self.at).then_some(start..self.at)
    }
}

impl Records<'_> {
    /// Where the quoted field that is open at `at` has ended.
    fn close(&self, mut at: usize) -> usize {
        while let Some(found) = memchr::memchr(b'"', &self.bytes[at..]) {
            at += found + 1;
            if self.bytes.get(at) != Some(&b'"') {
                return at;
            }
            at += 1;
        }
        self.bytes.len()
    }
}

/// Whether a value stands in a file as it is, unquoted.
fn plain(value: &str, delimiter: u8) -> bool {
    !value
        .bytes()
        .any(|b| b == delimiter || matches!(b, b'"' | b'\r' | b'\n'))
}

fn reader(bytes: &[u8], delimiter: u8, buffer: usize) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(buffer)
        .from_reader(bytes)
}

fn fields(record: &[u8], delimiter: u8) -> Vec<String> {
    let mut row = csv::ByteRecord::new();
    let read = reader(record, delimiter, record.len().max(1)).read_byte_record(&mut row);
    if !read.unwrap_or(false) {
        return Vec::new();
    }
    // Lossless: the file is UTF-8, and delimiters and quotes are ASCII.
    row.iter()
        .map(|field| String::from_utf8_lossy(field).into_owned())
        .collect()
}

fn encode<S: AsRef<[u8]>>(fields: &[S], delimiter: u8, crlf: bool) -> Vec<u8> {
    let terminator = if crlf {
        csv::Terminator::CRLF
    } else {
        csv::Terminator::Any(b'\n')
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(terminator)
        .flexible(true)
        .from_writer(Vec::new());
    // Writing to memory cannot fail, and flexible takes any number of fields.
    let _ = writer.write_record(fields);
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
