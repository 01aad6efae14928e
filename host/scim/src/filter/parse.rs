//! The grammar of RFC 7644, figure 1, by recursive descent, with Entra's deviations.
//!
//! Accepted beyond the RFC, but in strict mode: a bare word where a string should stand (`externalId eq jyoung`, as
//! Entra's documentation shows it); a test of a part of the elements that a value path chose
//! (`emails[type eq "work"].value eq "x"`).

use serde_json::Number;

use super::{CompareOp, Filter, Literal};
use crate::path::{AttributePath, Cursor, ParseError};
use crate::{Deviation, Rules};

type Parsed = Result<Filter, ParseError>;

pub(super) fn filter(rules: &Rules, text: &str) -> Parsed {
    let mut cursor = Cursor::new(text, rules);
    let filter = disjunction(&mut cursor, false)?;
    cursor.blanks();
    cursor.end()?;
    Ok(filter)
}

/// What stands between `[` and `]`.
pub(crate) fn element(cursor: &mut Cursor<'_>) -> Parsed {
    nested(cursor, |cursor| disjunction(cursor, true))
}

fn nested(cursor: &mut Cursor<'_>, inner: impl FnOnce(&mut Cursor<'_>) -> Parsed) -> Parsed {
    let most = cursor.rules.limits.filter_depth;
    if cursor.depth >= most {
        return cursor.fail(format!("the filter nests deeper than {most} levels"));
    }
    cursor.depth += 1;
    let filter = inner(cursor)?;
    cursor.depth -= 1;
    Ok(filter)
}

fn disjunction(cursor: &mut Cursor<'_>, in_element: bool) -> Parsed {
    let mut left = conjunction(cursor, in_element)?;
    while keyword(cursor, "or") {
        let right = conjunction(cursor, in_element)?;
        left = Filter::Or(Box::new(left), Box::new(right));
    }
    Ok(left)
}

fn conjunction(cursor: &mut Cursor<'_>, in_element: bool) -> Parsed {
    let mut left = factor(cursor, in_element)?;
    while keyword(cursor, "and") {
        let right = factor(cursor, in_element)?;
        left = Filter::And(Box::new(left), Box::new(right));
    }
    Ok(left)
}

/// Takes `and` or `or` between two operands.
fn keyword(cursor: &mut Cursor<'_>, word: &str) -> bool {
    cursor.blanks();
    let found = cursor.word().eq_ignore_ascii_case(word);
    if found {
        cursor.advance(word.len());
    }
    found
}

fn factor(cursor: &mut Cursor<'_>, in_element: bool) -> Parsed {
    cursor.blanks();
    if cursor.take('(') {
        return group(cursor, in_element);
    }
    // `not` is an operator only in front of a parenthesis; otherwise it is an attribute's name.
    if cursor.word().eq_ignore_ascii_case("not") && cursor.rest()[3..].trim_start().starts_with('(')
    {
        cursor.advance(3);
        cursor.blanks();
        cursor.take('(');
        return Ok(Filter::Not(Box::new(group(cursor, in_element)?)));
    }
    test(cursor, in_element)
}

/// What follows an opening parenthesis.
fn group(cursor: &mut Cursor<'_>, in_element: bool) -> Parsed {
    let filter = nested(cursor, |cursor| disjunction(cursor, in_element))?;
    cursor.blanks();
    if cursor.take(')') {
        Ok(filter)
    } else {
        cursor.fail("`)` was expected")
    }
}

fn test(cursor: &mut Cursor<'_>, in_element: bool) -> Parsed {
    cursor.terms += 1;
    let most = cursor.rules.limits.filter_terms;
    if cursor.terms > most {
        return cursor.fail(format!("the filter has more than {most} tests"));
    }
    let path = cursor.attribute_path()?;
    if cursor.peek() != Some('[') {
        return comparison(cursor, path);
    }
    if in_element {
        return cursor.fail("a value path cannot stand in another one");
    }
    let (filter, sub) = cursor.element_filter()?;
    let Some(filter) = filter else {
        return cursor.fail("`[` was expected");
    };
    let filter = match sub {
        Some(_) if !cursor.rules.accepts(Deviation::ValuePathTest) => {
            return cursor.fail("a value path stands alone; put the test into its brackets");
        }
        Some(sub) => {
            let part = comparison(cursor, AttributePath::bare(sub))?;
            Filter::And(Box::new(filter), Box::new(part))
        }
        None => filter,
    };
    Ok(Filter::Element(path, Box::new(filter)))
}

/// The operator and the literal behind an attribute.
fn comparison(cursor: &mut Cursor<'_>, path: AttributePath) -> Parsed {
    cursor.blanks();
    let word = cursor.word();
    if word.eq_ignore_ascii_case("pr") {
        cursor.advance(word.len());
        return Ok(Filter::Present(path));
    }
    let Some(op) = operator(word) else {
        return cursor.fail("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) was expected");
    };
    cursor.advance(word.len());
    cursor.blanks();
    let literal = literal(cursor)?;
    Ok(Filter::Test(path, op, literal))
}

fn operator(word: &str) -> Option<CompareOp> {
    use CompareOp::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    [Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le]
        .into_iter()
        .find(|op| op.as_str().eq_ignore_ascii_case(word))
}

fn literal(cursor: &mut Cursor<'_>) -> Result<Literal, ParseError> {
    if cursor.peek() == Some('"') {
        return text(cursor);
    }
    let rest = cursor.rest();
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, ')' | ']' | '"'))
        .unwrap_or(rest.len());
    let word = &rest[..end];
    if word.is_empty() {
        return cursor.fail("a value was expected");
    }
    cursor.advance(end);
    if cursor.peek() == Some('"') {
        return cursor.fail("a quotation mark cannot stand in an unquoted value");
    }
    let keywords = [
        ("true", Literal::Boolean(true)),
        ("false", Literal::Boolean(false)),
        ("null", Literal::Null),
    ];
    if let Some((_, literal)) = keywords
        .into_iter()
        .find(|(keyword, _)| keyword.eq_ignore_ascii_case(word))
    {
        return Ok(literal);
    }
    match number(word) {
        Some(number) => Ok(Literal::Number(number)),
        None if cursor.rules.accepts(Deviation::BareWords) => Ok(Literal::Text(word.to_owned())),
        None => cursor.fail("a text stands in quotation marks; before here one does not"),
    }
}

/// A JSON number. Fractions are read by the standard library, which is exact to the last digit.
fn number(word: &str) -> Option<Number> {
    let number: Number = serde_json::from_str(word).ok()?;
    if number.is_f64() {
        Number::from_f64(word.parse().ok()?)
    } else {
        Some(number)
    }
}

/// A JSON string.
fn text(cursor: &mut Cursor<'_>) -> Result<Literal, ParseError> {
    let rest = cursor.rest();
    let mut escaped = false;
    let closing = rest
        .bytes()
        .enumerate()
        .skip(1)
        .find_map(|(index, byte)| match byte {
            _ if escaped => {
                escaped = false;
                None
            }
            b'\\' => {
                escaped = true;
                None
            }
            b'"' => Some(index),
            _ => None,
        });
    let Some(closing) = closing else {
        return cursor.fail("the text has no closing quotation mark");
    };
    match serde_json::from_str(&rest[..=closing]) {
        Ok(text) => {
            cursor.advance(closing + 1);
            Ok(Literal::Text(text))
        }
        Err(_) => cursor.fail("the text is not a JSON string (write `\\` as `\\\\`)"),
    }
}
