//! `Guid` and `RandomString`.

use super::evaluate::{Arguments, Evaluated, Stop};
use super::value::Value;

const DIGITS: &str = "0123456789";
/// Windows' list of special characters for passwords.
const SPECIAL: &str = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/";
const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";

const MAX_LENGTH: usize = 256;

/// A random GUID of version 4 (RFC 9562, section 5.4).
pub(super) fn guid(a: &Arguments<'_>) -> Evaluated {
    let high = (bits(a)? & !0xf000) | 0x4000;
    let low = (bits(a)? & (u64::MAX >> 2)) | (1 << 63);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
    .into())
}

/// What is left of the length after the minimums comes from the classes that have one; if none has, from letters and
/// digits.
pub(super) fn string(a: &Arguments<'_>) -> Evaluated {
    let count = |index| -> Result<usize, Stop> {
        usize::try_from(a.integer(index)?)
            .ok()
            .filter(|count| *count <= MAX_LENGTH)
            .ok_or_else(|| a.out_of_range(index, "must be between 0 and 256"))
    };
    let length = count(0)?;
    let avoided = a.text_or_empty(5)?;
    let mut classes = Vec::new();
    for (index, class) in [(1, DIGITS), (2, SPECIAL), (3, CAPITAL), (4, SMALL)] {
        let allowed: Vec<char> = class.chars().filter(|c| !avoided.contains(*c)).collect();
        classes.push((index, count(index)?, allowed));
    }
    let least: usize = classes.iter().map(|(_, least, _)| least).sum();
    if least > length {
        return Err(a.out_of_range(0, "is less than the minimums together"));
    }
    let mut chosen: Vec<char> = Vec::with_capacity(length);
    for (index, least, allowed) in &classes {
        for _ in 0..*least {
            chosen.push(pick(a, allowed, *index)?);
        }
    }
    let wanted = |(index, least, _): &&(usize, usize, Vec<char>)| {
        *least > 0 || (chosen.is_empty() && *index != 2)
    };
    let fill: Vec<char> = classes
        .iter()
        .filter(wanted)
        .flat_map(|(_, _, allowed)| allowed.iter().copied())
        .collect();
    while chosen.len() < length {
        chosen.push(pick(a, &fill, 5)?);
    }
    // Else the digits would always come first.
    for index in (1..chosen.len()).rev() {
        chosen.swap(index, below(a, index + 1)?);
    }
    Ok(Value::Text(chosen.into_iter().collect()))
}

fn pick(a: &Arguments<'_>, from: &[char], index: usize) -> Result<char, Stop> {
    if from.is_empty() {
        return Err(a.out_of_range(index, "leaves no character to choose"));
    }
    Ok(from[below(a, from.len())?])
}

/// A number below the limit, each as likely: what would favour the first ones is drawn again, though not for ever.
fn below(a: &Arguments<'_>, limit: usize) -> Result<usize, Stop> {
    let limit = limit as u64;
    let fair = u64::MAX - u64::MAX % limit;
    let mut drawn = bits(a)?;
    for _ in 0..64 {
        if drawn < fair {
            break;
        }
        drawn = bits(a)?;
    }
    Ok(usize::try_from(drawn % limit).unwrap_or(0))
}

fn bits(a: &Arguments<'_>) -> Result<u64, Stop> {
    a.evaluator
        .random()
        .ok_or_else(|| a.unavailable("randomness"))
}
