//! The contract kit, from the command line: it passes connectors that are right, and finds what is wrong with one that is
//! wrong in a hundred ways, each by the check that is there for it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tombolo_tests::host::{Directory, run_with};
use tombolo_tests::samba::{self, Samba};
use tombolo_tests::scim::Scim;
use tombolo_tests::slapd::Slapd;
use tombolo_tests::{apps, build};

const PASSWORD: &str = "kit-password";

/// A file of its own: the kit leaves its badge beside it.
fn copy(from: &Path, to: &TempDir, name: &str) -> Result<PathBuf> {
    let path = to.path().join(format!("{name}.wasm"));
    std::fs::copy(from, &path)?;
    Ok(path)
}

fn kit(file: &Path, more: &[&str], environment: &[(&str, &str)]) -> Result<(Output, Value)> {
    let file = file.display().to_string();
    let mut arguments = vec!["--output", "json", "connector", "test", &file];
    arguments.extend(more);
    let output = run_with(&arguments, environment)?;
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no report: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output, report))
}

fn ids<'r>(report: &'r Value, verdict: &str) -> Vec<&'r str> {
    let checks = report["checks"].as_array().into_iter().flatten();
    checks
        .filter(|check| check["verdict"] == verdict)
        .filter_map(|check| check["id"].as_str())
        .collect()
}

/// Everything that was played passed; what was not is among `skipped`.
fn passes_in_full(output: &Output, report: &Value, skipped: &[&str]) -> Result<()> {
    println!("{}", report["counts"]);
    let bad: Vec<&Value> = report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| check["verdict"] == "failed" || check["verdict"] == "warning")
        .collect();
    ensure!(bad.is_empty(), "{}", serde_json::to_string_pretty(&bad)?);
    let found = ids(report, "skipped");
    let surprising: Vec<_> = found
        .iter()
        .filter(|id| !skipped.iter().any(|known| id.starts_with(known)))
        .collect();
    ensure!(surprising.is_empty(), "skipped: {surprising:?}");
    ensure!(
        report["leftovers"] == serde_json::json!([]),
        "{}",
        report["leftovers"]
    );
    ensure!(output.status.success(), "{}", output.status);
    Ok(())
}

#[test]
fn csv_passes_in_full_and_leaves_its_files_empty() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::connector("csv")?, &home, "csv")?;
    let data = home.path().join("data");
    std::fs::create_dir(&data)?;
    let granted = format!("data={}", data.display());
    let arguments = [
        "--directory",
        &granted,
        "--members",
        "60",
        "--calls",
        "600",
        "--chaos",
    ];
    let (output, report) = kit(&file, &arguments, &[])?;
    let skipped = [
        "check/notices",
        "create/read-only",
        "write-only/",
        "update/add",
        "update/remove",
        "update/immutable",
        "filter/element",
        "password/",
        "delta/",
        "chaos/",
    ];
    passes_in_full(&output, &report, &skipped)?;
    ensure!(ids(&report, "passed").len() > 90, "{}", report["counts"]);
    for name in ["people.csv", "groups.csv", "memberships.csv"] {
        let text = std::fs::read_to_string(data.join(name))?;
        ensure!(text.lines().count() == 1, "{name} is not empty:\n{text}");
    }
    Ok(())
}

#[test]
fn memory_passes_in_full_with_chaos() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::memory()?, &home, "memory")?;
    let (output, report) = kit(
        &file,
        &["--members", "60", "--calls", "600", "--chaos"],
        &[],
    )?;
    let skipped = [
        "check/notices",
        "create/read-only",
        "write-only/",
        "update/add",
        "update/remove",
        "update/immutable",
        "version/",
        "filter/element",
        "password/",
        "delta/",
    ];
    passes_in_full(&output, &report, &skipped)
}

#[test]
fn active_directory_passes_in_full_with_chaos_on_a_real_domain() -> Result<()> {
    let samba = Samba::start()?;
    let directory = Directory::new()?;
    let connector = build::connector("active-directory")?;
    directory.connector("active-directory", &connector)?;
    apps::active_directory(&directory, "kit", &samba, "", "")?;
    let app = directory.path().join("apps/kit.toml").display().to_string();
    let home = tempfile::tempdir()?;
    let file = copy(&connector, &home, "active-directory")?;
    let environment = [(apps::PASSWORD_VARIABLE, samba::PASSWORD)];
    let arguments = [
        "--app",
        &app,
        "--members",
        "120",
        "--calls",
        "300",
        "--chaos",
    ];
    let (output, report) = kit(&file, &arguments, &environment)?;
    // The only read-only attribute is `dn`, which the kit leaves alone.
    let skipped = [
        "create/read-only",
        "write-only/",
        "update/add",
        "update/remove",
        "update/immutable",
        "filter/element",
        "paging/total",
        "values/numbers",
    ];
    passes_in_full(&output, &report, &skipped)?;
    for check in ["password/set", "delta/changes", "members/many"] {
        ensure!(
            ids(&report, "passed").contains(&check),
            "{check} was not played"
        );
    }
    let left = samba.search(
        samba::UNIT,
        "(|(objectClass=user)(objectClass=group))",
        &["cn"],
    )?;
    ensure!(left.is_empty(), "{left:?}");
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        !String::from_utf8_lossy(&said).contains(samba::PASSWORD),
        "the password is in the report"
    );
    Ok(())
}

#[test]
fn ldap_passes_in_full_with_chaos_on_a_real_directory() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    let ldap = build::connector("ldap")?;
    directory.connector("ldap", &ldap)?;
    apps::ldap(&directory, "kit", &slapd, "")?;
    let app = directory.path().join("apps/kit.toml").display().to_string();
    let home = tempfile::tempdir()?;
    let file = copy(&ldap, &home, "ldap")?;
    let environment = [(apps::PASSWORD_VARIABLE, PASSWORD)];
    let arguments = [
        "--app",
        &app,
        "--members",
        "120",
        "--calls",
        "300",
        "--chaos",
    ];
    let (output, report) = kit(&file, &arguments, &environment)?;
    let skipped = [
        "create/read-only",
        "write-only/",
        "update/add",
        "update/remove",
        "update/immutable",
        "filter/element",
        "paging/total",
        "values/numbers",
    ];
    passes_in_full(&output, &report, &skipped)?;
    for check in [
        "check/notices",
        "chaos/create",
        "chaos/members",
        "chaos/random",
    ] {
        ensure!(
            ids(&report, "passed").contains(&check),
            "{check} was not played"
        );
    }
    ensure!(slapd.people()?.is_empty(), "people are left");
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        !String::from_utf8_lossy(&said).contains(PASSWORD),
        "the password is in the report"
    );
    // Somebody's directory is not played on without their leave.
    slapd.add("dn: uid=somebody,ou=people,dc=example,dc=test\nobjectClass: inetOrgPerson\nuid: somebody\ncn: Somebody\nsn: Body\n")?;
    let file = file.display().to_string();
    let refused = run_with(&["connector", "test", &file, "--app", &app], &environment)?;
    let text = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        refused.status.code() == Some(2) && text.contains("--yes"),
        "{text}"
    );
    let only = ["--app", &app, "--yes", "--only", "create/full,read/get"];
    let (output, report) = kit(Path::new(&file), &only, &environment)?;
    passes_in_full(&output, &report, &[])?;
    ensure!(
        slapd.people()?.len() == 1,
        "somebody is gone, or others are left"
    );
    Ok(())
}

/// Every defect of `tests/broken`, and the check that must find it.
const DEFECTS: &[(&str, &str)] = &[
    ("no-kinds", "describe/schema"),
    ("an-attribute-twice", "describe/schema"),
    ("no-such-reference", "describe/schema"),
    ("a-path-twice", "describe/consistent"),
    ("describe-varies", "describe/stable"),
    ("describe-reaches-a-target", "describe/reaches-nothing"),
    ("another-name", "manifest/agrees"),
    ("check-fails", "check/works"),
    ("create-drops-one", "create/full"),
    ("create-answers-less", "create/answer"),
    ("unknown-attributes-are-dropped", "create/unknown-attribute"),
    ("read-only-is-taken", "create/read-only"),
    ("write-only-is-shown", "write-only/hidden"),
    ("unknown-kinds-are-empty", "create/unknown-kind"),
    ("deletes-nothing", "delete/gone"),
    ("deletes-anything", "delete/unknown"),
    ("deletes-too-many", "delete/others"),
    ("put-adds", "update/put"),
    ("update-answers-less", "update/answer"),
    ("own-name-is-taken", "update/same"),
    ("clearing-is-ignored", "update/clear"),
    ("add-doubles", "update/add"),
    ("remove-clears", "update/remove"),
    ("edits-backwards", "update/order"),
    ("edits-by-halves", "update/whole"),
    ("updates-reach-others", "update/others"),
    ("immutable-is-changed", "update/immutable"),
    ("required-is-cleared", "update/required"),
    ("types-are-ignored", "update/wrong-type"),
    ("first-edit-only", "update/many-edits"),
    ("duplicates-are-taken", "unique/create"),
    ("conflicts-name-nothing", "unique/create"),
    ("names-differ-by-case", "unique/case"),
    ("updates-take-names", "unique/update"),
    ("names-are-never-free", "unique/freed"),
    ("duplicates-are-taken", "unique/race"),
    ("versions-are-constant", "version/differs"),
    ("versions-are-by-selection", "version/everywhere"),
    ("stale-is-taken", "version/stale"),
    ("versions-are-refused", "version/current"),
    ("listings-show-less", "read/get"),
    ("selections-are-ignored", "read/attributes"),
    ("integers-are-texts", "read/types"),
    ("unknown-anchors-are-empty", "read/unknown"),
    ("instances-remember", "read/instances"),
    ("pages-lose-one", "paging/whole"),
    ("order-depends", "paging/order"),
    ("limits-are-ignored", "paging/limit"),
    ("cursors-live-here", "paging/instances"),
    ("cursors-trap", "paging/forged"),
    ("cursors-count", "paging/changing"),
    ("totals-are-guessed", "paging/total"),
    ("equal-is-prefix", "filter/equal"),
    ("not-equal-wants-a-value", "filter/not-equal"),
    ("contains-is-prefix", "filter/contains"),
    ("prefix-is-contains", "filter/starts-with"),
    ("suffix-is-contains", "filter/ends-with"),
    ("greater-is-at-least", "filter/greater"),
    ("at-least-is-greater", "filter/at-least"),
    ("less-is-at-most", "filter/less"),
    ("at-most-is-less", "filter/at-most"),
    ("everything-is-present", "filter/present"),
    ("case-always-counts", "filter/case"),
    ("all-is-any", "filter/combined"),
    ("not-is-ignored", "filter/combined"),
    ("elements-are-mixed", "filter/element"),
    ("unknown-tests-are-true", "filter/unknown"),
    ("numbers-are-texts", "filter/type"),
    ("filters-come-late", "filter/pages"),
    ("patterns-get-through", "filter/hostile"),
    ("filters-trap", "filter/malformed"),
    ("emoji-are-questions", "values/unicode"),
    ("markup-is-stripped", "values/hostile"),
    ("values-are-trimmed", "values/blank"),
    ("values-are-cut", "values/long"),
    ("quotes-are-stuck", "values/names"),
    ("numbers-are-floats", "values/numbers"),
    ("creates-double", "retry/create"),
    ("updates-only-once", "retry/update"),
    ("missing-is-other", "retry/delete"),
    ("writes-by-halves", "retry/cut-off"),
    ("members-never-leave", "members/change"),
    ("members-once-only", "members/again"),
    ("unknown-members-are-taken", "members/unknown"),
    ("unknown-members-half", "members/unknown"),
    ("unknown-groups-are-empty", "members/unknown-group"),
    ("member-pages-lose", "members/paging"),
    ("member-cursors-trap", "members/forged"),
    ("updates-clear-members", "members/apart"),
    ("the-deleted-stay-members", "members/deleted"),
    ("groups-begin-with-somebody", "members/empty"),
    ("members-are-cut", "members/many"),
    ("passwords-break-people", "password/set"),
    ("passwords-for-anybody", "password/unknown"),
    ("now-is-everything", "delta/now"),
    ("the-gone-are-not-told", "delta/changes"),
    ("tokens-double", "delta/once"),
    ("tokens-are-used-up", "delta/again"),
    ("forged-tokens-trap", "delta/forged"),
    ("handles-leak", "endurance/warm"),
    ("memory-leaks", "endurance/memory"),
    ("calls-slow-down", "endurance/latency"),
    ("locks-stay", "endurance/recovery"),
    ("creates-double", "chaos/create"),
    ("lost-is-invalid", "chaos/update"),
    ("deletes-half", "chaos/delete"),
    ("lost-is-invalid", "chaos/members"),
    ("lost-is-not-found", "chaos/read"),
    ("creates-double", "chaos/random"),
];

#[test]
fn every_defect_is_found_by_the_check_that_is_there_for_it() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::broken()?, &home, "broken")?;
    let arguments = ["--members", "60", "--calls", "600", "--chaos"];
    let (output, report) = kit(&file, &arguments, &[])?;
    passes_in_full(&output, &report, &["check/notices"])?;
    let mut missed = Vec::new();
    for (defect, check) in DEFECTS {
        let settings = home.path().join("settings.toml");
        std::fs::write(&settings, format!("defect = \"{defect}\"\n"))?;
        let settings = settings.display().to_string();
        let mut arguments = vec!["--settings", &settings, "--only", check];
        arguments.extend(["--members", "60", "--calls", "700", "--chaos"]);
        let (output, report) = kit(&file, &arguments, &[])?;
        let failed = ids(&report, "failed").contains(check);
        if !failed || output.status.code() != Some(1) {
            missed.push(format!("{defect}: {check} of {}", report["counts"]));
        }
    }
    ensure!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
    let checked: std::collections::BTreeSet<_> = DEFECTS.iter().map(|(_, check)| check).collect();
    ensure!(checked.len() > 90, "{}", checked.len());
    Ok(())
}

#[test]
fn a_check_that_reaches_nothing_is_found() -> Result<()> {
    let directory = Directory::new()?;
    let broken = build::broken()?;
    directory.connector("broken", &broken)?;
    directory.app(
        "kit",
        "broken",
        "[targets.directory]\nkind = \"ldap\"\nurl = \"ldap://127.0.0.1:9\"\n",
    )?;
    let app = directory.path().join("apps/kit.toml").display().to_string();
    let home = tempfile::tempdir()?;
    let file = copy(&broken, &home, "broken")?;
    let (_, report) = kit(&file, &["--app", &app, "--only", "check/notices"], &[])?;
    ensure!(ids(&report, "failed") == ["check/notices"], "{report}");
    Ok(())
}

#[test]
fn a_failure_says_what_was_asked_what_came_who_wants_it_and_how_to_mend_it() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::broken()?, &home, "broken")?;
    let settings = home.path().join("settings.json");
    std::fs::write(&settings, r#"{ "defect": "not-equal-wants-a-value" }"#)?;
    let (file, settings) = (file.display().to_string(), settings.display().to_string());
    let junit = home.path().join("junit.xml");
    let junit_path = junit.display().to_string();
    let arguments = [
        "connector",
        "test",
        &file,
        "--settings",
        &settings,
        "--only",
        "filter/not-equal,filter/equal,delta/now",
        "--junit",
        &junit_path,
    ];
    let output = run_with(&arguments, &[])?;
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "FAIL  filter/not-equal",
        "pass  filter/equal",
        "asked",
        "not-equal",
        "too little",
        "contract  wit/README.md",
        "mend      include objects without a value",
        "1 failed",
    ] {
        ensure!(text.contains(part), "{part} is not in\n{text}");
    }
    let xml = std::fs::read_to_string(junit)?;
    ensure!(
        xml.contains("failures=\"1\"") && xml.contains("classname=\"filter/not-equal\""),
        "{xml}"
    );
    Ok(())
}

#[test]
fn inspect_shows_the_badge_of_this_build_and_of_no_other() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::memory()?, &home, "memory")?;
    let path = file.display().to_string();
    let inspect = || -> Result<String> {
        let output = run_with(&["connector", "inspect", &path], &[])?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let text = inspect()?;
    for part in [
        "kit         not run",
        "abilities   read, write, members",
        "made with",
        "Rust",
        "cold load",
        "warm call",
        "memory",
        "limits",
        "exports\n  tombolo:connector/",
    ] {
        ensure!(text.contains(part), "{part} is not in\n{text}");
    }
    let (output, report) = kit(&file, &["--members", "10", "--calls", "0"], &[])?;
    ensure!(output.status.success(), "{report}");
    let text = inspect()?;
    ensure!(
        text.contains("kit         kit 1.0: ") && text.contains(" passed, 0 failed"),
        "{text}"
    );
    std::fs::copy(build::broken()?, &file)?;
    let text = inspect()?;
    ensure!(
        text.contains("not run on this build") && text.contains("[targets.directory]"),
        "{text}"
    );
    Ok(())
}

#[test]
fn what_cannot_be_run_is_told_from_what_fails() -> Result<()> {
    let home = tempfile::tempdir()?;
    let ldap = copy(&build::connector("ldap")?, &home, "ldap")?
        .display()
        .to_string();
    let memory = copy(&build::memory()?, &home, "memory")?
        .display()
        .to_string();
    let stray = home.path().join("stray.toml");
    std::fs::write(&stray, "connector = \"memory\"\n")?;
    let stray = stray.display().to_string();
    let cases: [(&[&str], &str); 4] = [
        (&["connector", "test", &ldap], "[targets.directory]"),
        (
            &["connector", "test", &memory, "--only", "nonsense"],
            "--list",
        ),
        (&["connector", "test", "no-such.wasm"], "no-such.wasm"),
        (
            &["connector", "test", &memory, "--app", &stray],
            "no directory `apps`",
        ),
    ];
    for (arguments, says) in cases {
        let output = run_with(arguments, &[])?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{arguments:?}: {}",
            output.status
        );
        ensure!(text.contains(says), "{arguments:?}: {text}");
    }
    let output = run_with(&["connector", "test", "--list"], &[])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.contains("paging/changing") && text.lines().count() > 100,
        "{text}"
    );
    Ok(())
}

/// `tombolo connector run`, until it is dropped.
struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(build::tombolo())
            .args(["connector", "run"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self { child, out })
    }

    /// The first line that holds a text.
    fn wait_for(&mut self, text: &str) -> Result<String> {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            ensure!(
                self.out.read_line(&mut line)? > 0,
                "it ended before `{text}`:\n{said}"
            );
            if line.contains(text) {
                return Ok(line.trim().to_owned());
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends its host when it is asked to end; a killed one could not.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if asked.is_ok() {
            let mut rest = Vec::new();
            let _ = self.out.read_to_end(&mut rest);
        }
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_runs_while_it_is_written_and_what_is_saved_is_taken_over() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = copy(&build::memory()?, &home, "mine")?;
    let mut running = Running::start(&[&file.display().to_string()])?;
    let url = running
        .wait_for("SCIM URL")?
        .replace("SCIM URL", "")
        .trim()
        .to_owned();
    let token = running
        .wait_for("token")?
        .replace("token", "")
        .trim()
        .to_owned();
    running.wait_for("/ServiceProviderConfig")?;
    let scim = Scim::new(&url, &token)?;
    let user = serde_json::json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana", "active": true });
    let made = scim.post("/Users", &user).await?;
    ensure!(made.status == 201, "{made:?}");
    let line = running.wait_for("POST")?;
    ensure!(line.contains(" 201 ") && line.ends_with("ms"), "{line}");
    // Another build, renamed into its place as compilers do.
    let beside = home.path().join("new");
    std::fs::copy(build::broken()?, &beside)?;
    std::fs::rename(&beside, &file)?;
    running.wait_for("a new build")?;
    let user = serde_json::json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bo", "active": true });
    let made = scim.post("/Users", &user).await?;
    ensure!(made.status == 201, "the new build does not serve: {made:?}");
    running.wait_for("POST")?;
    // One that is cut off is not taken over, and says why.
    std::fs::write(&beside, b"\0asm")?;
    std::fs::rename(&beside, &file)?;
    let line = running.wait_for("not taken over")?;
    println!("{line}");
    ensure!(
        scim.get("/Users").await?.status == 200,
        "the last good build does not serve"
    );
    Ok(())
}
