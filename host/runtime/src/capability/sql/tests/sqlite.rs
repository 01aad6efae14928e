//! SQLite: what is stored comes back, files of others are refused, locks are waited for.

use super::*;
use crate::app::SqliteFile;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn target(&self, name: &str, create: bool) -> SqlTarget {
        target(SqlDriver::Sqlite(SqliteFile {
            path: self.0.path().join(name),
            create,
        }))
    }

    fn database(&self) -> Arc<Database> {
        database(&self.target("a.sqlite", true))
    }
}

#[tokio::test]
async fn what_is_stored_comes_back() {
    let folder = Folder::new();
    let database = folder.database();
    database
        .table(&[
            ("9223372036854775807", "integer 9223372036854775807"),
            ("0.1", "decimal 0.1"),
            ("1e300 * 1e300", "text Infinity"),
            ("'käse 🧀'", "text käse 🧀"),
            ("x'00ff'", "bytes 00ff"),
            ("NULL", "null"),
            ("CAST(x'ff' AS text)", "bytes ff"),
            ("1 = 1", "integer 1"),
        ])
        .await;
    database
        .execute("CREATE TABLE t (o BOOLEAN, n NUMERIC, s TEXT, b BLOB)", &[])
        .await;
    let row = [
        boolean(true),
        decimal("12.5"),
        instant("2024-01-31T10:20:30Z"),
        bytes(&[0, 255]),
    ];
    assert_eq!(
        database
            .execute("INSERT INTO t VALUES (?,?,?,?)", &row)
            .await,
        1
    );
    assert_eq!(
        database
            .execute(
                "INSERT INTO t VALUES (?,?,?,?)",
                &[integer(2), Cell::Null, text("'; --"), Cell::Null]
            )
            .await,
        1
    );
    let rows = database.rows("SELECT * FROM t", &[]).await.expect("rows");
    assert_eq!(
        rows[0],
        [
            "boolean true",
            "decimal 12.5",
            "text 2024-01-31T10:20:30Z",
            "bytes 00ff"
        ]
    );
    assert_eq!(rows[1], ["integer 2", "null", "text '; --", "null"]);
    assert_eq!(
        database
            .rows("UPDATE t SET s = ? RETURNING s", &[text("x")])
            .await
            .expect("rows")
            .len(),
        2
    );
    assert_eq!(
        database
            .execute(
                "UPDATE t SET s = ? WHERE n = ?",
                &[text("y"), decimal("12.5")]
            )
            .await,
        1
    );
    assert_eq!(
        database
            .execute("DELETE FROM t WHERE s = ?", &[text("none")])
            .await,
        0
    );
}

#[tokio::test]
async fn transactions_limits_and_constraints_hold() {
    let folder = Folder::new();
    let database = folder.database();
    database
        .execute("CREATE TABLE t (n INTEGER PRIMARY KEY)", &[])
        .await;
    transactions(&database).await;
    limits(&database, "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000) SELECT n FROM s").await;

    database
        .execute(
            "CREATE TABLE p (n INTEGER PRIMARY KEY, m INT NOT NULL CHECK (m > 0), u TEXT UNIQUE)",
            &[],
        )
        .await;
    database
        .execute("CREATE TABLE c (n INT REFERENCES p)", &[])
        .await;
    database
        .execute("INSERT INTO p VALUES (1, 1, 'a')", &[])
        .await;
    for (statement, state) in [
        ("INSERT INTO p VALUES (1, 1, 'b')", "23505"),
        ("INSERT INTO p VALUES (2, 1, 'a')", "23505"),
        ("INSERT INTO c VALUES (9)", "23503"),
        ("INSERT INTO p VALUES (2, NULL, NULL)", "23502"),
        ("INSERT INTO p VALUES (2, 0, NULL)", "23514"),
        ("SELECT * FROM nowhere", "42000"),
        ("SELECT load_extension('x')", "42000"),
    ] {
        assert_eq!(database.fails(statement, &[]).await, state, "{statement}");
    }
    let reader = self::database(&SqlTarget {
        read_only: true,
        ..folder.target("a.sqlite", false)
    });
    assert_eq!(reader.one("SELECT count(*) FROM p", &[]).await, "integer 1");
    assert_eq!(reader.fails("DELETE FROM p", &[]).await, "25006");
    assert_eq!(
        reader
            .fails("WITH x AS (SELECT 1) DELETE FROM p", &[])
            .await,
        "25006"
    );
}

#[tokio::test]
async fn a_statement_without_end_is_interrupted_and_a_lock_is_waited_for() {
    let folder = Folder::new();
    let database = folder.database();
    database.execute("CREATE TABLE t (n INT)", &[]).await;
    let endless =
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT count(*) FROM s";
    let began = Instant::now();
    let error = database
        .run(asked(endless, &[]), hurried(200))
        .await
        .err()
        .expect("late");
    assert_eq!(error.state(), "57014");
    assert!(began.elapsed() < Duration::from_secs(5));

    let open = database.begin(caller()).await.expect("begin");
    open.run(asked("INSERT INTO t VALUES (1)", &[]), caller())
        .await
        .expect("insert");
    let error = database
        .run(asked("INSERT INTO t VALUES (2)", &[]), hurried(400))
        .await
        .err()
        .expect("locked");
    assert_eq!(error.state(), "40001");
    let waiting = tokio::spawn({
        let database = Arc::clone(&database);
        async move { database.execute("INSERT INTO t VALUES (3)", &[]).await }
    });
    open.commit(caller()).await.expect("commit");
    assert_eq!(waiting.await.expect("the task"), 1);
    assert_eq!(database.one("SELECT sum(n) FROM t", &[]).await, "integer 4");
}

#[tokio::test]
async fn only_a_file_that_is_a_database_is_opened() {
    let folder = Folder::new();
    std::fs::write(
        folder.0.path().join("text"),
        "not a database at all, but long enough to be looked at ".repeat(50),
    )
    .expect("a file");
    for (name, create) in [("none", false), ("text", true)] {
        let database = database(&folder.target(name, create));
        let error = database
            .run(asked("SELECT 1", &[]), caller())
            .await
            .err()
            .expect("refused");
        assert_eq!(error.state(), "08001");
        assert!(!error.to_string().contains('/'), "{error}");
    }
    assert!(!folder.0.path().join("none").exists());
}
