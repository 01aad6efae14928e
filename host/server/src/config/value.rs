//! Values that TOML has no type for: durations, sizes, dates, digests.
//!
//! Each error is the rest of a sentence that begins with the key's name.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

/// `"250ms"`, `"30s"`, `"5m"`, `"2h"`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("must be a duration such as \"30s\", \"250ms\", \"5m\" or \"2h\", not `{text}`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let total = number.checked_mul(milliseconds).ok_or_else(wrong)?;
    if total == 0 {
        Err("must be longer than nothing".to_owned())
    } else {
        Ok(Duration::from_millis(total))
    }
}

/// `"512KiB"`, `"64MiB"`, `"1GiB"`; decimal units too.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("must be a size such as \"64MiB\" or \"512KiB\", not `{text}`");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(bytes)
        .filter(|total| *total > 0)
        .ok_or_else(wrong)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

/// A date is its first moment in UTC; a date with a time needs its offset.
pub fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant);
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .filter(|_| !text.contains([':', 'T', 't']))
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| {
            format!("must be a date such as 2027-05-01 or a time with its offset, not `{text}`")
        })
}

/// A SHA-256 in hexadecimal.
pub fn sha256(text: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text.trim(), &mut digest)
        .map(|()| digest)
        .map_err(|_| "must be a SHA-256 in hexadecimal, 64 digits".to_owned())
}

/// `"10.1.0.0/16"`, `"2001:db8::/32"`, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .map(|net| canonical(net).trunc())
        .or_else(|_| text.parse::<IpAddr>().map(|one| IpNet::from(one.to_canonical())))
        .map_err(|_| {
            format!("must be an address or a network such as \"10.1.0.0/16\" or \"2001:db8::/32\", not `{text}`")
        })
}

/// Addresses are judged as IPv4 when they are IPv4 in IPv6's clothes; so are networks.
fn canonical(net: IpNet) -> IpNet {
    match net.addr().to_canonical() {
        IpAddr::V4(address) if net.prefix_len() >= 96 && net.addr().is_ipv6() => {
            Ipv4Net::new(address, net.prefix_len() - 96).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_number_and_a_known_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("250 ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "30",
            "s",
            "",
            "0s",
            "-1s",
            "1.5s",
            "30 fortnights",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_tells_binary_from_decimal_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1MB"), Ok(1_000_000));
        for wrong in ["64", "MiB", "0MiB", "1 mib", "-5KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_is_an_address_with_or_without_its_prefix() {
        assert_eq!(network("10.1.2.3/16").unwrap().to_string(), "10.1.0.0/16");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert_eq!(
            network("::ffff:10.1.2.3/112").unwrap().to_string(),
            "10.1.0.0/16"
        );
        assert_eq!(
            network("::ffff:10.1.2.3").unwrap().to_string(),
            "10.1.2.3/32"
        );
        for wrong in ["10.1.2.3/33", "10.1", "all", ""] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_date_is_its_first_moment_and_a_time_without_offset_is_refused() {
        assert_eq!(
            instant("2027-05-01").unwrap().to_string(),
            "2027-05-01T00:00:00Z"
        );
        assert_eq!(
            instant("2027-05-01T02:00:00+02:00").unwrap().to_string(),
            "2027-05-01T00:00:00Z"
        );
        assert!(instant("2027-05-01T02:00:00").is_err());
        assert!(instant("next year").is_err());
    }
}
