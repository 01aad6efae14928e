//! BER as LDAP restricts it (RFC 4511, section 5.1): definite lengths, tags of one byte.
//!
//! For what the library cannot read, or reads with panics and by recursion: whole messages before it sees
//! them, and the values of controls. A reader walks over bytes that it does not own, and nothing here
//! recurses, so no answer of a server costs more than its length.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The bit of a tag that says: made of elements.
const CONSTRUCTED: u8 = 0x20;

/// An answer is nested four deep; the deepest of the protocol, a filter, is never sent by a server.
const DEPTH: usize = 16;

/// It is not BER, or not as LDAP has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The beginning of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    /// Bytes of tag and length.
    pub(super) size: usize,
    /// Bytes of the content.
    pub(super) length: usize,
}

/// Reads an element's beginning; none if there is more to come.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let [tag, first, rest @ ..] = bytes else {
        return Ok(None);
    };
    // A tag number of 31 would go on in further bytes; LDAP has none.
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    let header = |more: usize, length| Header {
        tag: *tag,
        size: 2 + more,
        length,
    };
    let more = usize::from(*first & 0x7f);
    if first & 0x80 == 0 {
        return Ok(Some(header(0, more)));
    }
    // 0x80 alone is the indefinite form. Active Directory always writes four bytes.
    if more == 0 || more > 8 {
        return Err(Malformed);
    }
    let Some(digits) = rest.get(..more) else {
        return Ok(None);
    };
    let length = digits
        .iter()
        .fold(0_u64, |length, digit| (length << 8) | u64::from(*digit));
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    Ok(Some(header(more, length)))
}

/// Walks over all elements, however nested; the error of an element that leaves its parent, that is nested too
/// deep, or that is one too many.
pub(super) fn walk(content: &[u8], most: usize) -> Result<(), Malformed> {
    let mut ends = vec![content.len()];
    let (mut at, mut count) = (0, 0);
    while let Some(end) = ends.last().copied() {
        if at == end {
            ends.pop();
            continue;
        }
        let inside = content.get(at..end).ok_or(Malformed)?;
        let header = header(inside)?.ok_or(Malformed)?;
        if header.length > inside.len() - header.size {
            return Err(Malformed);
        }
        count += 1;
        at += header.size;
        if count > most || ends.len() > DEPTH {
            return Err(Malformed);
        }
        if header.tag & CONSTRUCTED == 0 {
            at += header.length;
        } else {
            ends.push(at + header.length);
        }
    }
    Ok(())
}

/// Elements one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The elements in these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The elements in the one element that these bytes are.
    pub(super) fn inside(bytes: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        Self(bytes).take(tag).map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let header = header(self.0)?.ok_or(Malformed)?;
        let rest = &self.0[header.size..];
        let content = rest.get(..header.length).ok_or(Malformed)?;
        self.0 = &rest[header.length..];
        Ok((header.tag, content))
    }

    /// The next element, which has to have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        self.optional(tag)?.ok_or(Malformed)
    }

    /// The next element, if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() != Some(&tag) {
            return Ok(None);
        }
        self.any().map(|(_, content)| Some(content))
    }

    /// The next element as a number.
    pub(super) fn number(&mut self, tag: u8) -> Result<i64, Malformed> {
        let digits = self.take(tag)?;
        let negative = *digits.first().ok_or(Malformed)? & 0x80 != 0;
        if digits.len() > 8 {
            return Err(Malformed);
        }
        let start = if negative { -1_i64 } else { 0 };
        Ok(digits
            .iter()
            .fold(start, |number, digit| (number << 8) | i64::from(*digit)))
    }

    /// The next element as a truth value, if it is one.
    pub(super) fn flag(&mut self) -> Result<Option<bool>, Malformed> {
        match self.optional(BOOLEAN)? {
            None => Ok(None),
            Some([value]) => Ok(Some(*value != 0)),
            Some(_) => Err(Malformed),
        }
    }
}

/// An element of these bytes.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let zeros = digits.iter().take_while(|digit| **digit == 0).count();
            let digits = &digits[zeros..];
            // A length has eight digits at most.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A number, in as few bytes as it takes.
pub(super) fn number(tag: u8, value: i64) -> Vec<u8> {
    let digits = value.to_be_bytes();
    let mut start = 0;
    while start < digits.len() - 1
        && ((digits[start] == 0 && digits[start + 1] & 0x80 == 0)
            || (digits[start] == 0xff && digits[start + 1] & 0x80 != 0))
    {
        start += 1;
    }
    element(tag, &digits[start..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_written_as_short_as_they_can_be() {
        assert_eq!(number(INTEGER, 0), [2, 1, 0]);
        assert_eq!(number(INTEGER, 127), [2, 1, 127]);
        assert_eq!(number(INTEGER, 128), [2, 2, 0, 128]);
        assert_eq!(number(INTEGER, -1), [2, 1, 255]);
        assert_eq!(number(INTEGER, i64::from(i32::MIN)), [2, 4, 128, 0, 0, 0]);
    }

    #[test]
    fn what_ldap_does_not_have_is_refused() {
        for bytes in [&[0x1f, 1, 0][..], &[0x30, 0x80, 0, 0], &[4, 0x89, 1]] {
            assert_eq!(header(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(header(&[4, 0x82, 1]), Ok(None));
        assert_eq!(Reader::new(&[4, 3, 1, 2]).any(), Err(Malformed));
        assert_eq!(Reader::new(&[2, 0]).number(INTEGER), Err(Malformed));
        assert_eq!(
            Reader::new(&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]).number(INTEGER),
            Err(Malformed)
        );
    }

    #[test]
    fn a_child_stays_inside_its_parent() {
        assert_eq!(walk(&[0x30, 3, 4, 1, 0], 9), Ok(()));
        assert_eq!(walk(&[0x30, 3, 4, 2, 0, 0], 9), Err(Malformed));
        assert_eq!(walk(&[0x30, 1, 4], 9), Err(Malformed));
        assert_eq!(walk(&[4, 0, 4, 0, 4, 0], 2), Err(Malformed));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth| (0..depth).fold(vec![4, 0], |inner, _| element(SEQUENCE, &inner));
        assert_eq!(walk(&nested(8), 1_000), Ok(()));
        assert_eq!(walk(&nested(100_000), 1_000_000), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = header(&bytes);
            let _ = walk(&bytes, 100);
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() && reader.any().is_ok() {}
            let _ = Reader::new(&bytes).number(INTEGER);
            let _ = Reader::new(&bytes).flag();
        }

        #[test]
        fn what_is_written_is_read(value: i64, content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            prop_assert_eq!(Reader::new(&number(INTEGER, value)).number(INTEGER), Ok(value));
            let written = element(OCTETS, &content);
            prop_assert_eq!(Reader::new(&written).take(OCTETS), Ok(content.as_slice()));
            prop_assert_eq!(walk(&written, 1), Ok(()));
        }
    }
}
