//! `kind = "net"` in an app's file: what it may say, and what is wrong with it, at its place.

use std::fs;
use std::path::Path;

use tombolo::config::target::Target;
use tombolo::config::trust::Trust;
use tombolo::config::{Layout, Report, material};
use tombolo_runtime::NetTls;

const PIN: &str = "pins = [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]";

/// A configuration with an app whose target goes on with these lines, from line 4 on.
fn configured(lines: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let app = format!("connector = \"c\"\n[targets.mail]\nkind = \"net\"\n{lines}\n");
    for (name, text) in [
        ("connectors/c.wasm", ""),
        ("tombolo.toml", ""),
        ("tls/ca.pem", include_str!("tls/one.cert.pem")),
        ("tls/key.pem", include_str!("tls/one.key.pem")),
        ("apps/a.toml", &app),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

/// The target, if it could be read, and what is wrong.
fn read(dir: &Path) -> (Option<Target>, Report) {
    let layout = Layout::new(dir);
    let (host, _) = layout.read_host();
    let trust = Trust::new(&host.connectors, dir);
    let found = layout.read_app(&dir.join("apps/a.toml"));
    let mut report = found.report;
    let Some(file) = found.file else {
        return (None, report);
    };
    let gathered = material::gather(&layout, &trust, &file, jiff::Timestamp::UNIX_EPOCH);
    report.0.extend(gathered.1.0);
    (file.targets.get("mail").cloned(), report)
}

#[test]
fn a_stream_may_say_all_of_this() {
    let all = format!(
        "address = \"mail.example.org:587\"\ntls = \"start-tls\"\nserver-name = \"mx.example.org\"\nca = \"tls/ca.pem\"\n{PIN}\nclient-certificate = \"tls/ca.pem\"\nclient-key = \"file:tls/key.pem\"\nreach = \"public\"\nconnect-timeout = \"3s\"\nidle-timeout = \"10s\"\nconnections = 4"
    );
    for lines in [
        all.as_str(),
        "address = \"mail:993\"",
        "address = \"[2001:db8::1]:993\"",
        "address = \"127.0.0.1:25\"\ntls = \"off\"",
    ] {
        let dir = configured(lines);
        let (target, report) = read(dir.path());
        assert_eq!(report.errors(), 0, "{lines}: {:?}", report.0);
        assert!(matches!(target, Some(Target::Net(_))), "{lines}");
    }
    let dir = configured("address = \"mail:993\"");
    let Some(Target::Net(net)) = read(dir.path()).0 else {
        panic!("no target");
    };
    // Who says nothing is protected.
    assert_eq!((net.tls, net.connections), (NetTls::Always, 8));

    // Its files are watched.
    let dir = configured(&all);
    let layout = Layout::new(dir.path());
    let file = layout
        .read_app(&dir.path().join("apps/a.toml"))
        .file
        .unwrap();
    let inputs = material::inputs(&layout, &file);
    for name in ["tls/ca.pem", "tls/key.pem"] {
        assert!(inputs.contains(&dir.path().join(name)), "{inputs:?}");
    }
}

#[test]
fn what_is_wrong_with_a_stream_is_said_at_its_place() {
    for (lines, at, what) in [
        ("tls = \"off\"", "2:10", "`targets.mail.address` is missing"),
        ("address = \"mail\"", "4:11", "no host and port"),
        ("address = \"mail:0\"", "4:11", "no host and port"),
        ("address = \"2001:db8::1:25\"", "4:11", "no host and port"),
        ("address = \"smtp://mail:25\"", "4:11", "no host and port"),
        ("address = \"me:pw@mail:25\"", "4:11", "no host and port"),
        (
            "address = \"mail:25\"\ntls = \"yes\"",
            "5:7",
            "cannot be `yes`",
        ),
        (
            "address = \"mail:25\"\ntls = \"off\"\nca = \"tls/ca.pem\"",
            "2:10",
            "no TLS to do it in",
        ),
        (
            "address = \"mail:25\"\nca = \"nowhere.pem\"",
            "5:6",
            "cannot read",
        ),
        ("address = \"mail:25\"\npins = [\"abc\"]", "5:9", "sha256/"),
        (
            "address = \"mail:25\"\nclient-certificate = \"tls/ca.pem\"",
            "5:22",
            "no `client-key`",
        ),
        (
            "address = \"mail:25\"\nconnections = 0",
            "5:15",
            "connections",
        ),
        (
            "address = \"mail:25\"\npassword = \"env:X\"",
            "5:1",
            "unknown key `password`",
        ),
    ] {
        let dir = configured(lines);
        let report = read(dir.path()).1;
        let place = format!("apps/a.toml:{at}");
        let found = report
            .0
            .iter()
            .any(|found| found.location() == place && found.message.contains(what));
        assert!(found, "no `{what}` at {place} in {:#?}", report.0);
        assert_eq!(report.errors(), 1, "{lines}: {:#?}", report.0);
    }
}
