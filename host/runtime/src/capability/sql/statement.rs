//! One statement, read just far enough: where its placeholders are, that it is one statement, and of what kind.
//!
//! A connector writes `?` for a parameter whatever the database. What is inside strings, quoted
//! identifiers, comments and dollar quotes is not looked at. PostgreSQL has operators that begin with `?`;
//! there, `??` is one question mark of an operator. Values never become part of the text.

use super::error::Error;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Mysql,
    Sqlite,
    /// Whatever is behind an ODBC driver: only what all have in common is known.
    #[cfg_attr(not(feature = "odbc"), allow(dead_code))]
    Odbc,
}

/// A statement in the spelling of its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) placeholders: usize,
    /// Does its first word promise that nothing is changed?
    pub(super) reads: bool,
}

/// Statements that would change what a connection is for its next user, end a transaction behind its
/// resource's back, or reach past the database. First words, in upper case.
const TRANSACTION: &[&str] = &[
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT",
    "RELEASE",
    "XA",
];
const SESSION: &[&str] = &[
    "SET",
    "RESET",
    "DISCARD",
    "USE",
    "ATTACH",
    "DETACH",
    "PRAGMA",
    "VACUUM",
    "LISTEN",
    "UNLISTEN",
    "LOAD",
    "COPY",
    "UNLOCK",
    "HANDLER",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "PREPARE",
    "DEALLOCATE",
    "DO",
    "KILL",
    "SHUTDOWN",
    "DELIMITER",
    "GO",
];
const READS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC",
];

/// What makes `WITH` more than a query.
const CHANGES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE"];

impl Statement {
    /// Reads what a guest wrote.
    pub(super) fn parse(source: &str, dialect: Dialect) -> Result<Self, Error> {
        let mut lexer = Lexer {
            rest: source,
            dialect,
            text: String::with_capacity(source.len() + 16),
            placeholders: 0,
            first: None,
            ended: false,
            changes: false,
        };
        while lexer.token()? {}
        let Some(first) = lexer.first else {
            return Err(Error::Statement("it is empty".to_owned()));
        };
        check_kind(&first, dialect)?;
        Ok(Self {
            reads: READS.contains(&first.as_str()) && !(first == "WITH" && lexer.changes),
            text: lexer.text,
            placeholders: lexer.placeholders,
        })
    }
}

fn check_kind(first: &str, dialect: Dialect) -> Result<(), Error> {
    if TRANSACTION.contains(&first) {
        return Err(Error::Kind(format!(
            "{first} belongs to the host: use `begin`, `commit`, and drop a transaction to roll it back"
        )));
    }
    let locks = first == "LOCK" && dialect == Dialect::Mysql;
    let executes = first == "EXECUTE" && dialect != Dialect::Odbc;
    if SESSION.contains(&first) || locks || executes {
        return Err(Error::Kind(format!(
            "{first} would change the connection for its next user, or reach past the database"
        )));
    }
    Ok(())
}

struct Lexer<'a> {
    rest: &'a str,
    dialect: Dialect,
    text: String,
    placeholders: usize,
    first: Option<String>,
    /// A `;` has been seen.
    ended: bool,
    /// A word has been seen that a query with a change in it holds.
    changes: bool,
}

impl Lexer<'_> {
    /// One token; false at the end.
    fn token(&mut self) -> Result<bool, Error> {
        let mut characters = self.rest.chars();
        let Some(c) = characters.next() else {
            return Ok(false);
        };
        let next = characters.next();
        if c.is_whitespace() {
            self.copy(c.len_utf8());
            return Ok(true);
        }
        if self.comment(c, next)? {
            return Ok(true);
        }
        if c == ';' {
            // Not copied: a driver may take what follows for a second statement.
            self.ended = true;
            self.rest = &self.rest[1..];
            return Ok(true);
        }
        if self.ended {
            return Err(Error::Statement(
                "it holds more than one statement: send them one by one".to_owned(),
            ));
        }
        match c {
            '\0' => return Err(Error::Statement("it holds U+0000".to_owned())),
            '\'' => self.quoted(1, '\'', self.dialect == Dialect::Mysql)?,
            '"' => self.quoted(1, '"', self.dialect == Dialect::Mysql)?,
            '`' if matches!(self.dialect, Dialect::Mysql | Dialect::Sqlite) => {
                self.quoted(1, '`', false)?;
            }
            '[' if self.dialect == Dialect::Sqlite => self.quoted(1, ']', false)?,
            '$' if self.dialect == Dialect::Postgres => self.dollar()?,
            '?' => self.question(next)?,
            ':' | '@' | '$' if self.dialect == Dialect::Sqlite && next.is_some_and(is_word) => {
                return Err(native());
            }
            ':' if self.dialect == Dialect::Mysql && next.is_some_and(is_word) => {
                return Err(native());
            }
            _ if is_word(c) => self.word()?,
            _ => {
                // The statement has begun, unless this only opens it: `(SELECT …) UNION …`, `{call …}`.
                if !matches!(c, '(' | '{') && self.first.is_none() {
                    self.first = Some(c.to_string());
                }
                self.copy(c.len_utf8());
                // The driver looks for names of its own (`:name`), and does not see a quote right after these.
                let hides = matches!(c, '-' | '/') && matches!(next, Some('\'' | '"' | '`'));
                if hides && self.dialect == Dialect::Mysql {
                    self.text.push(' ');
                }
            }
        }
        Ok(true)
    }

    fn copy(&mut self, bytes: usize) {
        let (done, rest) = self.rest.split_at(bytes);
        self.text.push_str(done);
        self.rest = rest;
    }

    /// Replaces a comment by a space, so that no driver's idea of comments matters.
    fn comment(&mut self, c: char, next: Option<char>) -> Result<bool, Error> {
        let mysql = self.dialect == Dialect::Mysql;
        let dashes = c == '-' && next == Some('-') && {
            // For MySQL, `5--1` is arithmetic: a comment needs a blank after its dashes.
            let third = self.rest[2..].chars().next();
            !mysql || third.is_none_or(|c| c.is_whitespace() || c.is_control())
        };
        if dashes || (mysql && c == '#') {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
            self.text.push(' ');
            return Ok(true);
        }
        if c != '/' || next != Some('*') {
            return Ok(false);
        }
        if mysql && (self.rest.starts_with("/*!") || self.rest.starts_with("/*M!")) {
            return Err(Error::Statement(
                "it holds a comment that the server would execute".to_owned(),
            ));
        }
        let nested = self.dialect == Dialect::Postgres;
        let mut depth = 0_usize;
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        loop {
            match bytes.get(at..at + 2) {
                Some(b"/*") if depth == 0 || nested => {
                    depth += 1;
                    at += 2;
                }
                Some(b"*/") => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                Some(_) => at += 1,
                None => return Err(unended("comment")),
            }
        }
        self.rest = &self.rest[at..];
        self.text.push(' ');
        Ok(true)
    }

    /// A string or a quoted identifier that begins `skip` bytes before its content. A doubled quote is one of its characters.
    fn quoted(&mut self, skip: usize, quote: char, backslash: bool) -> Result<(), Error> {
        self.begin_with(quote);
        let mut characters = self.rest[skip..].char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            if c == '\0' {
                return Err(Error::Statement("it holds U+0000".to_owned()));
            }
            if c == '\\' && backslash {
                characters.next();
            } else if c == quote {
                if quote != ']' && characters.peek().is_some_and(|(_, next)| *next == quote) {
                    characters.next();
                    continue;
                }
                self.copy(skip + at + c.len_utf8());
                return Ok(());
            }
        }
        Err(unended("string or quoted identifier"))
    }

    /// `$tag$ … $tag$`, or the beginning of `$1`.
    fn dollar(&mut self) -> Result<(), Error> {
        let tag = &self.rest[1..];
        let Some(end) = tag.find(|c: char| !is_word(c)) else {
            return Err(native());
        };
        let starts_well = !tag.starts_with(|c: char| c.is_ascii_digit());
        if !tag[end..].starts_with('$') || !starts_well {
            return Err(native());
        }
        self.begin_with('$');
        let delimiter = &self.rest[..end + 2];
        let Some(close) = self.rest[delimiter.len()..].find(delimiter) else {
            return Err(unended("dollar-quoted string"));
        };
        self.copy(close + 2 * delimiter.len());
        Ok(())
    }

    fn question(&mut self, next: Option<char>) -> Result<(), Error> {
        self.begin_with('?');
        if next == Some('?') {
            if self.dialect != Dialect::Postgres {
                return Err(Error::Statement(
                    "`??` is a question mark in an operator of PostgreSQL; a parameter is one `?`"
                        .to_owned(),
                ));
            }
            self.text.push('?');
            self.rest = &self.rest[2..];
            return Ok(());
        }
        if next.is_some_and(is_word) {
            return Err(native());
        }
        if self.dialect == Dialect::Postgres && matches!(next, Some('|' | '&')) {
            return Err(Error::Statement(
                "PostgreSQL's operators `?|` and `?&` are written `??|` and `??&` here".to_owned(),
            ));
        }
        self.placeholders += 1;
        self.rest = &self.rest[1..];
        if self.dialect == Dialect::Postgres {
            // The blanks keep it from growing together with its neighbours.
            self.text.push_str(&format!(" ${} ", self.placeholders));
        } else {
            self.text.push_str(" ? ");
        }
        Ok(())
    }

    /// An identifier, a keyword or a number.
    fn word(&mut self) -> Result<(), Error> {
        // `$` goes on in an identifier, but does not go on a number: `1$1` is not one token.
        let number = self.rest.starts_with(|c: char| c.is_ascii_digit());
        let end = self
            .rest
            .find(|c: char| !(is_word(c) || (c == '$' && !number)))
            .unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        if self.first.is_none() {
            self.first = Some(word.to_ascii_uppercase());
        }
        self.changes |= CHANGES
            .iter()
            .any(|change| word.eq_ignore_ascii_case(change));
        let escapes = self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case("e");
        if escapes && self.rest[end..].starts_with('\'') {
            return self.quoted(end + 1, '\'', true);
        }
        self.copy(end);
        Ok(())
    }

    fn begin_with(&mut self, c: char) {
        self.first.get_or_insert_with(|| c.to_string());
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

fn unended(what: &str) -> Error {
    Error::Statement(format!("a {what} does not end"))
}

fn native() -> Error {
    Error::Statement(
        "a parameter is written `?`, without a number or a name, whatever the database".to_owned(),
    )
}
