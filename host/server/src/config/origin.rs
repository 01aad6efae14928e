//! Where an app's connector comes from: a file in `connectors/`, or an OCI registry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_client::Reference;

use super::app::is_sane_name;
use super::reader::{Located, Section, Sink};
use super::secret::SecretSource;

/// What stands before a reference.
pub const SCHEME: &str = "oci://";

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `connectors/NAME.wasm`.
    File,
    /// `oci://registry.example.org/team/csv:1.2.0`, or with a digest behind `@`.
    Registry(Reference),
}

impl Origin {
    /// Reads what stands behind `connector`. The error is what is wrong and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let Some(reference) = text.strip_prefix(SCHEME) else {
            return if is_sane_name(text) {
                Ok(Self::File)
            } else {
                let message = format!("`{text}` cannot be the name of a connector");
                let hint = "give the name of a file in `connectors/` without its `.wasm`, or `oci://REGISTRY/REPOSITORY:TAG`";
                Err((message, hint))
            };
        };
        let hint = "write `oci://REGISTRY/REPOSITORY:TAG`, or `@sha256:…` for the tag";
        let wrong = |why: String| (format!("`{text}` is no OCI reference: {why}"), hint);
        let parsed: Reference = reference
            .parse()
            .map_err(|why: oci_client::ParseError| wrong(why.to_string()))?;
        // A name without a registry would be taken for one of Docker Hub's.
        if !reference.starts_with(&format!("{}/", parsed.registry())) {
            return Err(wrong("it names no registry".to_owned()));
        }
        if parsed.digest().is_none()
            && !reference.ends_with(&format!(":{}", parsed.tag().unwrap_or_default()))
        {
            return Err(wrong("it has neither tag nor digest".to_owned()));
        }
        Ok(Self::Registry(parsed))
    }

    /// The connector as messages name it.
    pub fn shown(&self, connector: &str) -> String {
        match self {
            Self::File => format!("connectors/{connector}.wasm"),
            Self::Registry(_) => connector.to_owned(),
        }
    }
}

/// `[connectors.registries."HOST"]` of `tombolo.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryFile {
    /// As whom to pull; nobody in particular if not said.
    pub user: Option<String>,
    /// With which password or token.
    pub password: Option<SecretSource>,
    /// PEM file of the authorities to trust instead of the system's, relative to the configuration directory.
    pub ca: Option<PathBuf>,
    /// Whether it is spoken to without TLS. Not said, that is so on loopback only.
    pub plain_http: Option<bool>,
}

pub(super) fn registries(section: Section<'_>, sink: &Sink) -> BTreeMap<String, RegistryFile> {
    let mut registries = BTreeMap::new();
    for (host, mut section) in section.named_sections() {
        let user = section.text("user").map(|user| user.value);
        let password = section.parsed("password", SecretSource::parse);
        if user.is_some() != password.is_some() {
            sink.error_hint(
                section.span(),
                format!("`connectors.registries.\"{host}\"` has `user` without `password`, or the other way round"),
                "give both, or neither",
            );
        }
        let registry = RegistryFile {
            user,
            password: password.map(|Located { value, .. }| value),
            ca: section.text("ca").map(|ca| ca.value.into()),
            plain_http: section.flag("plain-http"),
        };
        section.finish();
        registries.insert(host, registry);
    }
    registries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_needs_its_registry_and_a_tag_or_a_digest() {
        assert_eq!(Origin::parse("csv"), Ok(Origin::File));
        let digest = "a".repeat(64);
        for good in [
            "oci://registry.example.org/team/csv:1.2.0".to_owned(),
            "oci://127.0.0.1:5000/csv:latest".to_owned(),
            format!("oci://registry.example.org/team/csv@sha256:{digest}"),
        ] {
            assert!(
                matches!(Origin::parse(&good), Ok(Origin::Registry(_))),
                "{good}"
            );
        }
        for bad in [
            "oci://csv:1",
            "oci://team/csv:1",
            "oci://registry.example.org/team/csv",
            "oci://registry.example.org/TEAM/csv:1",
            "oci://",
            "http://registry.example.org/csv:1",
            "../csv",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
