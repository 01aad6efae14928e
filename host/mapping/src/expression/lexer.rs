//! The words of an expression.

use super::error::{Cause, ParseError};
use super::node::Operator;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Integer(i64),
    Attribute(String),
    Word(String),
    Open,
    Close,
    Comma,
    Operator(Operator),
}

impl Token {
    /// For messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(_) => "a text".to_owned(),
            Self::Integer(number) => format!("`{number}`"),
            Self::Attribute(name) => format!("`[{name}]`"),
            Self::Word(word) => format!("`{word}`"),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Operator(operator) => format!("`{}`", operator.as_str()),
        }
    }
}

/// The tokens, each with where it begins (characters, from 1).
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > super::MAX_LENGTH {
        return Err(ParseError {
            at: super::MAX_LENGTH + 1,
            cause: Cause::TooLong,
        });
    }
    let mut lexer = Lexer { chars, next: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer {
    chars: Vec<char>,
    next: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.next;
        while self.peek().is_some_and(&wanted) {
            self.next += 1;
        }
        self.chars[start..self.next].iter().collect()
    }

    fn token(&mut self) -> Result<Option<(usize, Token)>, ParseError> {
        self.take_while(char::is_whitespace);
        let at = self.next + 1;
        let fail = |cause| ParseError { at, cause };
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        let token = match first {
            '"' => self.text().ok_or_else(|| fail(Cause::OpenString))?,
            '[' => {
                let name = self.attribute().ok_or_else(|| fail(Cause::OpenAttribute))?;
                if name.is_empty() {
                    return Err(fail(Cause::NoAttribute));
                }
                Token::Attribute(name)
            }
            '&' | '-' | '0'..='9' => {
                let digits = self.number();
                integer(&digits)
                    .map(Token::Integer)
                    .ok_or_else(|| fail(Cause::Number(digits)))?
            }
            '(' | ')' | ',' | '=' => {
                self.next += 1;
                match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    ',' => Token::Comma,
                    _ => Token::Operator(Operator::Equal),
                }
            }
            '<' | '>' => Token::Operator(self.operator(first)),
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.take_while(|c| c.is_alphanumeric() || c == '_'))
            }
            other => return Err(fail(Cause::Character(other))),
        };
        Ok(Some((at, token)))
    }

    /// `\\` and `\"` are escapes. Before anything else a backslash stands for itself, as in `"\d+"`.
    fn text(&mut self) -> Option<Token> {
        self.next += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.next += 1;
            match c {
                '"' => return Some(Token::Text(text)),
                '\\' => match self.peek()? {
                    escaped @ ('"' | '\\') => {
                        self.next += 1;
                        text.push(escaped);
                    }
                    _ => text.push('\\'),
                },
                other => text.push(other),
            }
        }
    }

    /// Up to the bracket that closes it: a SCIM path has brackets of its own, and quoted text in them.
    fn attribute(&mut self) -> Option<String> {
        self.next += 1;
        let start = self.next;
        let (mut depth, mut quoted) = (1_usize, false);
        loop {
            match self.peek()? {
                '"' if depth > 1 => quoted = !quoted,
                '[' if !quoted => depth += 1,
                ']' if !quoted => depth -= 1,
                _ => {}
            }
            self.next += 1;
            if depth == 0 {
                let name: String = self.chars[start..self.next - 1].iter().collect();
                return Some(name.trim().to_owned());
            }
        }
    }

    /// The whole run of what could belong to a number, so that the message shows it.
    fn number(&mut self) -> String {
        let mut digits = String::new();
        digits.extend(self.peek());
        self.next += 1;
        digits.push_str(&self.take_while(|c| c.is_alphanumeric() || c == '.' || c == '_'));
        digits
    }

    fn operator(&mut self, first: char) -> Operator {
        self.next += 1;
        let (operator, long) = match (first, self.peek()) {
            ('<', Some('>')) => (Operator::NotEqual, true),
            ('<', Some('=')) => (Operator::AtMost, true),
            ('<', _) => (Operator::Less, false),
            (_, Some('=')) => (Operator::AtLeast, true),
            _ => (Operator::Greater, false),
        };
        self.next += usize::from(long);
        operator
    }
}

fn integer(digits: &str) -> Option<i64> {
    match digits
        .strip_prefix("&H")
        .or_else(|| digits.strip_prefix("&h"))
    {
        // `from_str_radix` takes a sign.
        Some(hex) if hex.starts_with(['+', '-']) => None,
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}
