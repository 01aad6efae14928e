//! Known secrets never leave in a message: not in the guest's words, nor in an encoding that hides them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const MARK: &str = "[redacted]";

/// Knows every secret of one app in the spellings a message may hold it in: as it is, as JSON escapes it,
/// percent-encoded, hexadecimal, and base64 at each of its three alignments (`user:password` shifts it).
#[derive(Default)]
pub(crate) struct Redactor {
    given: Spellings,
    issued: Vec<Issued>,
}

/// Longest first, so that a secret within a longer one does not leave the rest behind.
#[derive(Default)]
struct Spellings {
    spellings: Vec<Zeroizing<String>>,
    longest: usize,
}

/// Secrets that come up while an app serves: the access tokens that one token endpoint gave out last. An old one may
/// still be good, and a guest may hold what it was told under it.
#[derive(Clone, Default)]
pub(crate) struct Issued(Arc<RwLock<VecDeque<Spellings>>>);

/// Tokens live for minutes to hours, and calls for seconds.
const ISSUED: usize = 4;

impl Issued {
    /// From now on it never leaves in a message.
    pub(crate) fn add(&self, secret: &str) {
        let spelled = Spellings::of([secret]);
        let mut issued = self.0.write();
        if issued.len() == ISSUED {
            issued.pop_front();
        }
        issued.push_back(spelled);
    }
}

impl Spellings {
    fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut spellings = Vec::new();
        for secret in secrets {
            spell(secret, &mut spellings);
        }
        spellings.retain(|spelling| !spelling.is_empty());
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        let longest = spellings.first().map_or(0, |spelling| spelling.len());
        Self { spellings, longest }
    }

    fn hide(&self, text: &mut String) {
        for spelling in &self.spellings {
            if text.contains(spelling.as_str()) {
                *text = text.replace(spelling.as_str(), MARK);
            }
        }
    }
}

impl Redactor {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        Self {
            given: Spellings::of(secrets.into_iter().map(ExposeSecret::expose_secret)),
            issued: Vec::new(),
        }
    }

    /// The same, and what these give out.
    pub(crate) fn with(mut self, issued: impl IntoIterator<Item = Issued>) -> Self {
        self.issued.extend(issued);
        self
    }

    /// The text without secrets, at most `limit` bytes.
    pub(crate) fn text(&self, text: &str, limit: usize) -> String {
        // Cut before searching, so that a huge message costs little; what the cut may have split goes too.
        let issued: Vec<_> = self.issued.iter().map(|issued| issued.0.read()).collect();
        let known =
            || std::iter::once(&self.given).chain(issued.iter().flat_map(|held| held.iter()));
        let longest = known().map(|known| known.longest).max().unwrap_or_default();
        let head = cut(text, limit.saturating_add(longest));
        let split = head.len() < text.len();
        let mut clean = head.to_owned();
        for known in known() {
            known.hide(&mut clean);
        }
        let keep = if split {
            clean.len().saturating_sub(longest)
        } else {
            clean.len()
        };
        clean.truncate(cut(&clean, keep.min(limit)).len());
        if split || clean.len() == limit && text.len() > limit {
            clean.push('…');
        }
        clean
    }
}

/// The text with what could forge a line or move a terminal's cursor written as an escape: control characters, and
/// those that turn the direction of writing.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let active = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(active) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if active(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The longest head of at most `limit` bytes that ends between characters.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn spell(secret: &str, into: &mut Vec<Zeroizing<String>>) {
    let mut add = |spelling: String| into.push(Zeroizing::new(spelling));
    add(secret.to_owned());
    let quoted = serde_json::Value::from(secret).to_string();
    add(quoted.trim_matches('"').to_owned());
    for upper in [true, false] {
        add(percent(secret, upper, false));
        add(percent(secret, upper, true));
    }
    // Two bytes in hexadecimal or base64 would match half the text of the world.
    if secret.len() > 2 {
        let hexadecimal = hex::encode(secret);
        add(hexadecimal.to_uppercase());
        add(hexadecimal);
        for shift in 0..3 {
            let spelled = base64_inside(secret.as_bytes(), shift);
            add(spelled.replace('+', "-").replace('/', "_"));
            add(spelled);
        }
    }
}

/// Percent-encoding of everything but the unreserved characters (RFC 3986); in a form, a blank is `+`.
fn percent(secret: &str, upper: bool, form: bool) -> String {
    let mut out = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' if form => out.push('+'),
            _ if upper => _ = write!(out, "%{byte:02X}"),
            _ => _ = write!(out, "%{byte:02x}"),
        }
    }
    out
}

/// The base64 characters that `secret` alone decides when `shift` other bytes stand before it.
fn base64_inside(secret: &[u8], shift: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| usize::from(secret[at / 8] >> (7 - at % 8) & 1);
    // The first whole six bits within the secret, counted from its own first bit.
    let first = (6 - shift * 8 % 6) % 6;
    let bits = secret.len() * 8;
    (first..)
        .step_by(6)
        .take_while(|start| start + 6 <= bits)
        .map(|start| char::from(ALPHABET[(start..start + 6).fold(0, |six, at| six << 1 | bit(at))]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let secrets: Vec<SecretString> = secrets
            .iter()
            .map(|secret| SecretString::from(*secret))
            .collect();
        Redactor::new(&secrets)
    }

    #[test]
    fn every_spelling_of_a_secret_is_hidden() {
        let redact = redactor(&["p@ss \"word"]);
        for text in [
            "bind with p@ss \"word failed",
            r#"{"password":"p@ss \"word"}"#,
            "q=p%40ss%20%22word&x",
            "q=p%40ss+%22word&x",
            "hex 7040737320 22776f7264".replace(' ', "").as_str(),
            "cEBzcyAid29yZA==",
            "dTpwQHNzICJ3b3Jk",     // u:p@ss "word
            "dXM6cEBzcyAid29yZA==", // us:p@ss "word
        ] {
            assert!(redact.text(text, 1000).contains(MARK), "{text}");
        }
        assert_eq!(redact.text("nothing here", 1000), "nothing here");
    }

    #[test]
    fn what_is_issued_meanwhile_is_hidden_too_and_the_ones_before_it() {
        let issued = Issued::default();
        let redact = redactor(&["sesame"]).with([issued.clone()]);
        assert_eq!(redact.text("sesame token-1", 1000), "[redacted] token-1");
        for token in ["token-1", "token-2"] {
            issued.add(token);
        }
        assert_eq!(
            redact.text("sesame token-1 token-2 dG9rZW4tMg==", 1000),
            "[redacted] [redacted] [redacted] [redacted]g=="
        );
        for before in 0..20 {
            let clean = redact.text(&format!("{}token-2 more", "x".repeat(before)), 10);
            assert!(!clean.contains("tok"), "{clean}");
        }
    }

    #[test]
    fn what_moves_a_cursor_or_forges_a_line_is_shown_as_an_escape() {
        assert_eq!(
            printable("a\n2026 INFO \u{1b}[2Jb\u{202e}c\u{9b}"),
            "a\\n2026 INFO \\u{1b}[2Jb\\u{202e}c\\u{9b}"
        );
        assert_eq!(printable("Ägir 日本 ok"), "Ägir 日本 ok");
    }

    #[test]
    fn a_secret_within_a_longer_one_leaves_no_rest() {
        assert_eq!(
            redactor(&["abc", "abcdef"]).text("xabcdefx abc", 1000),
            "x[redacted]x [redacted]"
        );
    }

    #[test]
    fn a_cut_never_leaves_the_beginning_of_a_secret() {
        let redact = redactor(&["sesame-open-now"]);
        for before in 0..64 {
            let text = format!(
                "{}sesame-open-now{}",
                "sesame-open-now ".repeat(before / 8) + &"ä".repeat(before),
                "y".repeat(100)
            );
            let clean = redact.text(&text, 40);
            assert!(!clean.contains("sesame"), "{clean}");
            assert!(clean.len() <= 40 + MARK.len(), "{clean}");
        }
    }
}
