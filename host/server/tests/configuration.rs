//! What `tombolo check` finds, and where it says it is.

use std::fs;
use std::path::Path;

use tombolo::config::secret::Providers;
use tombolo::config::trust::Trust;
use tombolo::config::{Diagnostic, Layout, Report, Severity, material};

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Everything that reading the files finds, as `tombolo check --files-only` does.
fn check(dir: &Path) -> Report {
    let layout = Layout::new(dir);
    let (host, mut report) = layout.read_host();
    let trust = Trust::new(&host.connectors, dir);
    let providers = Providers::new(&layout, &host.secret_providers);
    for path in layout.app_paths().unwrap() {
        let found = layout.read_app(&path);
        report.0.extend(found.report.0);
        if let Some(file) = found.file {
            report.0.extend(
                material::gather(
                    &layout,
                    &trust,
                    &providers,
                    &file,
                    jiff::Timestamp::UNIX_EPOCH,
                )
                .1
                .0,
            );
        }
    }
    report.sort();
    report
}

fn lines(report: &Report) -> Vec<String> {
    report
        .0
        .iter()
        .map(|found| format!("{} {}", found.location(), found.message))
        .collect()
}

#[track_caller]
fn expect(report: &Report, place: &str, words: &str) -> Diagnostic {
    let found = report
        .0
        .iter()
        .find(|found| found.location() == place && found.message.contains(words));
    found
        .cloned()
        .unwrap_or_else(|| panic!("no `{words}` at {place} in {:#?}", lines(report)))
}

const TOKEN: &str = "tokens = [ { name = \"a\", sha256 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" } ]";

#[test]
fn everything_that_is_wrong_in_every_file_is_said_at_once_each_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("connectors/csv.wasm", "x"),
            (
                "tombolo.toml",
                "[server]\nlisten = \"0.0.0.0:80\"\n[limts]\n[log]\nlevel = 3\nformat = \"jsn\"\n",
            ),
            (
                "apps/one.toml",
                "conector = \"csv\"\n[limits]\nwall = \"30\"\nmemory = \"64 mib\"\nconcurrency = 0\n",
            ),
            (
                "apps/two.toml",
                "connector = \"cvs\"\n[targets.directory]\nkind = \"ldap\"\nurl = \"http://x\"\nbind-dn = \"cn=x\"\npassword = \"hunter2\"\n",
            ),
            (
                "apps/three.toml",
                "connector = \"csv\"\n[directories]\ndata = { path = \"nowhere\", access = \"write\" }\n[secrets]\nkey = \"env:TOMBOLO_SURELY_UNSET\"\n",
            ),
            ("apps/four.toml", "connector = \"csv\nx = 1\n"),
        ],
    );
    let report = check(dir.path());
    expect(&report, "tombolo.toml:2:10", "not a loopback address");
    let found = expect(&report, "tombolo.toml:3:2", "unknown key `limts`");
    assert_eq!(found.hint.as_deref(), Some("did you mean `limits`?"));
    expect(&report, "tombolo.toml:5:9", "must be a string");
    let found = expect(&report, "tombolo.toml:6:10", "cannot be `jsn`");
    assert_eq!(found.hint.as_deref(), Some("did you mean `json`?"));
    expect(&report, "apps/one.toml:1:1", "`connector` is missing");
    let found = expect(&report, "apps/one.toml:1:1", "unknown key `conector`");
    assert_eq!(found.hint.as_deref(), Some("did you mean `connector`?"));
    expect(
        &report,
        "apps/one.toml:3:8",
        "`limits.wall` must be a duration",
    );
    expect(
        &report,
        "apps/one.toml:4:10",
        "`limits.memory` must be a size",
    );
    expect(&report, "apps/one.toml:5:15", "between 1 and 4096");
    let found = expect(
        &report,
        "apps/two.toml:1:13",
        "there is no `connectors/cvs.wasm`",
    );
    assert_eq!(found.hint.as_deref(), Some("did you mean `csv`?"));
    expect(&report, "apps/two.toml:4:7", "not an LDAP URL");
    expect(
        &report,
        "apps/two.toml:6:12",
        "must not hold the secret itself",
    );
    expect(
        &report,
        "apps/three.toml:3:17",
        "`nowhere` is not a directory",
    );
    expect(&report, "apps/three.toml:3:37", "cannot be `write`");
    expect(
        &report,
        "apps/three.toml:5:7",
        "app `three`: the environment variable `TOMBOLO_SURELY_UNSET` is not set",
    );
    assert!(
        report
            .0
            .iter()
            .any(|found| found.location().starts_with("apps/four.toml:1:")
                && found.message.contains("not valid TOML"))
    );
    let everything: String = report
        .0
        .iter()
        .map(|found| found.render(false) + &found.to_json().to_string())
        .collect();
    assert!(!everything.contains("hunter2"), "{everything}");
}

#[test]
fn a_complete_and_correct_directory_has_nothing_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("connectors/ldap.wasm", "x"),
            ("secrets/pw", "s"),
            ("data/hr/x", ""),
            (
                "tombolo.toml",
                "[server]\nlisten = \"127.0.0.1:0\"\npublic-url = \"https://scim.example.org\"\n[limits]\nbody = \"1MiB\"\n",
            ),
            (
                "apps/hr.toml",
                &format!(
                    "connector = \"ldap\"\n[auth]\n{TOKEN}\n[settings]\nbase = \"dc=x\"\n[targets.directory]\nkind = \"ldap\"\nurl = \"ldaps://x\"\nbind-dn = \"cn=x\"\npassword = \"file:secrets/pw\"\n[directories]\ndata = {{ path = \"data/hr\", access = \"read-write\" }}\n[mapping.user]\n\"name.familyName\" = \"sn\"\nnickName = false\nconstants = {{ gidNumber = 100 }}\n[reads]\nfreshness = \"30s\"\n[instances]\nreuse = \"warm\"\n"
                ),
            ),
        ],
    );
    private(&dir.path().join("secrets/pw"));
    let report = check(dir.path());
    assert!(report.0.is_empty(), "{:#?}", lines(&report));
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_secret_file_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("connectors/csv.wasm", "x"),
            ("secrets/key", "s"),
            ("tombolo.toml", ""),
            (
                "apps/hr.toml",
                &format!(
                    "connector = \"csv\"\n[auth]\n{TOKEN}\n[secrets]\nkey = \"file:secrets/key\"\n"
                ),
            ),
        ],
    );
    fs::set_permissions(
        dir.path().join("secrets/key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let report = check(dir.path());
    assert_eq!(
        expect(&report, "apps/hr.toml:5:7", "others than its owner").severity,
        Severity::Warning
    );
    assert!(!report.has_errors());
}

#[test]
fn limits_of_a_request_and_an_apps_mode_are_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let app =
        |mode: &str| format!("connector = \"csv\"\n[auth]\n{TOKEN}\n[scim]\nmode = \"{mode}\"\n");
    write(
        dir.path(),
        &[
            ("connectors/csv.wasm", "x"),
            (
                "tombolo.toml",
                "[limits]\nbody = \"1MiB\"\njson-depth = 20\nbulk-operations = 50\npage-max = 20\n",
            ),
            ("apps/good.toml", &app("strict")),
            ("apps/bad.toml", &app("entr")),
        ],
    );
    let layout = Layout::new(dir.path());
    let limits = layout.read_host().0.protocol;
    assert_eq!(
        (limits.body_bytes, limits.json_depth, limits.bulk_operations),
        (1 << 20, 20, 50)
    );
    // A page without a count is no larger than the largest.
    assert_eq!((limits.page_size, limits.max_page_size), (20, 20));
    assert_eq!(
        limits.patch_operations,
        tombolo_scim::Limits::DEFAULT.patch_operations
    );
    let found = layout.read_app(&dir.path().join("apps/good.toml")).file;
    assert_eq!(found.unwrap().dialect, tombolo_scim::Dialect::Strict);
    let found = expect(&check(dir.path()), "apps/bad.toml:5:8", "cannot be `entr`");
    assert_eq!(found.hint.as_deref(), Some("did you mean `entra`?"));

    write(
        dir.path(),
        &[(
            "tombolo.toml",
            "[limits]\njson-depth = 1000\npage = 50\npage-max = 20\n",
        )],
    );
    let report = check(dir.path());
    expect(&report, "tombolo.toml:2:14", "between 8 and 120");
    expect(&report, "tombolo.toml:1:2", "`limits.page` is 50");
}

#[test]
fn a_pin_that_does_not_fit_names_the_digest_that_would() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("connectors/csv.wasm", ""),
            ("tombolo.toml", ""),
            (
                "apps/hr.toml",
                &format!(
                    "connector = \"csv\"\nsha256 = \"{}\"\n[auth]\n{TOKEN}\n",
                    "0".repeat(64)
                ),
            ),
        ],
    );
    let found = expect(
        &check(dir.path()),
        "apps/hr.toml:2:10",
        "not the file that `sha256` pins",
    );
    assert!(
        found
            .hint
            .unwrap()
            .contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
}

#[test]
fn a_password_is_never_sent_unencrypted_across_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let app = |url: &str| {
        format!(
            "connector = \"c\"\n[auth]\n{TOKEN}\n[targets.d]\nkind = \"ldap\"\nurl = \"{url}\"\npassword = \"env:PATH\"\n"
        )
    };
    write(
        dir.path(),
        &[
            ("connectors/c.wasm", ""),
            ("tombolo.toml", ""),
            ("apps/far.toml", &app("ldap://ldap.example.org")),
            ("apps/near.toml", &app("ldap://[::1]:3890")),
        ],
    );
    let report = check(dir.path());
    expect(&report, "apps/far.toml:6:7", "unencrypted");
    assert_eq!(report.errors(), 1, "{:#?}", lines(&report));
}

#[test]
fn a_directory_is_signed_in_to_in_one_way() {
    let dir = tempfile::tempdir().unwrap();
    let app = |url: &str, lines: &str| {
        format!(
            "connector = \"c\"\n[auth]\n{TOKEN}\n[targets.d]\nkind = \"ldap\"\nurl = \"{url}\"\n{lines}\n"
        )
    };
    let certificate = "client-certificate = \"tls/me.pem\"\nclient-key = \"file:tls/key.pem\"\nreferrals = \"error\"";
    let external = |lines: &str| format!("bind = \"external\"\n{lines}");
    let tls = "ldaps://ldap.example.org";
    write(
        dir.path(),
        &[
            ("connectors/c.wasm", ""),
            ("tombolo.toml", ""),
            ("tls/me.pem", include_str!("tls/one.cert.pem")),
            ("tls/key.pem", include_str!("tls/one.key.pem")),
            ("apps/good.toml", &app(tls, &external(certificate))),
            ("apps/nobody.toml", &app(tls, "bind = \"anonymous\"")),
            (
                "apps/plain.toml",
                &app("ldap://localhost", &external(certificate)),
            ),
            ("apps/bare.toml", &app(tls, &external(""))),
            (
                "apps/both.toml",
                &app(
                    tls,
                    &external(&format!(
                        "bind-dn = \"cn=x\"\npassword = \"env:PATH\"\n{certificate}"
                    )),
                ),
            ),
            ("apps/nameless.toml", &app(tls, "bind = \"simple\"")),
            ("apps/kerberos.toml", &app(tls, "bind = \"gssapi\"")),
            ("apps/chased.toml", &app(tls, "referrals = \"follow\"")),
        ],
    );
    private(&dir.path().join("tls/key.pem"));
    let report = check(dir.path());
    expect(&report, "apps/plain.toml:6:7", "no TLS to show it in");
    expect(&report, "apps/bare.toml:4:10", "has none");
    expect(&report, "apps/both.toml:7:8", "nobody uses");
    expect(&report, "apps/nameless.toml:7:8", "no `bind-dn`");
    expect(&report, "apps/kerberos.toml:7:8", "no Kerberos");
    expect(&report, "apps/chased.toml:7:13", "`follow`");
    assert_eq!(report.errors(), 6, "{:#?}", lines(&report));
}

/// An app on `c` with a target of kind `http`, whose table goes on with these lines from line 6 on.
fn web(lines: &str) -> String {
    format!("connector = \"c\"\n[auth]\n{TOKEN}\n[targets.web]\nkind = \"http\"\n{lines}\n")
}

#[test]
fn an_http_target_may_say_all_of_this() {
    let dir = tempfile::tempdir().unwrap();
    let pem = include_str!("tls/one.cert.pem");
    let all = "url = \"https://api.example.org:8443/v1/\"\nca = \"tls/ca.pem\"\npins = [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]\nclient-certificate = \"tls/ca.pem\"\nclient-key = \"file:tls/key.pem\"\nmethods = [\"GET\", \"POST\"]\nreach = \"public\"\nconnect-timeout = \"3s\"\ntimeout = \"10s\"\nconcurrency = 4\nrate = \"10/1s\"\n[targets.web.auth]\nkind = \"oauth\"\ntoken-url = \"https://login.example.org/token\"\nclient-id = \"x\"\nclient-secret = \"env:PATH\"\nscope = \"a b\"\nclient-auth = \"body\"\nca = \"tls/ca.pem\"";
    let auth = |auth: &str| web(&format!("url = \"https://x\"\nauth = {{ {auth} }}"));
    write(
        dir.path(),
        &[
            ("connectors/c.wasm", ""),
            ("tombolo.toml", ""),
            ("tls/ca.pem", pem),
            ("tls/key.pem", include_str!("tls/one.key.pem")),
            ("apps/all.toml", &web(all)),
            ("apps/bare.toml", &web("url = \"https://x\"")),
            ("apps/none.toml", &auth("kind = \"none\"")),
            (
                "apps/basic.toml",
                &auth("kind = \"basic\", user = \"u\", password = \"env:PATH\""),
            ),
            (
                "apps/bearer.toml",
                &auth("kind = \"bearer\", token = \"env:PATH\""),
            ),
            (
                "apps/key.toml",
                &auth("kind = \"api-key\", header = \"X-Key\", value = \"env:PATH\""),
            ),
            (
                "apps/near.toml",
                &web(
                    "url = \"http://localhost:8080\"\nauth = { kind = \"bearer\", token = \"env:PATH\" }",
                ),
            ),
            (
                "apps/plain.toml",
                &web(
                    "url = \"http://x\"\nplain-http = true\nauth = { kind = \"bearer\", token = \"env:PATH\" }",
                ),
            ),
        ],
    );
    private(&dir.path().join("tls/key.pem"));
    let report = check(dir.path());
    assert!(report.0.is_empty(), "{:#?}", lines(&report));
}

#[test]
fn what_is_wrong_with_an_http_target_is_said_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("scheme", "url = \"ftp://x\"", "6:7", "is no HTTP URL"),
        (
            "user",
            "url = \"https://u:p@x\"",
            "6:7",
            "must not hold credentials",
        ),
        ("query", "url = \"https://x/?k=1\"", "6:7", "a path only"),
        (
            "none",
            "timeout = \"1s\"",
            "4:10",
            "`targets.web.url` is missing",
        ),
        (
            "plain",
            "url = \"http://x\"\nauth = { kind = \"bearer\", token = \"env:PATH\" }",
            "6:7",
            "unencrypted",
        ),
        (
            "secret",
            "url = \"https://x\"\nauth = { kind = \"bearer\", token = \"hunter2\" }",
            "7:35",
            "must not hold the secret itself",
        ),
        (
            "absent",
            "url = \"https://x\"\nauth = { kind = \"bearer\" }",
            "7:1",
            "`targets.web.auth.token` is missing",
        ),
        (
            "kind",
            "url = \"https://x\"\nauth = { kind = \"berer\" }",
            "7:17",
            "cannot be `berer`",
        ),
        (
            "key",
            "url = \"https://x\"\nclient-certificate = \"x.pem\"",
            "7:22",
            "no `client-key`",
        ),
        (
            "clear",
            "url = \"http://x\"\npins = [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]",
            "6:7",
            "no TLS to use them in",
        ),
        (
            "pin",
            "url = \"https://x\"\npins = [\"abc\"]",
            "7:9",
            "sha256/",
        ),
        ("rate", "url = \"https://x\"\nrate = \"10\"", "7:8", "10/1s"),
        (
            "method",
            "url = \"https://x\"\nmethods = [\"get\"]",
            "7:12",
            "in capitals",
        ),
        (
            "reach",
            "url = \"https://x\"\nreach = \"all\"",
            "7:9",
            "cannot be `all`",
        ),
        (
            "ca",
            "url = \"https://x\"\nca = \"nowhere.pem\"",
            "7:6",
            "cannot read",
        ),
        (
            "unknown",
            "url = \"https://x\"\ntimout = \"1s\"",
            "7:1",
            "unknown key `timout`",
        ),
    ];
    write(
        dir.path(),
        &[("connectors/c.wasm", ""), ("tombolo.toml", "")],
    );
    for (name, lines, _, _) in &cases {
        write(dir.path(), &[(&format!("apps/{name}.toml"), &web(lines))]);
    }
    let report = check(dir.path());
    for (name, _, at, what) in &cases {
        expect(&report, &format!("apps/{name}.toml:{at}"), what);
    }
    assert_eq!(report.errors(), cases.len(), "{:#?}", lines(&report));
    let everything: String = report.0.iter().map(|found| found.render(false)).collect();
    assert!(!everything.contains("hunter2"), "{everything}");
}

#[test]
fn a_message_shows_the_line_that_it_speaks_of_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[("tombolo.toml", "# ünïcode\n[store]\npaht = \"x\"\n")],
    );
    let report = check(dir.path());
    let shown = report.0[0].render(false);
    assert!(
        shown.contains("tombolo.toml:3:1") && shown.contains("paht = \"x\""),
        "{shown}"
    );
    assert!(shown.contains("hint: did you mean `path`?"), "{shown}");
}

#[test]
fn three_tokens_and_an_expired_one_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str, expires: &str| {
        format!(
            "{{ name = \"{name}\", sha256 = \"{}\"{expires} }}",
            "a".repeat(64)
        )
    };
    write(
        dir.path(),
        &[
            ("connectors/c.wasm", ""),
            ("tombolo.toml", ""),
            (
                "apps/a.toml",
                &format!(
                    "connector = \"c\"\n[auth]\ntokens = [\n{},\n{},\n{},\n]\n",
                    token("a", ", expires = 1969-01-01"),
                    token("b", ", expires = 1970-01-20"),
                    token("c", ", expires = 2027-05-01")
                ),
            ),
        ],
    );
    let report = check(dir.path());
    expect(&report, "apps/a.toml:3:10", "3 tokens, and at most 2");
    expect(&report, "apps/a.toml:4:1", "token `a` expired");
    expect(
        &report,
        "apps/a.toml:5:1",
        "expires at 1970-01-20T00:00:00Z, in 19 days",
    );
    assert_eq!(report.0.len(), 3, "{:#?}", lines(&report));
}

#[test]
fn an_ecma_connectors_name_is_one_that_stands_in_a_url() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("connectors/csv.wasm", "x"),
            ("tombolo.toml", "[server]\nlisten = \"127.0.0.1:0\"\n"),
            (
                "apps/one.toml",
                "connector = \"csv\"\n[ecma]\nname = \"CORP DB/1\"\n",
            ),
            (
                "apps/two.toml",
                "connector = \"csv\"\n[ecma]\nnaem = \"CORP1\"\n",
            ),
            (
                "apps/three.toml",
                "connector = \"csv\"\n[ecma]\nname = \"CORP.DB-1\"\n",
            ),
        ],
    );
    let report = check(dir.path());
    let found = expect(
        &report,
        "apps/one.toml:3:8",
        "`CORP DB/1` cannot be the name of an ECMA connector",
    );
    assert!(found.hint.unwrap().contains("Tenant URL"));
    let found = expect(
        &report,
        "apps/two.toml:3:1",
        "unknown key `naem` in `[ecma]`",
    );
    assert_eq!(found.hint.as_deref(), Some("did you mean `name`?"));
    let of_three = |line: &String| line.contains("three") && line.contains("ECMA");
    assert!(!lines(&report).iter().any(of_three), "{report:?}");
}

fn db(lines: &str) -> String {
    format!("connector = \"c\"\n[auth]\n{TOKEN}\n[targets.db]\nkind = \"sql\"\n{lines}\n")
}

#[test]
fn a_database_may_be_written_down_in_all_these_ways() {
    let dir = tempfile::tempdir().unwrap();
    let parts = "host = \"db.example.org\"\nport = 6432\ndatabase = \"hr\"\nuser = \"tombolo\"\npassword = \"env:PATH\"\ntls = \"prefer\"\npool-size = 2\nconnect-timeout = \"3s\"\nstatement-timeout = \"10s\"\nmax-rows = 500\nread-only = true";
    write(
        dir.path(),
        &[
            ("connectors/c.wasm", ""),
            ("data/hr.sqlite", ""),
            ("tombolo.toml", ""),
            (
                "apps/a.toml",
                &db(&format!("driver = \"postgresql\"\n{parts}")),
            ),
            (
                "apps/b.toml",
                &db(&format!("driver = \"mariadb\"\n{parts}")),
            ),
            (
                "apps/c.toml",
                &db("driver = \"mysql\"\nurl = \"mysql://u%40x@db.example.org:3307/hr\""),
            ),
            (
                "apps/d.toml",
                &db("driver = \"sqlite\"\npath = \"data/hr.sqlite\""),
            ),
            (
                "apps/e.toml",
                &db("driver = \"sqlite\"\npath = \"data/new.sqlite\"\ncreate = true"),
            ),
            (
                "apps/f.toml",
                &db(
                    "driver = \"odbc\"\nconnection = \"DSN=hr\"\nuser = \"u\"\npassword = \"env:PATH\"",
                ),
            ),
        ],
    );
    let report = check(dir.path());
    assert!(report.0.is_empty(), "{:#?}", lines(&report));
}

#[test]
fn what_is_wrong_with_a_database_is_said_at_its_place() {
    let wrong = [
        ("host = \"h\"", "", "`targets.db.driver` is missing"),
        ("driver = \"postgres\"", "6:10", "cannot be `postgres`"),
        ("driver = \"sqlserver\"", "6:10", "through ODBC"),
        (
            "driver = \"mysql\"\nhost = \"h\"\nuser = \"u\"",
            "",
            "`targets.db.database` is missing",
        ),
        (
            "driver = \"mysql\"\nurl = \"mysql://u:secret@h/d\"",
            "7:7",
            "holds a password",
        ),
        (
            "driver = \"mysql\"\nurl = \"mysql://u@h/\"",
            "7:7",
            "names no database",
        ),
        (
            "driver = \"mysql\"\nurl = \"mysql://u@h/d?ssl-mode=off\"",
            "7:7",
            "holds options",
        ),
        (
            "driver = \"mysql\"\nurl = \"http://u@h/d\"",
            "7:7",
            "another scheme",
        ),
        (
            "driver = \"mysql\"\nurl = \"mysql://u@h/d\"\nuser = \"u\"",
            "",
            "both `url` and `user`",
        ),
        (
            "driver = \"sqlite\"\npath = \"../hr.sqlite\"",
            "7:8",
            "leaves the configuration directory",
        ),
        (
            "driver = \"sqlite\"\npath = \"/var/hr.sqlite\"",
            "7:8",
            "leaves the configuration directory",
        ),
        (
            "driver = \"sqlite\"\npath = \"none.sqlite\"",
            "7:8",
            "no database file",
        ),
        (
            "driver = \"sqlite\"\npath = \"a/none.sqlite\"\ncreate = true",
            "7:8",
            "no database file",
        ),
        (
            "driver = \"odbc\"\nconnection = \"DSN=hr;Pwd=x\"",
            "7:14",
            "holds a password",
        ),
        (
            "driver = \"sqlite\"\npath = \"tombolo.toml\"\nmax-rows = 0",
            "8:12",
            "must be between",
        ),
        (
            "driver = \"sqlite\"\npath = \"tombolo.toml\"\npassword = \"env:PATH\"",
            "8:12",
            "has no password",
        ),
        (
            "driver = \"sqlite\"\npath = \"tombolo.toml\"\nhost = \"h\"",
            "8:1",
            "unknown key `host`",
        ),
    ];
    for (text, place, words) in wrong {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("connectors/c.wasm", ""),
                ("tombolo.toml", ""),
                ("apps/a.toml", &db(text)),
            ],
        );
        let report = check(dir.path());
        let found = report
            .0
            .iter()
            .find(|found| found.message.contains(words))
            .unwrap_or_else(|| panic!("{text}: no `{words}` in {:#?}", lines(&report)));
        assert!(!found.message.contains("secret"), "{}", found.message);
        // A key that is missing is told at its section.
        if !place.is_empty() {
            assert_eq!(found.location(), format!("apps/a.toml:{place}"), "{text}");
        }
    }
}
