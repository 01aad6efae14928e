//! What Active Directory keeps in numbers: the flags of an account, and when it ends.

use jiff::Timestamp;

/// `userAccountControl` (\[MS-ADTS\] 2.2.16).
pub const CONTROL: &str = "userAccountControl";
/// `accountExpires`.
pub const EXPIRES: &str = "accountExpires";

/// The account is disabled.
const DISABLED: u32 = 0x2;
/// An ordinary user.
const NORMAL: u32 = 0x200;

/// Two ways to say that an account never ends (\[MS-ADA1\] 2.2).
const NEVER: [&str; 2] = ["0", "9223372036854775807"];

/// Seconds from 1601, where Windows begins to count, to 1970.
const EPOCH: i64 = 11_644_473_600;
/// FILETIME counts in steps of 100 ns.
const STEPS: i64 = 10_000_000;

/// The flags of a new account.
pub fn of_new(active: bool) -> u32 {
    if active { NORMAL } else { NORMAL | DISABLED }
}

/// Flags as the directory writes them: a signed number.
pub fn flags(value: &str) -> Option<u32> {
    value.trim().parse::<i32>().ok().map(i32::cast_unsigned)
}

/// Flags as the directory reads them.
pub fn flags_text(flags: u32) -> String {
    flags.cast_signed().to_string()
}

/// May the account sign in, as far as this flag says?
pub fn is_active(flags: u32) -> bool {
    flags & DISABLED == 0
}

/// The flags with this one bit changed, and none of the others.
pub fn with_active(flags: u32, active: bool) -> u32 {
    if active {
        flags & !DISABLED
    } else {
        flags | DISABLED
    }
}

/// When an account ends; none if never, or if it is no such number.
pub fn expiry(value: &str) -> Option<String> {
    if NEVER.contains(&value.trim()) {
        return None;
    }
    let steps: i64 = value.trim().parse().ok()?;
    let nanoseconds = i32::try_from(steps.rem_euclid(STEPS) * 100).ok()?;
    let time = Timestamp::new(steps.div_euclid(STEPS) - EPOCH, nanoseconds).ok()?;
    Some(time.to_string())
}

/// The number for a point in time; none if it is not one.
pub fn expiry_value(instant: &str) -> Option<String> {
    let time: Timestamp = instant.parse().ok()?;
    let seconds = time.as_second().checked_add(EPOCH)?;
    let steps = seconds.checked_mul(STEPS)?;
    let steps = steps.checked_add(i64::from(time.subsec_nanosecond()) / 100)?;
    (steps > 0).then(|| steps.to_string())
}

/// The value that says never.
pub fn never() -> &'static str {
    NEVER[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_changes_and_the_others_stay() {
        // DONT_EXPIRE_PASSWORD, SMARTCARD_REQUIRED.
        let flags = 0x200 | 0x1_0000 | 0x4_0000;
        let off = with_active(flags, false);
        assert_eq!(off, flags | 2);
        assert!(!is_active(off));
        assert_eq!(with_active(off, true), flags);
        assert_eq!(super::flags(&flags_text(0x8000_0200)), Some(0x8000_0200));
    }

    #[test]
    fn an_end_is_written_as_windows_counts() {
        let value = "133485408000000000";
        assert_eq!(expiry(value).as_deref(), Some("2024-01-01T00:00:00Z"));
        assert_eq!(expiry_value("2024-01-01T00:00:00Z").as_deref(), Some(value));
        assert_eq!(
            expiry_value("2024-01-01T01:00:00+01:00").as_deref(),
            Some(value)
        );
        assert_eq!((expiry("0"), expiry(never())), (None, None));
        assert_eq!(expiry_value("soon"), None);
    }
}
