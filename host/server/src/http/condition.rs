//! `If-Match` and `If-None-Match` over versions (RFC 7644, section 3.14; RFC 9110, section 13).

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

/// What `If-Match` demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing, or `*`: any version there is.
    Any,
    /// This one.
    Version(u64),
    /// One that cannot be: no tag of ours. Whether there is a resource at all is asked first (RFC 9110, section 13.2.1),
    /// so this too is a version: one that no resource ever has.
    Impossible,
}

impl Demand {
    /// The version that a write must find, if it matters.
    pub(crate) fn version(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Version(version) => Some(version),
            Self::Impossible => Some(0),
        }
    }
}

/// The version that a write must find.
///
/// Of several tags only the newest can be the current version or lie ahead of it, because versions only grow.
pub(crate) fn if_match(headers: &HeaderMap) -> Demand {
    let tags = tags(headers, &IF_MATCH);
    if tags.is_empty() || tags.contains(&"*") {
        return Demand::Any;
    }
    newest(tags.into_iter())
}

/// The version that one tag demands, such as the `version` of a bulk operation.
pub(crate) fn demand(tag: &str) -> Demand {
    match tag.trim() {
        "" | "*" => Demand::Any,
        tag => newest(std::iter::once(tag)),
    }
}

fn newest<'t>(tags: impl Iterator<Item = &'t str>) -> Demand {
    tags.filter_map(version)
        .max()
        .map_or(Demand::Impossible, Demand::Version)
}

/// Does the request say under which versions it is not to be done?
pub(crate) fn has_none_match(headers: &HeaderMap) -> bool {
    !tags(headers, &IF_NONE_MATCH).is_empty()
}

/// Whether the client has this version already.
pub(crate) fn none_match(headers: &HeaderMap, current: u64) -> bool {
    tags(headers, &IF_NONE_MATCH)
        .into_iter()
        .any(|tag| tag == "*" || version(tag) == Some(current))
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// Strong and weak spellings compare alike: our tags are weak, and clients drop the `W/`.
fn version(tag: &str) -> Option<u64> {
    tag.strip_prefix("W/")
        .unwrap_or(tag)
        .trim_matches('"')
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_tag_of_ours_demands_its_version_in_any_spelling() {
        for tag in ["W/\"7\"", "\"7\"", "7", "W/\"3\", W/\"7\""] {
            assert_eq!(if_match(&with(IF_MATCH, tag)), Demand::Version(7), "{tag}");
        }
    }

    #[test]
    fn a_star_or_no_header_demands_nothing_and_a_foreign_tag_the_impossible() {
        assert_eq!(if_match(&HeaderMap::new()), Demand::Any);
        assert_eq!(if_match(&with(IF_MATCH, "*")), Demand::Any);
        assert_eq!(if_match(&with(IF_MATCH, "\"abc\"")), Demand::Impossible);
    }

    #[test]
    fn the_version_of_a_bulk_operation_demands_as_a_header_does() {
        assert_eq!(demand("W/\"7\"").version(), Some(7));
        assert_eq!(demand("*").version(), None);
        // No resource ever has version 0.
        assert_eq!(demand("\"abc\"").version(), Some(0));
    }

    #[test]
    fn a_version_that_the_client_has_is_not_sent_again() {
        assert!(none_match(&with(IF_NONE_MATCH, "W/\"7\""), 7));
        assert!(none_match(&with(IF_NONE_MATCH, "*"), 7));
        assert!(!none_match(&with(IF_NONE_MATCH, "W/\"6\""), 7));
        assert!(!none_match(&HeaderMap::new(), 7));
    }
}
