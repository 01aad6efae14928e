//! Loading is hostile: what is wrong is said, and nothing wrong gets in.

mod common;

use std::path::PathBuf;

use common::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tombolo_runtime::{
    AppSpec, CompileLimits, CompileWith, Digest, GrantedSecret, LoadError, Options, Runtime,
    RuntimeError,
};

fn child() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/compile_child")
}

async fn refused(bytes: Vec<u8>) -> LoadError {
    runtime()
        .load("bad", bytes)
        .await
        .expect_err("this file must be refused")
}

#[tokio::test]
async fn what_is_no_component_is_named() {
    assert!(matches!(
        refused(b"garbage".to_vec()).await,
        LoadError::NotAComponent { .. }
    ));
    assert!(matches!(
        refused(Vec::new()).await,
        LoadError::NotAComponent { .. }
    ));
    let error = refused(wat::parse_str("(module)").unwrap()).await;
    assert!(error.to_string().contains("core module"), "{error}");
    let error = refused(wat::parse_str("(component)").unwrap()).await;
    assert!(
        matches!(
            error,
            LoadError::NotAConnector {
                interface: "connector"
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_truncated_or_damaged_file_is_refused_wherever_it_breaks() {
    let whole = guest("null");
    let runtime = runtime();
    for part in 1..40 {
        let cut = whole[..whole.len() * part / 40].to_vec();
        assert!(runtime.load("cut", cut).await.is_err(), "{part}");
    }
    // A flipped bit either breaks the file or leaves a valid one; neither may panic.
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bad = whole.clone();
        bad[at] ^= 0x55;
        let _ = Runtime::new(Options::default())
            .unwrap()
            .load("bad", bad)
            .await;
    }
}

#[tokio::test]
async fn a_huge_file_is_refused_unread() {
    assert!(matches!(
        refused(vec![0; 65 << 20]).await,
        LoadError::TooLarge { .. }
    ));
}

#[tokio::test]
async fn another_contract_version_is_named_with_ours() {
    let text = |version: &str| {
        format!(
            r#"(component (instance $i) (export "tombolo:connector/connector@{version}" (instance $i)) (export "tombolo:connector/read@{version}" (instance $i)))"#
        )
    };
    for version in ["0.0.9", "0.2.0", "2.0.0", "9.1.4", "1.0.0-rc.1"] {
        let error = refused(wat::parse_str(text(version)).unwrap()).await;
        assert!(
            matches!(&error, LoadError::Contract { found, .. } if found == version),
            "{error}"
        );
        assert!(error.to_string().contains("1.x"), "{error}");
    }
    // The right version with nothing in it does not fit.
    for version in ["0.1.0", "1.0.0"] {
        let error = refused(wat::parse_str(text(version)).unwrap()).await;
        assert!(matches!(error, LoadError::Link(_)), "{error}");
    }
}

/// The null connector, as if it had been built against another version of the contract.
fn speaking(version: &str) -> Vec<u8> {
    let (ours, theirs) = (b"@1.0.0", format!("@{version}").into_bytes());
    assert_eq!(
        ours.len(),
        theirs.len(),
        "a name's length is written before it"
    );
    let mut bytes = guest("null");
    let ends_here = |at: usize| {
        let start = at.saturating_sub(64);
        String::from_utf8_lossy(&bytes[start..at]).contains("tombolo:connector/")
    };
    let places: Vec<usize> = (0..bytes.len() - ours.len())
        .filter(|at| bytes[*at..].starts_with(ours) && ends_here(*at))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + theirs.len()].copy_from_slice(&theirs);
    }
    bytes
}

#[tokio::test]
async fn every_version_of_a_line_that_is_spoken_runs_and_is_told_as_it_is() {
    let runtime = runtime();
    for version in ["0.1.0", "0.1.7", "1.0.3", "1.4.0"] {
        let bytes = speaking(version);
        let digest = Digest::of(&bytes);
        // The second time it comes from the cache.
        for _ in 0..2 {
            let component = runtime.load("null", bytes.clone()).await.unwrap();
            let seen = component.inspect();
            assert_eq!((seen.contract.as_str(), seen.digest), (version, digest));
            let own = format!("tombolo:connector/read@{version}");
            assert!(seen.exports.contains(&own), "{seen:?}");
            let connector = runtime.bind(&component, spec("app")).await.unwrap();
            let entry = connector.get(&call(), "user", "ada", &[]).await.unwrap();
            assert_eq!(answer(&entry), "ada");
        }
    }
}

#[tokio::test]
async fn two_contracts_at_once_are_none() {
    let bytes = wat::parse_str(
        r#"(component (instance $i) (export "tombolo:connector/connector@1.0.0" (instance $i)) (export "tombolo:connector/read@0.1.0" (instance $i)))"#,
    )
    .unwrap();
    let error = refused(bytes).await.to_string();
    assert!(error.contains("0.1.0 and 1.0.0 at once"), "{error}");
}

#[tokio::test]
async fn what_needs_a_newer_host_says_so() {
    let bytes = wat::parse_str(
        r#"(component (import "tombolo:connector/telepathy@1.3.0" (instance (export "f" (func))))
           (instance $i) (export "tombolo:connector/connector@1.3.0" (instance $i)) (export "tombolo:connector/read@1.3.0" (instance $i)))"#,
    )
    .unwrap();
    let error = refused(bytes).await;
    let LoadError::Newer { found, reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(found, "1.3.0");
    assert!(reason.contains("telepathy"), "{error}");
    assert!(error.to_string().contains("update the host"), "{error}");
}

#[tokio::test]
async fn an_unknown_import_does_not_link() {
    let bytes = wat::parse_str(
        r#"(component (import "other:thing/api@1.0.0" (instance (export "f" (func))))
           (instance $i) (export "tombolo:connector/connector@1.0.0" (instance $i)) (export "tombolo:connector/read@1.0.0" (instance $i)))"#,
    )
    .unwrap();
    let error = refused(bytes).await;
    assert!(
        matches!(&error, LoadError::Link(reason) if reason.contains("other:thing")),
        "{error}"
    );
}

#[tokio::test]
async fn the_manifest_is_read_from_within_the_component() {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    assert_eq!(component.manifest().name, "hostile");
    assert_eq!(component.manifest().secrets[0].name, "api-key");
    let abilities = component.abilities();
    assert!(abilities.write && abilities.members && abilities.password && abilities.delta);
    let inspection = component.inspect();
    assert_eq!(inspection.contract, "1.0.0");
    assert!(
        inspection
            .exports
            .iter()
            .any(|name| name == "tombolo:connector/read@1.0.0"),
        "{inspection:?}"
    );
    let null = null(&runtime).await;
    assert!(null.abilities().write && !null.abilities().members);
}

#[tokio::test]
async fn a_wrong_manifest_is_refused_before_compiling() {
    let mut bytes = guest("null");
    // In the manifest, and in the description that the guest would return.
    let places: Vec<usize> = bytes
        .windows(14)
        .enumerate()
        .filter(|(_, window)| window == br#""name": "null""#)
        .map(|(at, _)| at)
        .collect();
    for at in places {
        bytes[at + 9] = b'N';
    }
    let error = refused(bytes).await;
    assert!(
        matches!(&error, LoadError::Manifest(reason) if reason.contains("`name`")),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_grant_prints_the_lines_to_add() {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    let error = runtime
        .bind(
            &component,
            AppSpec {
                secrets: std::collections::BTreeMap::new(),
                ..spec("hr")
            },
        )
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains("[secrets]\n# What it tries to leak.\napi-key = \"env:API_KEY\"\n"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_granted_is_told_without_secrets_and_what_is_withheld_too() {
    let runtime = runtime();
    let secret = GrantedSecret {
        reveal: true,
        ..SECRET.into()
    };
    let app = AppSpec {
        secrets: [
            ("api-key".to_owned(), secret),
            ("spare".to_owned(), SECRET.into()),
        ]
        .into(),
        ..spec("hr")
    };
    let connector = runtime.bind(&hostile(&runtime).await, app).await.unwrap();
    let granted = connector.granted();
    // Its manifest does not ask to see it.
    assert_eq!(granted.secrets, [("api-key".to_owned(), false)].into());
    assert_eq!(granted.withheld, ["secret `spare`"]);
    assert!(!format!("{granted:?}").contains(SECRET));
}

#[tokio::test]
async fn wrong_settings_name_their_key() {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    let error = runtime
        .bind(&component, with_settings(json!({"retries": 10})))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, LoadError::Settings { complaints, .. } if complaints.contains("`retries`")),
        "{error}"
    );
}

#[tokio::test]
async fn a_connector_that_fails_its_trial_or_lies_is_not_bound() {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    for settings in [json!({"describe": "no-json"}), json!({"describe": "lie"})] {
        let error = runtime
            .bind(&component, with_settings(settings))
            .await
            .err()
            .unwrap();
        assert!(matches!(error, LoadError::Describe(_)), "{error}");
    }
    for settings in [json!({"trap-in": "describe"}), json!({"describe": "loop"})] {
        let mut spec = with_settings(settings);
        spec.limits.cpu = std::time::Duration::from_millis(100);
        let error = runtime.bind(&component, spec).await.err().unwrap();
        assert!(matches!(error, LoadError::Trial(_)), "{error}");
    }
}

#[tokio::test]
async fn the_description_is_kept() {
    let runtime = runtime();
    let connector = runtime
        .bind(&hostile(&runtime).await, spec("app"))
        .await
        .unwrap();
    assert_eq!(connector.description()["kinds"][0]["kind"], "user");
}

#[tokio::test]
async fn a_child_compiles_and_the_cache_remembers() {
    let home = tempfile::tempdir().unwrap();
    let options = || Options {
        cache: Some(home.path().join("cache")),
        compile_with: CompileWith::Child(child()),
        ..Options::default()
    };
    let component = Runtime::new(options())
        .unwrap()
        .load("null", guest("null"))
        .await
        .unwrap();
    assert_eq!(component.name(), "null");
    // Whoever finds it in the cache needs no child.
    let no_child = Options {
        compile_with: CompileWith::Child("/nowhere".into()),
        ..options()
    };
    let runtime = Runtime::new(no_child).unwrap();
    let again = runtime.load("null", guest("null")).await.unwrap();
    let connector = runtime.bind(&again, spec("app")).await.unwrap();
    connector.get(&call(), "user", "ada", &[]).await.unwrap();
    assert!(matches!(
        runtime.load("hostile", guest("hostile")).await,
        Err(LoadError::Compile(_))
    ));
}

/// An unsigned LEB128 number.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(body.len()), body].concat()
}

/// A connector to look at, with a core module of so many functions, each with this body.
fn laden(functions: usize, body: &[u8]) -> Vec<u8> {
    let code = [&leb(body.len() + 1)[..], &[0], body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(10, &[leb(functions), code.repeat(functions)].concat()),
    ]
    .concat();
    let mut bytes = wat::parse_str(
        r#"(component (instance $i) (export "tombolo:connector/connector@1.0.0" (instance $i)) (export "tombolo:connector/read@1.0.0" (instance $i)))"#,
    )
    .unwrap();
    bytes.extend(section(1, &module));
    bytes
}

/// Compiles in a child within limits; answers what is said of it.
async fn said(executable: PathBuf, limits: CompileLimits, component: Vec<u8>) -> String {
    let runtime = Runtime::new(Options {
        compile_with: CompileWith::Child(executable),
        compile_limits: limits,
        ..Options::default()
    })
    .unwrap();
    let error = runtime.load("bad", component).await.unwrap_err();
    assert!(matches!(error, LoadError::Compile(_)), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_file_of_too_many_parts_is_refused_before_it_is_validated() {
    let error = refused(laden(300_001, &[0x0b])).await;
    assert!(
        matches!(
            error,
            LoadError::TooMany {
                what: "functions",
                found: 300_001,
                ..
            }
        ),
        "{error}"
    );
}

/// One block of a million additions: valid, small, and long to compile.
fn bomb() -> Vec<u8> {
    let mut body = vec![0x41, 0];
    for _ in 0..1_000_000 {
        body.extend([0x41, 1, 0x6a]);
    }
    body.extend([0x1a, 0x0b]);
    laden(2, &body)
}

#[tokio::test]
async fn a_compile_bomb_ends_at_the_childs_limits() {
    let limits = CompileLimits {
        cpu: Duration::from_secs(1),
        ..CompileLimits::default()
    };
    let text = said(child(), limits, bomb()).await;
    assert!(text.contains("was stopped"), "{text}");
    let limits = CompileLimits {
        memory: 128 << 20,
        ..CompileLimits::default()
    };
    let text = said(child(), limits, bomb()).await;
    assert!(
        text.contains("memory") || text.contains("was stopped"),
        "{text}"
    );
    let limits = CompileLimits {
        wall: Duration::from_millis(200),
        ..CompileLimits::default()
    };
    let text = said(child(), limits, bomb()).await;
    assert!(text.contains("it took longer than 200ms"), "{text}");
}

#[tokio::test]
async fn a_child_that_is_killed_or_answers_garbage_costs_a_load_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    };
    let limits = CompileLimits::default();
    let run = async |text: &str| said(script("child", text), limits, guest("null")).await;
    assert!(run("kill -9 $$").await.contains("signal: 9"));
    for garbage in [
        "cat >/dev/null; echo garbage",
        "cat >/dev/null",
        "cat",
        "cat >/dev/null; head -c 100000 /dev/urandom",
    ] {
        run(garbage).await;
    }
    // It is given nothing but the pipes: no variable of ours, no directory.
    let text = run("cat >/dev/null; echo at $(pwd) with ${HOME-nothing} >&2; exit 1").await;
    assert!(text.ends_with("at / with nothing"), "{text}");
}

#[tokio::test]
async fn a_tampered_or_truncated_cache_entry_is_compiled_again() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let load = || async {
        let options = Options {
            cache: Some(cache.clone()),
            ..Options::default()
        };
        Runtime::new(options)
            .unwrap()
            .load("null", guest("null"))
            .await
            .unwrap()
    };
    let entry = || {
        let mut entries: Vec<_> = std::fs::read_dir(&cache)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "cwasm")
            })
            .collect();
        assert_eq!(entries.len(), 1);
        entries.remove(0)
    };
    load().await;
    let good = std::fs::read(entry()).unwrap();
    let mut flipped = good.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for bad in [flipped, good[..good.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(entry(), &bad).unwrap();
        load().await;
        assert_eq!(
            std::fs::read(entry()).unwrap().len(),
            good.len(),
            "written anew"
        );
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_private_is_refused() {
    let error = Runtime::new(Options {
        cache: Some("/proc/nowhere".into()),
        ..Options::default()
    })
    .err()
    .unwrap();
    assert!(matches!(error, RuntimeError::Cache(_)));
}
