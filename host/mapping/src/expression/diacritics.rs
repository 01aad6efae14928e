//! `NormalizeDiacritics`: Latin letters without what stands above, below or through them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Microsoft's table is Unicode's decomposition for Latin letters, and these besides. `ä` is `a`, not `ae`, and letters
/// such as `đ`, `ð` and `þ` are not in it.
const LETTERS: [(char, &str); 12] = [
    ('æ', "ae"),
    ('Æ', "AE"),
    ('ø', "oe"),
    ('Ø', "OE"),
    ('œ', "oe"),
    ('Œ', "OE"),
    ('ß', "ss"),
    ('ẞ', "SS"),
    ('ł', "l"),
    ('Ł', "L"),
    ('ı', "i"),
    // Decomposes to `i` and a dot in some forms only.
    ('İ', "I"),
];

pub(super) fn normalize(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Marks of other scripts are part of their letters: `й` is no `и`.
    let mut latin = false;
    for c in text.nfd() {
        if is_combining_mark(c) {
            if !latin {
                plain.push(c);
            }
            continue;
        }
        let special = LETTERS.iter().find(|(letter, _)| *letter == c);
        latin = c.is_ascii_alphabetic() || special.is_some();
        match special {
            Some((_, letters)) => plain.push_str(letters),
            None => plain.push(c),
        }
    }
    plain.nfc().collect()
}
