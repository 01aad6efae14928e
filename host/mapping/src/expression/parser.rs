//! From words to a tree, and what can be said of it without values.

use super::error::{Cause, ParseError};
use super::function::Function;
use super::lexer::{Token, tokens};
use super::node::{Call, Case, Node};
use crate::error::near_names;

/// How deep calls may be nested: the tree is walked recursively.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Node, ParseError> {
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser {
        tokens,
        next: 0,
        end,
    };
    if parser.tokens.is_empty() {
        return Err(ParseError {
            at: 1,
            cause: Cause::Empty,
        });
    }
    let root = parser.expression(0)?;
    if parser.next < parser.tokens.len() {
        return Err(parser.unexpected("the end of the expression"));
    }
    Ok(root)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn unexpected(&self, expected: &'static str) -> ParseError {
        ParseError {
            at: self.at(),
            cause: Cause::Expected {
                expected,
                found: self
                    .peek()
                    .map_or_else(|| "the end".to_owned(), Token::shown),
            },
        }
    }

    /// A value, or two that are compared.
    fn expression(&mut self, depth: usize) -> Result<Node, ParseError> {
        let left = self.value(depth)?;
        let Some(Token::Operator(operator)) = self.peek() else {
            return Ok(left);
        };
        let operator = *operator;
        self.next += 1;
        let right = self.value(depth)?;
        Ok(Node::Compare(Box::new(left), operator, Box::new(right)))
    }

    fn value(&mut self, depth: usize) -> Result<Node, ParseError> {
        let at = self.at();
        let token = self.peek().cloned();
        let node = match token {
            Some(Token::Text(text)) => Node::Text(text),
            Some(Token::Integer(number)) => Node::Integer(number),
            Some(Token::Attribute(name)) => Node::Attribute(name),
            Some(Token::Word(word)) => {
                self.next += 1;
                if self.peek() == Some(&Token::Open) {
                    return self.call(&word, at, depth);
                }
                return constant(&word).ok_or(ParseError {
                    at,
                    cause: Cause::Word(word),
                });
            }
            _ => return Err(self.unexpected("a function, an [attribute], a \"text\" or a number")),
        };
        self.next += 1;
        Ok(node)
    }

    fn call(&mut self, name: &str, at: usize, depth: usize) -> Result<Node, ParseError> {
        let fail = |cause| ParseError { at, cause };
        if depth >= MAX_DEPTH {
            return Err(fail(Cause::TooDeep));
        }
        let function = Function::named(name).ok_or_else(|| {
            let names = Function::ALL.iter().map(|function| function.name());
            fail(Cause::UnknownFunction {
                name: name.to_owned(),
                near: near_names(name, names).into_iter().next(),
            })
        })?;
        self.next += 1;
        let mut arguments = Vec::new();
        if self.peek() == Some(&Token::Close) {
            self.next += 1;
        } else {
            loop {
                let blank = matches!(self.peek(), Some(Token::Comma | Token::Close));
                arguments.push(if blank {
                    Node::Absent
                } else {
                    self.expression(depth + 1)?
                });
                match self.peek() {
                    Some(Token::Comma) => self.next += 1,
                    Some(Token::Close) => {
                        self.next += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("`,` or `)`")),
                }
            }
        }
        if function == Function::SelectUniqueValue && depth > 0 {
            return Err(fail(Cause::Misuse {
                function: function.name(),
                what: "must be the outermost function",
            }));
        }
        function.check(&arguments).map_err(fail)?;
        Ok(Node::Call(Call {
            function,
            arguments,
            at,
        }))
    }
}

fn constant(word: &str) -> Option<Node> {
    match word {
        "vbTextCompare" => Some(Node::Case(Case::Ignored)),
        "vbBinaryCompare" => Some(Node::Case(Case::Exact)),
        word if word.eq_ignore_ascii_case("true") => Some(Node::Boolean(true)),
        word if word.eq_ignore_ascii_case("false") => Some(Node::Boolean(false)),
        _ => None,
    }
}
