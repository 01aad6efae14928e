//! PostgreSQL through its ODBC driver.

use tombolo_tests::postgres::Postgres;

use super::*;
use crate::app::OdbcSource;

const DRIVER: &str = "PostgreSQL Unicode";

fn source(postgres: &Postgres) -> OdbcSource {
    OdbcSource {
        connection: format!(
            "DRIVER={{{DRIVER}}};SERVER=127.0.0.1;PORT={};DATABASE=app;SSLMODE=require;BoolsAsChar=0;ConnSettings=SET+TimeZone='UTC'",
            postgres.port()
        ),
        user: "tombolo".to_owned(),
        password: PASSWORD.to_owned().into(),
    }
}

#[tokio::test]
async fn postgresql_through_odbc_is_exact_too() {
    let postgres = Postgres::start(&PASSWORD.replace('\'', "''")).expect("a server");
    let database = database(&target(SqlDriver::Odbc(source(&postgres))));
    if let Err(error) = database.rows("SELECT 1", &[]).await {
        panic!("{error} (Debian: apt-get install unixodbc odbc-postgresql)");
    }
    database
        .table(&[
            ("1::int2", "integer 1"),
            ("9223372036854775807::int8", "integer 9223372036854775807"),
            ("0.1::float8", "decimal 0.1"),
            ("0.1::float4", "decimal 0.1"),
            ("-0.0001230::numeric(20,7)", "decimal -0.0001230"),
            ("true", "boolean true"),
            ("null::int", "null"),
            ("'käse 🧀'::text", "text käse 🧀"),
            ("'\\x00ff'::bytea", "bytes 00ff"),
            ("'2024-02-29'::date", "text 2024-02-29"),
            (
                "'2024-01-31 10:20:30.25'::timestamp",
                "text 2024-01-31T10:20:30.25",
            ),
            (
                "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
                "text a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
        ])
        .await;
    database
        .execute(
            "CREATE TABLE k (i int, n numeric(20,4), o boolean, s text, ts timestamp, y bytea)",
            &[],
        )
        .await;
    let row = [
        integer(7),
        decimal("1.5"),
        boolean(true),
        text("käse 🧀 '; --"),
        instant("2024-01-31T10:20:30.25Z"),
        bytes(&[0, 255]),
    ];
    assert_eq!(
        database
            .execute("INSERT INTO k VALUES (?,?,?,?,?,?)", &row)
            .await,
        1
    );
    assert_eq!(
        database
            .execute(
                "INSERT INTO k VALUES (?,?,?,?,?,?)",
                &[
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null
                ]
            )
            .await,
        1
    );
    let rows = database
        .rows("SELECT * FROM k ORDER BY i NULLS LAST", &[])
        .await
        .expect("rows");
    assert_eq!(
        rows[0],
        [
            "integer 7",
            "decimal 1.5000",
            "boolean true",
            "text käse 🧀 '; --",
            "text 2024-01-31T10:20:30.25",
            "bytes 00ff"
        ]
    );
    assert!(rows[1].iter().all(|cell| cell == "null"));

    database
        .execute("CREATE TABLE t (n int PRIMARY KEY)", &[])
        .await;
    transactions(&database).await;
    limits(&database, "SELECT generate_series(1, 5000)").await;
    assert_eq!(
        database.fails("INSERT INTO t VALUES (1)", &[]).await,
        "23505"
    );

    let wrong = OdbcSource {
        password: "wrong-hush".to_owned().into(),
        ..source(&postgres)
    };
    let refusing = self::database(&target(SqlDriver::Odbc(wrong)));
    let error = refusing
        .run(asked("SELECT 1", &[]), caller())
        .await
        .err()
        .expect("refused");
    assert!(
        !error.to_string().contains("hush") && !error.to_string().contains("127."),
        "{error}"
    );
}
