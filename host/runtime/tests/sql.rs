//! Whatever ends a guest ends its transactions: a trap, a time-out, a handle kept beyond its call.

mod common;

use std::time::Duration;

use common::log::{listen, logged};
use common::*;
use tombolo_runtime::{
    AppSpec, CallError, Connector, Limits, LoadError, Runtime, SqlDriver, SqlTarget, SqliteFile,
    Target,
};

struct Place {
    connector: Connector,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

fn target(folder: &tempfile::TempDir, read_only: bool) -> Target {
    Target::Sql(SqlTarget {
        driver: SqlDriver::Sqlite(SqliteFile {
            path: folder.path().join("db"),
            create: true,
        }),
        pool_size: 8,
        connect_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(20),
        max_rows: 100,
        read_only,
    })
}

async fn place() -> Place {
    listen();
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (n TEXT)")
        .unwrap();
    let runtime = runtime();
    let component = runtime.load("sql", guest("sql")).await.unwrap();
    let targets = [("db", false), ("reader", true)];
    let spec = AppSpec {
        secrets: std::collections::BTreeMap::new(),
        targets: targets
            .map(|(name, read_only)| (name.to_owned(), target(&folder, read_only)))
            .into(),
        limits: Limits {
            concurrency: 1,
            ..Limits::default()
        },
        ..spec("app")
    };
    let connector = runtime.bind(&component, spec).await.unwrap();
    Place {
        connector,
        folder,
        _runtime: runtime,
    }
}

impl Place {
    async fn ask(&self, kind: &str, argument: &str) -> Result<String, CallError> {
        let entry = self.connector.get(&call(), kind, argument, &[]).await?;
        Ok(answer(&entry).to_owned())
    }

    /// Nothing was left behind: no row, and no lock that keeps somebody else from writing.
    async fn is_clean(&self, rows: u32) {
        let path = self.folder.path().join("db");
        let count = tokio::task::spawn_blocking(move || {
            let other = rusqlite::Connection::open(path).unwrap();
            other.busy_timeout(Duration::from_secs(20)).unwrap();
            other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
            other
                .query_row("SELECT count(*) FROM t", [], |row| row.get::<_, u32>(0))
                .unwrap()
        });
        assert_eq!(count.await.unwrap(), rows);
        assert_eq!(self.ask("count", "x").await.unwrap(), rows.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_committed_is_rolled_back_however_it_ends() {
    let place = place().await;
    assert_eq!(place.ask("write", "one").await.unwrap(), "written");
    place.is_clean(1).await;
    assert_eq!(place.ask("drop", "two").await.unwrap(), "dropped");
    place.is_clean(1).await;
    assert!(matches!(
        place.ask("trap", "three").await,
        Err(CallError::Trapped { .. })
    ));
    place.is_clean(1).await;

    // Kept beyond its call, by an instance that lives on.
    assert_eq!(place.ask("keep", "four").await.unwrap(), "kept");
    place.is_clean(1).await;
    let late = place.ask("use", "x").await.unwrap();
    assert!(late.starts_with("25000"), "{late}");

    // Ended by the clock while a statement works, and by a caller who goes away.
    let hurried = within(Duration::from_millis(500));
    let hung = place.connector.get(&hurried, "hang", "five", &[]).await;
    assert!(hung.is_err() || answer(&hung.unwrap()).starts_with("57014"));
    place.is_clean(1).await;
    let patience = call();
    let gone = tokio::time::timeout(
        Duration::from_millis(500),
        place.connector.get(&patience, "hang", "six", &[]),
    );
    assert!(gone.await.is_err());
    place.is_clean(1).await;

    let hoard = place.ask("hoard", "x").await.unwrap();
    assert!(hoard.starts_with("53400"), "{hoard}");
    place.is_clean(1).await;
    let elsewhere = place.ask("elsewhere", "x").await.unwrap();
    assert!(
        elsewhere.starts_with("08004") && elsewhere.contains("[targets.payroll]"),
        "{elsewhere}"
    );

    // Each was written down, and none with what was said.
    let log = logged();
    let audit = |operation: &str, outcome: &str| {
        log.lines().any(|line| {
            line.contains("host-call")
                && line.contains("capability=\"sql\"")
                && line.contains(&format!("operation=\"{operation}\""))
                && line.contains(&format!("outcome=\"{outcome}\""))
        })
    };
    assert!(audit("begin", "done") && audit("execute", "done") && audit("commit", "done"));
    assert!(audit("query", "denied") && audit("begin", "refused"));
    assert!(!log.contains("INSERT INTO"), "a statement was logged");
}

#[tokio::test]
async fn what_is_missing_is_told_line_by_line() {
    listen();
    let runtime = runtime();
    let component = runtime.load("sql", guest("sql")).await.unwrap();
    let Err(LoadError::Grants { lines, .. }) = runtime.bind(&component, spec("app")).await else {
        panic!("bound without a database");
    };
    assert!(
        lines.contains("[targets.db]\nkind = \"sql\"\ndriver = \"postgresql\""),
        "{lines}"
    );
}
