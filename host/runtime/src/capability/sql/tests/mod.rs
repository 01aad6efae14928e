//! Against real servers that the tests start themselves.

mod mariadb;
#[cfg(feature = "odbc")]
mod odbc;
mod postgres;
mod sqlite;
mod statement;

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::database::{Asked, Caller, Database};
use super::error::Error;
use crate::app::{SqlDriver, SqlServer, SqlTarget, SqlTls};
use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

const PASSWORD: &str = "hush;of'the-test";

fn caller() -> Caller {
    Caller {
        deadline: Instant::now() + Duration::from_secs(60),
        max_bytes: 8 << 20,
    }
}

fn hurried(milliseconds: u64) -> Caller {
    Caller {
        deadline: Instant::now() + Duration::from_millis(milliseconds),
        ..caller()
    }
}

fn target(driver: SqlDriver) -> SqlTarget {
    SqlTarget {
        driver,
        pool_size: 4,
        connect_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_mins(1),
        max_rows: 1000,
        read_only: false,
    }
}

fn database(target: &SqlTarget) -> Arc<Database> {
    Arc::new(Database::new("db", target).expect("a target"))
}

fn server(port: u16, ca: Vec<u8>) -> SqlServer {
    SqlServer {
        host: "localhost".to_owned(),
        port: Some(port),
        database: "app".to_owned(),
        user: "tombolo".to_owned(),
        password: PASSWORD.to_owned().into(),
        tls: SqlTls::Require,
        ca: Some(ca),
    }
}

fn asked(statement: &str, parameters: &[Cell]) -> Asked {
    Asked {
        statement: statement.to_owned(),
        parameters: parameters.to_vec(),
        limit: 0,
    }
}

fn text(value: &str) -> Cell {
    Cell::Is(Scalar::Text(value.to_owned()))
}

fn integer(value: i64) -> Cell {
    Cell::Is(Scalar::Integer(value))
}

fn boolean(value: bool) -> Cell {
    Cell::Is(Scalar::Boolean(value))
}

fn decimal(value: &str) -> Cell {
    Cell::Is(Scalar::Decimal(value.to_owned()))
}

fn instant(value: &str) -> Cell {
    Cell::Is(Scalar::Instant(value.to_owned()))
}

fn bytes(value: &[u8]) -> Cell {
    Cell::Is(Scalar::Bytes(value.to_vec()))
}

/// A cell with its kind, so that `1` and `"1"` differ.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Is(Scalar::Text(value)) => format!("text {value}"),
        Cell::Is(Scalar::Boolean(value)) => format!("boolean {value}"),
        Cell::Is(Scalar::Integer(value)) => format!("integer {value}"),
        Cell::Is(Scalar::Decimal(value)) => format!("decimal {value}"),
        Cell::Is(Scalar::Instant(value)) => format!("instant {value}"),
        Cell::Is(Scalar::Bytes(value)) => format!("bytes {}", hex::encode(value)),
    }
}

impl Database {
    async fn rows(&self, statement: &str, parameters: &[Cell]) -> Result<Vec<Vec<String>>, Error> {
        let answer = self.run(asked(statement, parameters), caller()).await?;
        let row = |row: &Vec<Cell>| row.iter().map(shown).collect();
        Ok(answer.rows.iter().map(row).collect())
    }

    /// The first cell of the first row.
    async fn one(&self, statement: &str, parameters: &[Cell]) -> String {
        match self.rows(statement, parameters).await {
            Ok(rows) => rows[0][0].clone(),
            Err(error) => panic!("{statement}: {error}"),
        }
    }

    async fn execute(&self, statement: &str, parameters: &[Cell]) -> u64 {
        match self.run(asked(statement, parameters), caller()).await {
            Ok(answer) => answer.affected,
            Err(error) => panic!("{statement}: {error}"),
        }
    }

    /// The SQLSTATE that it fails with.
    async fn fails(&self, statement: &str, parameters: &[Cell]) -> String {
        match self.run(asked(statement, parameters), caller()).await {
            Ok(_) => panic!("{statement} succeeds"),
            Err(error) => error.state().to_owned(),
        }
    }

    /// Each expression, what it is said to be.
    async fn table(&self, expected: &[(&str, &str)]) {
        for (expression, value) in expected {
            assert_eq!(
                self.one(&format!("SELECT {expression}"), &[]).await,
                *value,
                "{expression}"
            );
        }
    }

    /// Waits until a query says so: what happens when nobody waits happens soon.
    async fn until(&self, statement: &str, parameters: &[Cell], value: &str) {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let now = self.one(statement, parameters).await;
            if now == value {
                return;
            }
            assert!(Instant::now() < patience, "{statement}: {now}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What every database has to do with transactions; `t` has one column `n`, which is unique.
async fn transactions(database: &Arc<Database>) {
    let count = "SELECT count(*) FROM t";
    // Committed, it is there; dropped, it is not.
    let open = database.begin(caller()).await.expect("begin");
    open.run(
        asked("INSERT INTO t (n) VALUES (?)", &[integer(1)]),
        caller(),
    )
    .await
    .expect("insert");
    open.commit(caller()).await.expect("commit");
    assert!(!open.is_open());
    assert!(matches!(
        open.commit(caller()).await,
        Err(Error::TransactionOver)
    ));
    assert_eq!(database.one(count, &[]).await, "integer 1");
    let open = database.begin(caller()).await.expect("begin");
    open.run(
        asked("INSERT INTO t (n) VALUES (?)", &[integer(2)]),
        caller(),
    )
    .await
    .expect("insert");
    let within = open
        .run(asked(count, &[]), caller())
        .await
        .expect("its own row");
    assert_eq!(shown(&within.rows[0][0]), "integer 2");
    drop(open);
    // A waiting writer gets in: the row is gone, and so is its lock.
    assert_eq!(
        database
            .execute("INSERT INTO t (n) VALUES (?)", &[integer(2)])
            .await,
        1
    );
    assert_eq!(database.one(count, &[]).await, "integer 2");

    // A call that is given up while its transaction works leaves nothing behind.
    let open = database.begin(caller()).await.expect("begin");
    open.run(
        asked("INSERT INTO t (n) VALUES (?)", &[integer(3)]),
        caller(),
    )
    .await
    .expect("insert");
    open.close();
    assert!(matches!(
        open.run(
            asked("INSERT INTO t (n) VALUES (?)", &[integer(4)]),
            caller()
        )
        .await,
        Err(Error::TransactionOver)
    ));
    assert_eq!(
        database
            .execute("DELETE FROM t WHERE n = ?", &[integer(3)])
            .await,
        0
    );
    assert_eq!(database.one(count, &[]).await, "integer 2");
    // All connections came back.
    for _ in 0..8 {
        drop(database.begin(caller()).await.expect("a free connection"));
    }
    // What would end a transaction behind its back is refused.
    for statement in [
        "COMMIT",
        "ROLLBACK",
        " begin",
        "SAVEPOINT x",
        "/* */ SET x = 1",
        "USE app",
    ] {
        assert_eq!(database.fails(statement, &[]).await, "0A000", "{statement}");
    }
}

/// What every database has to do with limits; `series` answers the numbers from 1 to 5000 in order.
async fn limits(database: &Database, series: &str) {
    let limited = Asked {
        limit: 10,
        ..asked(series, &[])
    };
    let answer = database.run(limited, caller()).await.expect("rows");
    assert_eq!((answer.rows.len(), answer.truncated), (10, true));
    assert_eq!(shown(&answer.rows[9][0]), "integer 10");
    let answer = database
        .run(asked(series, &[]), caller())
        .await
        .expect("rows");
    assert_eq!(
        (answer.rows.len(), answer.truncated),
        (1000, true),
        "the target's own cap"
    );
    let small = Caller {
        max_bytes: 5000,
        ..caller()
    };
    let error = database
        .run(asked(series, &[]), small)
        .await
        .err()
        .expect("too large");
    assert_eq!(error.state(), "54000");
    let exactly = Asked {
        limit: 1,
        ..asked("SELECT 7", &[])
    };
    let answer = database
        .run(exactly, small)
        .await
        .expect("the pool is not harmed");
    assert_eq!((answer.rows.len(), answer.truncated), (1, false));
    // Counted before anything is sent.
    assert_eq!(database.fails("SELECT ?", &[]).await, "07001");
    assert_eq!(database.fails("SELECT 1; SELECT 2", &[]).await, "42601");
    assert_eq!(database.fails(" ; ", &[]).await, "42601");
    assert_eq!(database.one("SELECT 8 ;", &[]).await, "integer 8");
}
