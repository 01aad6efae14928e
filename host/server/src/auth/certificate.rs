//! Client certificates, as a condition besides the token.
//!
//! The listener has checked that `client-ca` signed the certificate and that the client has its key. Which of that
//! authority's certificates may call an app is the app's to say.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::refused::Refused;
use crate::config::auth::{CertificateMode, ClientCertificate};

/// What a client showed at the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    sha256: [u8; 32],
    /// Subject alternative names, and common names.
    names: Vec<String>,
}

impl Shown {
    /// Of the leaf's bytes. One that cannot be read has a fingerprint and no name.
    pub fn new(der: &[u8]) -> Arc<Self> {
        let names = X509Certificate::from_der(der)
            .map(|(_, certificate)| names(&certificate))
            .unwrap_or_default();
        Arc::new(Self {
            sha256: Sha256::digest(der).into(),
            names,
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned);
    let alternative = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        });
    common.chain(alternative).collect()
}

/// Whether what was shown is what the app wants.
pub(super) fn judge(wanted: &ClientCertificate, shown: Option<&Shown>) -> Result<(), Refused> {
    let Some(shown) = shown else {
        return match wanted.mode {
            CertificateMode::Required => Err(Refused::NoCertificate),
            CertificateMode::Optional => Ok(()),
        };
    };
    let named = |name: &String| wanted.names.iter().any(|it| it.eq_ignore_ascii_case(name));
    if wanted.sha256.contains(&shown.sha256) || shown.names.iter().any(named) {
        Ok(())
    } else {
        Err(Refused::Certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_allowed_by_a_name_or_by_its_fingerprint() {
        let wanted = |mode, names: &[&str], sha256: &[[u8; 32]]| ClientCertificate {
            mode,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            sha256: sha256.to_vec(),
        };
        let shown = Shown {
            sha256: [1; 32],
            names: vec!["Agent.example.org".to_owned()],
        };
        let required = CertificateMode::Required;
        let by_name = wanted(required, &["agent.example.org"], &[]);
        assert_eq!(judge(&by_name, Some(&shown)), Ok(()));
        assert_eq!(judge(&by_name, None), Err(Refused::NoCertificate));
        let by_print = wanted(required, &[], &[[1; 32]]);
        assert_eq!(judge(&by_print, Some(&shown)), Ok(()));
        let other = wanted(CertificateMode::Optional, &["other"], &[[2; 32]]);
        assert_eq!(judge(&other, None), Ok(()));
        assert_eq!(judge(&other, Some(&shown)), Err(Refused::Certificate));
    }

    #[test]
    fn what_is_no_certificate_has_no_name() {
        assert!(Shown::new(b"junk").names.is_empty());
    }
}
