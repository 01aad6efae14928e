//! Makes a file's text fit to be shown.
//!
//! The very mistake that a message is about may be a secret that stands where its place should: the line is shown with
//! the secret starred out. This goes by words, not by parsing, because a file that does not parse is shown too.

/// What the key of a secret has in its name.
const WORDS: [&str; 6] = [
    "password",
    "passphrase",
    "secret",
    "credential",
    "api-key",
    "api_key",
];

/// Keys of secrets whose words are no secrets elsewhere, such as in `tokens` and `token-url`.
const KEYS: [&str; 3] = ["token", "value", "client-key"];

/// The text with everything starred that looks like a secret; every byte stays at its place.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_secrets = false;
    let mut until: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(end) = until {
            star(line, &mut out);
            if line.contains(end) {
                until = None;
            }
            continue;
        }
        let lowered = line.to_ascii_lowercase();
        if lowered.trim_start().starts_with('[') && !lowered.contains('=') {
            in_secrets = lowered.contains("secrets");
            out.push_str(line);
            continue;
        }
        let from = if in_secrets {
            Some(0)
        } else {
            let words = WORDS.iter().filter_map(|word| lowered.find(word));
            let keys = KEYS.iter().filter_map(|key| find_key(&lowered, key));
            words.chain(keys).min()
        };
        let value = from.and_then(|from| Some(from + line[from..].find('=')? + 1));
        match value {
            Some(at) if !names_a_place(&line[at..]) => {
                out.push_str(&line[..at]);
                star(&line[at..], &mut out);
                until = ["\"\"\"", "'''"]
                    .into_iter()
                    .find(|quote| line[at..].matches(quote).count() == 1);
            }
            _ => star_in_urls(line, &mut out),
        }
    }
    out
}

/// The line with the password of `scheme://user:password@host` starred.
fn star_in_urls(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some((before, url)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = url.find(['"', '\'', '/', ' ', '\n']).unwrap_or(url.len());
        // A password may itself hold an `@`, or a slash that nobody escaped.
        let end = url[end..].find('@').map_or(end, |more| {
            if url[end..end + more].contains(['"', '\'', ' ', '\n']) {
                end
            } else {
                end + more + 1
            }
        });
        match (url[..end].find(':'), url[..end].rfind('@')) {
            (Some(colon), Some(at)) if colon < at => {
                out.push_str(&url[..=colon]);
                star(&url[colon + 1..at], out);
                rest = &url[at..];
            }
            _ => {
                out.push_str(&url[..end]);
                rest = &url[end..];
            }
        }
    }
    out.push_str(rest);
}

/// Where this is a whole key.
fn find_key(line: &str, key: &str) -> Option<usize> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut found = line.match_indices(key).map(|(at, _)| at);
    found.find(|at| {
        let behind = line[at + key.len()..].trim_start_matches(['"', '\'', ' ', '\t']);
        !line[..*at].ends_with(inside) && behind.starts_with('=')
    })
}

/// `"env:NAME"` and `"file:PATH"`, alone on the line: anything behind may be another secret.
fn names_a_place(value: &str) -> bool {
    let value = value.trim();
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    inner.is_some_and(|inner| {
        !inner.contains('"') && (inner.starts_with("env:") || inner.starts_with("file:"))
    })
}

fn star(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_whitespace() || "\"'{}[],=".contains(c) {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_starred_wherever_it_stands_and_nothing_moves() {
        for text in [
            "password = \"hunter2\"\n",
            "password = hunter2\n",
            "d = { url = \"x\", password = \"hünter2\" }\n",
            "[secrets]\nx = \"hunter2\"\n",
            "secrets = { x = \"env:A\", y = \"hunter2\" }\n",
            "auth = { kind = \"bearer\", token = \"hunter2\" }\n",
            "token=\"hunter2\"\n",
            "auth = { header = \"X\", \"value\" = \"hunter2\" }\n",
            "client-key = \"hunter2\"\n",
            "bind-password = \"\"\"\nhunter2\n\"\"\"\n",
            "url = \"postgresql://tombolo:hunter2@db/state\"\n",
            "url = \"postgresql://tombolo:a/hunter2@db/state\"\n",
            "a = \"http://a:b@c\", url = \"x://t:hun@hunter2@db\"\n",
        ] {
            let shown = mask(text);
            assert!(!shown.contains("nter2"), "{shown}");
            assert_eq!(shown.len(), text.len());
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            "url = \"ldap://x\"\n",
            "url = \"https://ana@x:8443/a:b@c\"\n",
            "url = \"https://x:8443/a\", mail = \"a@b\"\n",
            "password = \"env:PW\"\n",
            "token-url = \"https://x\"\n",
            "tokens = [ { name = \"a\" } ]\n",
            "[secrets]\nk = \"file:s/k\"\n[limits]\nwall = \"soon\"\n",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
