//! Regular expressions as .NET writes them, on an engine that takes linear time.
//!
//! What it does not have (looking around, referring back) is refused when the expression is read.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::error::{Cause, ParseError};
use super::function::Function;
use super::node::Node;

/// The compiled size of one pattern.
const MAX_SIZE: usize = 1 << 20;

/// A compiled regular expression.
pub(crate) type Pattern = Regex;

/// Compiles the patterns that stand in the expression as constants.
pub(super) fn compile_constants(
    root: &Node,
    patterns: &mut BTreeMap<String, Pattern>,
) -> Result<(), ParseError> {
    let mut failed = None;
    root.visit(&mut |node| {
        let Node::Call(call) = node else { return };
        let (Function::Replace, Some(Node::Text(text))) = (call.function, call.arguments.get(2))
        else {
            return;
        };
        match compile(text) {
            Ok(pattern) => {
                patterns.insert(text.clone(), pattern);
            }
            Err(why) => {
                failed = failed.take().or(Some(ParseError {
                    at: call.at,
                    cause: Cause::Pattern(why),
                }));
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Compiles one; the error is a sentence.
pub(crate) fn compile(text: &str) -> Result<Pattern, String> {
    RegexBuilder::new(&translate(text))
        .size_limit(MAX_SIZE)
        .dfa_size_limit(MAX_SIZE)
        .nest_limit(64)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            // The last line says what, those before it show where.
            error => {
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        })
}

/// From .NET's spelling to this engine's: in a class a bracket, and doubled `&`, `-` and `~`, are nothing special to .NET,
/// nor are the escapes `\<` and `\>`.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    let (mut class, mut first) = (false, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(angle @ ('<' | '>')) => out.push(angle),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if !class => {
                (class, first) = (true, true);
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
                continue;
            }
            // The first one is a member of the class.
            ']' if class && first => out.push_str("\\]"),
            ']' if class => {
                class = false;
                out.push(']');
            }
            '[' if class => out.push_str("\\["),
            '&' | '~' if class => out.extend(['\\', c]),
            '-' if class && chars.peek() == Some(&'-') => out.push_str("\\-"),
            c => out.push(c),
        }
        first = false;
    }
    out
}

/// .NET's replacement patterns: `${name}`, `$1`, `$&`, `$$`; anything else stands for itself.
pub(super) fn expand(
    pattern: &Pattern,
    captures: &regex::Captures<'_>,
    template: &str,
    out: &mut String,
) {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let taken = if rest.starts_with('$') {
            out.push('$');
            1
        } else if rest.starts_with('&') {
            out.push_str(captures.get(0).map_or("", |found| found.as_str()));
            1
        } else {
            group(pattern, captures, rest, out)
        };
        if taken == 0 {
            out.push('$');
        }
        rest = &rest[taken..];
    }
    out.push_str(rest);
}

/// Writes the group that the text begins with, and says how much of the text named it.
fn group(pattern: &Pattern, captures: &regex::Captures<'_>, text: &str, out: &mut String) -> usize {
    let (name, taken) = match text
        .strip_prefix('{')
        .and_then(|inner| inner.split_once('}'))
    {
        Some((name, _)) => (name, name.len() + 2),
        None => {
            let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            (&text[..digits], digits)
        }
    };
    let found = match name.parse::<usize>() {
        Ok(number) if number < captures.len() => captures.get(number),
        Ok(_) => return 0,
        // A group that took no part is empty; one that is not there is text.
        Err(_) if has_group(pattern, name) => captures.name(name),
        Err(_) => return 0,
    };
    out.push_str(found.map_or("", |found| found.as_str()));
    taken
}

/// Is there a group of that name?
pub(super) fn has_group(pattern: &Pattern, name: &str) -> bool {
    pattern.capture_names().flatten().any(|own| own == name)
}
