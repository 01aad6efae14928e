//! What comes inside the binary, so that a new project needs nothing but the binary and its language's own tool: the
//! contract, the SDKs and the templates.

use std::borrow::Cow;

use rust_embed::RustEmbed;

use crate::language::Language;

#[derive(RustEmbed)]
#[folder = "../../wit"]
struct Wit;

#[derive(RustEmbed)]
#[folder = "../../sdk"]
#[exclude = "*/target/*"]
#[exclude = "*/node_modules/*"]
#[exclude = "*/__pycache__/*"]
#[exclude = "*/tests/*"]
#[exclude = "*/test/*"]
#[exclude = "*_test.go"]
struct Sdk;

#[derive(RustEmbed)]
#[folder = "templates"]
struct Templates;

/// A file of a new project: its path there, and what is in it.
pub(crate) type File = (String, Cow<'static, [u8]>);

/// The contract, as it goes into a project's `wit/`.
pub(crate) fn wit() -> impl Iterator<Item = File> {
    files::<Wit>(String::new(), "wit/".to_owned())
}

/// A language's SDK, as it goes into a project's `sdk/`.
pub(crate) fn sdk(language: Language) -> impl Iterator<Item = File> {
    let folder = format!("{language}/");
    files::<Sdk>(folder.clone(), format!("sdk/{folder}"))
}

/// A language's template.
pub(crate) fn template(language: Language) -> impl Iterator<Item = File> {
    files::<Templates>(format!("{language}/"), String::new())
}

fn files<E: RustEmbed>(folder: String, to: String) -> impl Iterator<Item = File> {
    E::iter().filter_map(move |path| {
        let below = path.strip_prefix(folder.as_str())?;
        Some((format!("{to}{below}"), E::get(&path)?.data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_an_sdk_and_a_template() {
        assert!(wit().any(|(path, _)| path == "wit/types.wit"));
        for language in Language::ALL {
            assert!(sdk(language).count() > 1, "{language}");
            assert!(
                template(language).any(|(path, _)| path == "connector.toml"),
                "{language}"
            );
        }
    }
}
