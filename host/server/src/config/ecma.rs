//! `[ecma]` in an app's file: the app stands in for a connector of Microsoft's ECMA Connector Host.

use super::reader::{Located, Section, Sink};

/// As what the app is known.
#[derive(Clone, Debug)]
pub struct Ecma {
    /// The connector's name in `/ecma2host_NAME/scim`.
    pub name: Located<String>,
}

pub(crate) fn read(app: &str, mut section: Section<'_>, sink: &Sink) -> Ecma {
    let name = section.text("name").unwrap_or_else(|| Located {
        value: app.to_owned(),
        span: section.span(),
    });
    section.finish();
    if !is_sane_name(&name.value) {
        sink.error_hint(
            name.span.clone(),
            format!("`{}` cannot be the name of an ECMA connector", name.value),
            "it is what follows `ecma2host_` in the Tenant URL: letters, digits, `-`, `_`, `.` and `~`, at most 64",
        );
    }
    Ecma { name }
}

/// Whether the name stands in a URL as it is.
fn is_sane_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
}
