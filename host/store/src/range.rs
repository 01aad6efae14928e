//! Which keys a scan walks, in which direction, and how far.

use std::ops::Bound;

/// The lower and the upper bound of a range.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A range of keys: all those with a prefix, narrowed by bounds, cut at a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    from: Option<Vec<u8>>,
    until: Option<Vec<u8>>,
    limit: Option<usize>,
    reverse: bool,
}

impl Range {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        Self {
            prefix: prefix.into(),
            ..Self::default()
        }
    }

    /// Continues behind this key, in the direction of the scan: with the last
    /// key of one page this is the next page.
    #[must_use]
    pub fn after(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.after = Some(key.into());
        self
    }

    /// Only keys at or above `key`.
    #[must_use]
    pub fn from(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.from = Some(key.into());
        self
    }

    /// Only keys below `key`.
    #[must_use]
    pub fn until(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.until = Some(key.into());
        self
    }

    /// At most this many pairs.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// From the last key to the first.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// The limit, if there is one.
    pub fn max(&self) -> Option<usize> {
        self.limit
    }

    /// Whether the scan runs from the last key to the first.
    pub fn is_reverse(&self) -> bool {
        self.reverse
    }

    /// The bounds that an engine walks; `None` when no key can be inside.
    pub fn bounds(&self) -> Option<Bounds> {
        let mut low = Bound::Included(self.prefix.clone());
        let mut high = successor(&self.prefix).map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(from) = &self.from {
            low = higher(low, Bound::Included(from.clone()));
        }
        if let Some(until) = &self.until {
            high = lower(high, Bound::Excluded(until.clone()));
        }
        if let Some(after) = &self.after {
            if self.reverse {
                high = lower(high, Bound::Excluded(after.clone()));
            } else {
                low = higher(low, Bound::Excluded(after.clone()));
            }
        }
        let empty = match (&low, &high) {
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => a >= b,
            _ => false,
        };
        (!empty).then_some((low, high))
    }
}

/// The first key behind all those with `prefix`; none when there is no such key.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}

/// The narrower of two lower bounds.
fn higher(a: Bound<Vec<u8>>, b: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (&a, &b) {
        (Bound::Unbounded, _) => b,
        (_, Bound::Unbounded) => a,
        (Bound::Included(x) | Bound::Excluded(x), Bound::Included(y) | Bound::Excluded(y)) => {
            if y > x || (y == x && matches!(b, Bound::Excluded(_))) {
                b
            } else {
                a
            }
        }
    }
}

/// The narrower of two upper bounds.
fn lower(a: Bound<Vec<u8>>, b: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (&a, &b) {
        (Bound::Unbounded, _) => b,
        (_, Bound::Unbounded) => a,
        (Bound::Included(x) | Bound::Excluded(x), Bound::Included(y) | Bound::Excluded(y)) => {
            if y < x || (y == x && matches!(b, Bound::Excluded(_))) {
                b
            } else {
                a
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_the_highest_bytes_has_no_upper_bound() {
        assert_eq!(successor(&[0xFF, 0xFF]), None);
        assert_eq!(successor(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(
            Range::prefix([0xFF]).bounds(),
            Some((Bound::Included(vec![0xFF]), Bound::Unbounded))
        );
    }

    #[test]
    fn bounds_that_cross_hold_no_key() {
        assert_eq!(Range::prefix("b").until("a").bounds(), None);
        assert_eq!(Range::prefix("a").after("b").bounds(), None);
        assert_eq!(Range::prefix("b").reverse().after("b").bounds(), None);
    }

    #[test]
    fn a_cursor_outside_the_prefix_never_widens_it() {
        assert_eq!(
            Range::prefix("b").after("a").bounds(),
            Some((
                Bound::Included(b"b".to_vec()),
                Bound::Excluded(b"c".to_vec())
            ))
        );
    }
}
