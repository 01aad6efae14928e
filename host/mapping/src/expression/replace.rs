//! `Replace`, which does one of five things depending on which of its arguments are given.

use std::borrow::Cow;

use super::error::Fault;
use super::evaluate::{Arguments, Evaluated, Stop};
use super::pattern::{self, Pattern};
use super::value::{MAX_TEXT, Value};

const OLD: usize = 1;
const PATTERN: usize = 2;
const GROUP: usize = 3;
const NEW: usize = 4;
const ATTRIBUTE: usize = 5;
const TEMPLATE: usize = 6;

pub(super) fn replace(a: &Arguments<'_>) -> Evaluated {
    let source = a.text(0)?;
    if a.given(PATTERN) && a.given(GROUP) && a.given(ATTRIBUTE) {
        return match source.filter(|source| !source.is_empty()) {
            Some(source) => Ok(source.into()),
            None => from_attribute(a),
        };
    }
    let Some(source) = source else {
        return Ok(Value::Null);
    };
    let replaced = if a.given(OLD) {
        let old = a.text_or_empty(OLD)?;
        if a.given(TEMPLATE) {
            literal(a, &a.text_or_empty(TEMPLATE)?, &old, &source)?
        } else {
            literal(a, &source, &old, &a.text_or_empty(NEW)?)?
        }
    } else {
        by_pattern(a, &source)?
    };
    Ok(replaced.into())
}

fn literal(a: &Arguments<'_>, text: &str, old: &str, new: &str) -> Result<String, Stop> {
    if old.is_empty() {
        return Ok(text.to_owned());
    }
    let count = text.matches(old).count();
    if text.len().saturating_add(count.saturating_mul(new.len())) > MAX_TEXT {
        return Err(a.fail(Fault::TooLong));
    }
    Ok(text.replace(old, new))
}

fn by_pattern(a: &Arguments<'_>, source: &str) -> Result<String, Stop> {
    let pattern = pattern_of(a)?;
    let group = a.text(GROUP)?;
    let new = a.text_or_empty(NEW)?;
    if let Some(name) = &group {
        check_group(a, &pattern, name)?;
    }
    let (mut out, mut end) = (String::new(), 0);
    for captures in pattern.captures_iter(source) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        match &group {
            // Only the group's own part is replaced, and by the value as it is.
            Some(name) => {
                let Some(part) = captures.name(name) else {
                    continue;
                };
                out.push_str(&source[end..part.start()]);
                out.push_str(&new);
                end = part.end();
            }
            None => {
                out.push_str(&source[end..whole.start()]);
                pattern::expand(&pattern, &captures, &new, &mut out);
                end = whole.end();
            }
        }
        if out.len() > MAX_TEXT {
            return Err(a.fail(Fault::TooLong));
        }
    }
    out.push_str(&source[end..]);
    Ok(out)
}

/// The source has no value: the group's part of another attribute is taken.
fn from_attribute(a: &Arguments<'_>) -> Evaluated {
    let pattern = pattern_of(a)?;
    let name = a.text_or_empty(GROUP)?;
    check_group(a, &pattern, &name)?;
    let Some(other) = a.text(ATTRIBUTE)? else {
        return Ok(Value::Null);
    };
    let found = pattern
        .captures(&other)
        .and_then(|captures| Some(captures.name(&name)?.as_str().to_owned()));
    Ok(found.map_or(Value::Null, Value::Text))
}

fn pattern_of<'a>(a: &'a Arguments<'_>) -> Result<Cow<'a, Pattern>, Stop> {
    let text = a.text_or_empty(PATTERN)?;
    match a.evaluator.patterns.get(&text) {
        Some(known) => Ok(Cow::Borrowed(known)),
        None => pattern::compile(&text)
            .map(Cow::Owned)
            .map_err(|why| a.fail(Fault::Pattern(why))),
    }
}

fn check_group(a: &Arguments<'_>, pattern: &Pattern, name: &str) -> Result<(), Stop> {
    if pattern::has_group(pattern, name) {
        return Ok(());
    }
    Err(a.fail(Fault::Group(name.to_owned())))
}
