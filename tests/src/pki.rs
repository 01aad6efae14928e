//! Certificates for one test, made by openssl: an authority, and what it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// An authority in a directory of its own.
pub struct Authority(TempDir);

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let authority = Self(tempfile::Builder::new().prefix("tombolo-ca-").tempdir()?);
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ];
        openssl(authority.0.path(), &arguments)?;
        Ok(authority)
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.0.path().join("ca.pem"))?)
    }

    /// A certificate for a listener on 127.0.0.1, with an RSA key of 2048 bits as Entra wants it at least.
    pub fn server(&self, name: &str) -> Result<Pair> {
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n";
        self.sign(
            name,
            &["rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
            extensions,
        )
    }

    /// A certificate for a client of this DNS name.
    pub fn client(&self, name: &str) -> Result<Pair> {
        let extensions = format!("subjectAltName=DNS:{name}\nextendedKeyUsage=clientAuth\n");
        self.sign(
            name,
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &extensions,
        )
    }

    fn sign(&self, name: &str, key: &[&str], extensions: &str) -> Result<Pair> {
        let dir = self.0.path();
        let file = |end: &str| format!("{name}.{end}");
        let subject = format!("/CN={name}");
        let (key_file, request, certificate) = (file("key"), file("csr"), file("pem"));
        std::fs::write(dir.join(file("ext")), extensions)?;
        let mut arguments = vec!["req", "-new", "-nodes", "-newkey"];
        arguments.extend(key);
        arguments.extend(["-subj", &subject, "-keyout", &key_file, "-out", &request]);
        openssl(dir, &arguments)?;
        openssl(
            dir,
            &[
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                &file("ext"),
                "-out",
                &certificate,
            ],
        )?;
        Ok(Pair {
            certificate: dir.join(certificate),
            key: dir.join(key_file),
        })
    }
}

impl Pair {
    /// Certificate and key in one text, as a client wants them.
    pub fn identity(&self) -> Result<reqwest::Identity> {
        let mut pem = std::fs::read(&self.key)?;
        pem.extend(std::fs::read(&self.certificate)?);
        Ok(reqwest::Identity::from_pem(&pem)?)
    }

    /// Puts both into a configuration directory as `tls/cert.pem` and `tls/key.pem`; the key first, so that whoever
    /// watches never sees a new certificate with an old key for long.
    pub fn install(&self, directory: &crate::host::Directory) -> Result<()> {
        directory.write("tls/key.pem", std::fs::read(&self.key)?)?;
        directory.write("tls/cert.pem", std::fs::read(&self.certificate)?)?;
        Ok(())
    }

    /// SHA-256 of the certificate, as an app's file has it.
    pub fn fingerprint(&self) -> Result<String> {
        let certificate = self.certificate.display().to_string();
        let der = openssl(
            Path::new("/"),
            &["x509", "-in", &certificate, "-outform", "DER"],
        )?;
        Ok(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(der)))
    }
}

/// Runs openssl, and gives back what it wrote.
pub fn openssl(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .context("cannot start openssl (Debian: apt-get install openssl)")?;
    ensure!(
        output.status.success(),
        "openssl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
