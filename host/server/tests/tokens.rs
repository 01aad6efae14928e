//! Tokens in an app's file: made, counted, revoked, and nothing else of the file touched.

use std::fs;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use tombolo::config::edit::{self, EditError};
use tombolo::config::{Layout, client, token};

fn app(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Layout::new(dir.path()).app_file("hr");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn names(dir: &tempfile::TempDir, path: &std::path::Path) -> Vec<String> {
    let found = Layout::new(dir.path()).read_app(path);
    assert!(!found.report.has_errors(), "{}", found.report.summary());
    found
        .file
        .unwrap()
        .auth
        .tokens
        .into_iter()
        .map(|token| token.name)
        .collect()
}

#[test]
fn a_new_token_is_random_printable_and_kept_as_its_hash_only() {
    let (dir, path) = app("connector = \"csv\"\n");
    let new = token::create(&path, "hr", Some("entra"), Some("2027-05-01")).unwrap();
    let text = new.text.expose_secret();
    assert!(text.starts_with("tmb_") && text.len() == 4 + 43);
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    let file = fs::read_to_string(&path).unwrap();
    assert!(
        !file.contains(text) && file.contains("expires = 2027-05-01"),
        "{file}"
    );
    let found = Layout::new(dir.path()).read_app(&path).file.unwrap();
    assert_eq!(found.auth.tokens[0].sha256, edit::hash(text));
}

#[test]
fn two_tokens_can_be_valid_and_a_third_is_refused_until_one_is_revoked() {
    let (dir, path) = app("connector = \"csv\"\n[auth]\ntokens = []\n");
    token::create(&path, "hr", Some("a"), None).unwrap();
    assert!(matches!(
        token::create(&path, "hr", Some("a"), None),
        Err(EditError::Taken { .. })
    ));
    token::create(&path, "hr", None, None).unwrap();
    assert_eq!(names(&dir, &path), ["a", "token-2"]);
    let refused = token::create(&path, "hr", None, None).unwrap_err();
    assert!(
        matches!(refused, EditError::TooMany { .. })
            && refused.to_string().contains("`a`, `token-2`")
    );
    assert!(matches!(
        token::revoke(&path, "hr", "x"),
        Err(EditError::Unknown { .. })
    ));
    token::revoke(&path, "hr", "a").unwrap();
    assert_eq!(names(&dir, &path), ["token-2"]);
    token::create(&path, "hr", Some("a"), None).unwrap();
    assert_eq!(names(&dir, &path), ["token-2", "a"]);
}

#[test]
fn comments_blanks_and_order_of_the_file_survive() {
    let before = "# our HR\nconnector = \"csv\"   # the file connector\n\n[auth]\n# rotated each May\ntokens = [ { name = \"old\", sha256 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" } ]\n\n[settings] # none yet\n";
    let (dir, path) = app(before);
    token::create(&path, "hr", Some("new"), None).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    for kept in [
        "# our HR\n",
        "   # the file connector\n\n[auth]\n# rotated each May\ntokens = [",
        "\n\n[settings] # none yet\n",
    ] {
        assert!(after.contains(kept), "{kept:?} in\n{after}");
    }
    assert_eq!(names(&dir, &path), ["old", "new"]);
}

#[test]
fn tokens_written_as_tables_are_kept_as_tables() {
    let (dir, path) = app(&format!(
        "connector = \"csv\"\n\n[[auth.tokens]]\nname = \"old\"\nsha256 = \"{}\"\n",
        "a".repeat(64)
    ));
    token::create(&path, "hr", Some("new"), None).unwrap();
    assert_eq!(
        fs::read_to_string(&path)
            .unwrap()
            .matches("[[auth.tokens]]")
            .count(),
        2
    );
    assert_eq!(names(&dir, &path), ["old", "new"]);
}

#[test]
fn a_clients_secrets_are_written_into_its_own_table_and_taken_out_with_it() {
    let before =
        "connector = \"csv\"\n\n[auth] # who may call\ntoken-lifetime = \"2h\"\n\n[settings]\n";
    let (dir, path) = app(before);
    let first = client::create(&path, "hr", "entra", Some("2026"), Some("2028-05-01")).unwrap();
    client::create(&path, "hr", "entra", None, None).unwrap();
    client::create(&path, "hr", "8f1c-okta", None, None).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("[auth] # who may call\ntoken-lifetime = \"2h\"\n"),
        "{text}"
    );
    assert!(!text.contains("[auth.clients]\n"), "{text}");
    let read = || Layout::new(dir.path()).read_app(&path).file.unwrap().auth;
    let entra = |auth: &tombolo::config::auth::Auth| {
        let found = auth
            .clients
            .iter()
            .find(|client| client.id == "entra")
            .cloned();
        found.map(|client| {
            client
                .secrets
                .into_iter()
                .map(|it| it.name)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(entra(&read()).unwrap(), ["2026", "secret-2"]);
    let client = read()
        .clients
        .into_iter()
        .find(|it| it.id == "entra")
        .unwrap();
    assert_eq!(
        client.secrets[0].sha256,
        edit::hash(first.text.expose_secret())
    );

    client::revoke(&path, "hr", "entra", Some("2026")).unwrap();
    assert_eq!(entra(&read()).unwrap(), ["secret-2"]);
    assert!(matches!(
        client::revoke(&path, "hr", "entra", Some("2026")),
        Err(EditError::Unknown { .. })
    ));
    client::revoke(&path, "hr", "entra", None).unwrap();
    assert_eq!(entra(&read()), None);
    let refused = client::revoke(&path, "hr", "entra", None).unwrap_err();
    assert!(refused.to_string().contains("`8f1c-okta`"), "{refused}");
    assert!(matches!(
        client::create(&path, "hr", "a b", None, None),
        Err(EditError::ClientId(_))
    ));
}
