//! Functions of texts and lists of them. Positions count characters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::Fault;
use super::evaluate::{Arguments, Evaluated, Stop};
use super::value::{MAX_TEXT, Value};

pub(super) fn append(a: &Arguments<'_>) -> Evaluated {
    let Some(mut source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    source.push_str(&a.text_or_empty(1)?);
    Ok(source.into())
}

/// Lists are joined too; what is empty is left out, as in the documented `Join(", ", "", [surname], [givenName])`.
pub(super) fn join(a: &Arguments<'_>) -> Evaluated {
    let separator = a.text_or_empty(0)?;
    let mut joined = String::new();
    let mut any = false;
    for index in 1..a.count() {
        let value = a.value(index)?;
        let texts = value.each().iter().filter_map(Value::to_text);
        for text in texts.filter(|text| !text.is_empty()) {
            if any {
                joined.push_str(&separator);
            }
            joined.push_str(&text);
            any = true;
            if joined.len() > MAX_TEXT {
                return Err(a.fail(Fault::TooLong));
            }
        }
    }
    Ok(if any { joined.into() } else { Value::Null })
}

/// The documented sample has no blanks after the commas, so the parts are trimmed.
pub(super) fn split(a: &Arguments<'_>) -> Evaluated {
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let delimiter = a.text_or_empty(1)?;
    if delimiter.is_empty() {
        return Ok(Value::Many(vec![source.into()]));
    }
    let parts = source.split(delimiter.as_str()).map(str::trim);
    Ok(Value::Many(parts.map(Value::from).collect()))
}

pub(super) fn base64(a: &Arguments<'_>) -> Evaluated {
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let bytes: Vec<u8> = source.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Ok(STANDARD.encode(bytes).into())
}

pub(super) fn hex(a: &Arguments<'_>) -> Evaluated {
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let digits = source.bytes().map(|byte| format!("{byte:02X}"));
    Ok(digits.collect::<String>().into())
}

pub(super) fn length(a: &Arguments<'_>) -> Evaluated {
    let length = a.text_or_empty(0)?.chars().count();
    Ok(Value::Integer(i64::try_from(length).unwrap_or(i64::MAX)))
}

pub(super) fn left(a: &Arguments<'_>) -> Evaluated {
    let source = a.text_or_empty(0)?;
    let Ok(count) = usize::try_from(a.integer(1)?) else {
        return Ok(source.into());
    };
    Ok(source.chars().take(count).collect::<String>().into())
}

pub(super) fn middle(a: &Arguments<'_>) -> Evaluated {
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let start = usize::try_from(a.integer(1)?)
        .ok()
        .and_then(|start| start.checked_sub(1))
        .ok_or_else(|| a.out_of_range(1, "counts from 1"))?;
    let count =
        usize::try_from(a.integer(2)?).map_err(|_| a.out_of_range(2, "must not be negative"))?;
    let part: String = source.chars().skip(start).take(count).collect();
    Ok(part.into())
}

/// Where the second text begins in the first, from 1; 0: nowhere.
pub(super) fn position(a: &Arguments<'_>) -> Evaluated {
    let (mut hay, mut needle) = (a.text_or_empty(0)?, a.text_or_empty(1)?);
    let skipped = if a.given(2) {
        usize::try_from(a.integer(2)?)
            .ok()
            .and_then(|start| start.checked_sub(1))
            .ok_or_else(|| a.out_of_range(2, "counts from 1"))?
    } else {
        0
    };
    match a.text(3)?.as_deref() {
        None | Some("vbBinaryCompare") => {}
        Some("vbTextCompare") => {
            hay = fold(&hay);
            needle = fold(&needle);
        }
        Some(_) => return Err(a.mistyped(3, "vbTextCompare or vbBinaryCompare")),
    }
    let begin = hay
        .char_indices()
        .nth(skipped)
        .map_or(hay.len(), |(begin, _)| begin);
    let found = hay[begin..]
        .find(&needle)
        .map(|offset| hay[..begin + offset].chars().count() + 1);
    let found = found.filter(|_| !needle.is_empty() || skipped < hay.chars().count());
    Ok(Value::Integer(
        found
            .and_then(|found| i64::try_from(found).ok())
            .unwrap_or(0),
    ))
}

/// Without case, a character for a character, so that positions stay.
fn fold(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(lower), None) => lower,
                _ => c,
            }
        })
        .collect()
}

/// The words between any of the delimiters' characters.
pub(super) fn word(a: &Arguments<'_>) -> Evaluated {
    let source = a.text_or_empty(0)?;
    let number = a.integer(1)?;
    let delimiters = a.text_or_empty(2)?;
    let wanted = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let mut words = source
        .split(|c| delimiters.contains(c))
        .filter(|word| !word.is_empty());
    Ok(wanted
        .and_then(|wanted| words.nth(wanted))
        .unwrap_or_default()
        .into())
}

pub(super) fn lower(a: &Arguments<'_>) -> Evaluated {
    let turkic = culture(a)?;
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let text = if turkic {
        source.replace('I', "ı").replace('İ', "i")
    } else {
        source
    };
    Ok(text.to_lowercase().into())
}

pub(super) fn upper(a: &Arguments<'_>) -> Evaluated {
    let turkic = culture(a)?;
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let text = if turkic {
        source.replace('i', "İ")
    } else {
        source
    };
    Ok(text.to_uppercase().into())
}

/// Of the cultures, Turkish and Azeri have other rules of case; the rest is invariant.
fn culture(a: &Arguments<'_>) -> Result<bool, Stop> {
    let Some(culture) = a.text(1)?.filter(|culture| !culture.is_empty()) else {
        return Ok(false);
    };
    let language = culture.split('-').next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphabetic());
    if !is_language {
        return Err(a.mistyped(1, "the name of a culture such as en-US"));
    }
    Ok(["tr", "az"].contains(&language.to_ascii_lowercase().as_str()))
}

/// Without separators as .NET's `ToTitleCase` on small letters: whatever is no letter, digit, mark or apostrophe parts
/// words, and a word begins with a letter.
pub(super) fn proper_case(a: &Arguments<'_>) -> Evaluated {
    let Some(source) = a.text(0)? else {
        return Ok(Value::Null);
    };
    let separators = a.text(1)?.filter(|separators| !separators.is_empty());
    let mut result = String::with_capacity(source.len());
    let mut inside = false;
    for c in source.chars() {
        let separates = match &separators {
            Some(separators) => separators.contains(c),
            None => !(c.is_alphanumeric() || c == '\'' || is_mark(c)),
        };
        if separates {
            inside = false;
            result.push(c);
        } else if inside {
            result.extend(c.to_lowercase());
        } else {
            result.extend(c.to_uppercase());
            // After a digit .NET's next letter is still the first one.
            inside = separators.is_some() || c.is_alphabetic();
        }
    }
    Ok(result.into())
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Each role as the JSON text that Entra sends.
pub(super) fn roles(a: &Arguments<'_>) -> Evaluated {
    let value = a.value(0)?;
    let roles = value
        .each()
        .iter()
        .filter_map(Value::to_text)
        .map(|role| match role_name(&role) {
            Some(_) => Value::text(role.as_ref()),
            None => {
                let role = role.as_ref();
                Value::text(serde_json::json!({"value": role, "displayName": role}).to_string())
            }
        });
    Ok(Value::Many(roles.collect()))
}

/// The one role's name. With several it is undefined in Entra, so here it is an error.
pub(super) fn single_role(a: &Arguments<'_>) -> Evaluated {
    let value = a.value(0)?;
    match value.each() {
        [] => Ok(Value::Null),
        [role] => {
            let text = role.to_text().unwrap_or_default();
            Ok(role_name(&text)
                .unwrap_or_else(|| text.clone().into_owned())
                .into())
        }
        _ => Err(a.fail(Fault::SeveralRoles)),
    }
}

/// The name in a role that is written as JSON.
fn role_name(role: &str) -> Option<String> {
    let role: serde_json::Value = serde_json::from_str(role).ok()?;
    ["value", "displayName"]
        .iter()
        .find_map(|key| Some(role.get(key)?.as_str()?.to_owned()))
}
