//! MariaDB: types both ways, transactions, time-outs, lost connections, TLS.

use tombolo_tests::mariadb::MariaDb;

use super::*;

fn start() -> MariaDb {
    MariaDb::start(&PASSWORD.replace('\'', "''")).expect("a server")
}

fn reaching(maria: &MariaDb) -> SqlServer {
    server(
        maria.port(),
        std::fs::read(maria.ca()).expect("its authority"),
    )
}

fn at(maria: &MariaDb) -> Arc<Database> {
    database(&target(SqlDriver::Mysql(reaching(maria))))
}

#[tokio::test]
async fn types_come_back_exactly() {
    let maria = start();
    let database = at(&maria);
    maria
        .sql(
            "SET sql_mode = '', time_zone = '+02:00';
             CREATE TABLE kinds (b bigint unsigned, s smallint, o boolean, two tinyint(1), t1 tinyint, d decimal(30,10), f float, g double, y year,
                bit1 bit(1), bit9 bit(9), c char(5), v varchar(10) CHARACTER SET latin1, bl blob, bin varbinary(3), e enum('a','b'), st set('x','y'),
                j json, da date, dt datetime(6), ts timestamp(3) NULL, ti time(1), zd date, zdt datetime, zts timestamp NULL, nn int);
             INSERT INTO kinds VALUES (18446744073709551615, -7, true, 2, 1, '12345678901234567890.0123456789', 0.1, 0.1, 2024,
                b'1', b'100000001', 'ab', 'käse', x'00ff', 'abc', 'b', 'x,y',
                '{\"a\":1}', '2024-02-29', '2024-01-31 10:20:30.123456', '2024-01-31 10:20:30.5', '-838:59:59', '0000-00-00', '0000-00-00', 0, NULL);",
        )
        .expect("a row");
    let rows = database
        .rows("SELECT * FROM kinds", &[])
        .await
        .expect("rows");
    assert_eq!(
        rows[0],
        [
            "decimal 18446744073709551615",
            "integer -7",
            "boolean true",
            "integer 2",
            "integer 1",
            "decimal 12345678901234567890.0123456789",
            "decimal 0.1",
            "decimal 0.1",
            "integer 2024",
            "boolean true",
            "bytes 0101",
            "text ab",
            "text käse",
            "bytes 00ff",
            "bytes 616263",
            "text b",
            "text x,y",
            "text {\"a\":1}",
            "text 2024-02-29",
            "text 2024-01-31T10:20:30.123456",
            "instant 2024-01-31T08:20:30.5Z",
            "text -838:59:59",
            "text 0000-00-00",
            "text 0000-00-00T00:00:00",
            "text 0000-00-00T00:00:00",
            "null"
        ]
    );
    database
        .table(&[
            ("1", "integer 1"),
            ("1.50", "decimal 1.50"),
            ("'🧀'", "text 🧀"),
            ("NULL", "null"),
            ("1e0", "decimal 1"),
            ("UUID() LIKE '%-%'", "integer 1"),
        ])
        .await;
}

#[tokio::test]
async fn parameters_fit_the_columns_they_are_for() {
    let maria = start();
    let database = at(&maria);
    database
        .execute(
            "CREATE TABLE t (i int, b bigint unsigned, n decimal(20,4), f double, o boolean, s varchar(40), d date, dt datetime(6), ts timestamp(6) NULL, y blob)",
            &[],
        )
        .await;
    let when = instant("2024-01-31T12:20:30.25+02:00");
    let insert = "INSERT INTO t VALUES (?,?,?,?,?,?,?,?,?,?)";
    for row in [
        [
            text("7"),
            text("18446744073709551615"),
            text("1.5"),
            text("0.1"),
            text("1"),
            text("käse 🧀"),
            text("2024-01-31"),
            text("2024-01-31 10:20:30.25"),
            text("2024-01-31 10:20:30.25"),
            bytes(&[0, 1]),
        ],
        [
            integer(7),
            decimal("18446744073709551615"),
            decimal("1.5"),
            decimal("0.1"),
            boolean(true),
            text("käse 🧀"),
            when.clone(),
            when.clone(),
            when.clone(),
            bytes(&[0, 1]),
        ],
    ] {
        assert_eq!(database.execute(insert, &row).await, 1);
    }
    let rows = database.rows("SELECT * FROM t", &[]).await.expect("rows");
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[0][1], "decimal 18446744073709551615");
    assert_eq!(rows[0][8], "instant 2024-01-31T10:20:30.25Z");
    // Found, though nothing changes.
    assert_eq!(
        database
            .execute(
                "UPDATE t SET i = ? WHERE s = ?",
                &[integer(7), text("käse 🧀")]
            )
            .await,
        2
    );
    let hostile = "\\'; DROP TABLE t; -- ? :x";
    assert_eq!(
        database.one("SELECT ?", &[text(hostile)]).await,
        format!("text {hostile}")
    );
    assert_eq!(
        database.one("SELECT 'a\\'? :x', 5-'3:x'", &[]).await,
        "text a'? :x"
    );
    // What does not fit is told, and not cut.
    assert_eq!(
        database.fails("UPDATE t SET i = ?", &[text("seven")]).await,
        "22007"
    );
    assert_eq!(
        database
            .fails("UPDATE t SET i = ?", &[integer(i64::MAX)])
            .await,
        "22003"
    );
    assert_eq!(
        database
            .fails("UPDATE t SET s = ?", &[text(&"x".repeat(41))])
            .await,
        "22001"
    );
}

#[tokio::test]
async fn transactions_end_with_whoever_began_them() {
    let maria = start();
    let database = at(&maria);
    database
        .execute("CREATE TABLE t (n int PRIMARY KEY)", &[])
        .await;
    transactions(&database).await;

    let open = Arc::new(database.begin(caller()).await.expect("begin"));
    open.run(asked("INSERT INTO t VALUES (11)", &[]), caller())
        .await
        .expect("insert");
    let asleep = tokio::spawn({
        let open = Arc::clone(&open);
        async move {
            open.run(asked("SELECT SLEEP(600)", &[]), caller())
                .await
                .is_ok()
        }
    });
    let sleeping = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE ? AND id <> connection_id()";
    let pattern = [text("SELECT SLEEP%")];
    database.until(sleeping, &pattern, "integer 1").await;
    asleep.abort();
    database.until(sleeping, &pattern, "integer 0").await;
    assert_eq!(database.execute("INSERT INTO t VALUES (11)", &[]).await, 1);

    let (left, right) = (
        database.begin(caller()).await.expect("one"),
        database.begin(caller()).await.expect("two"),
    );
    let update = |n| asked("UPDATE t SET n = n WHERE n = ?", &[integer(n)]);
    left.run(update(1), caller()).await.expect("left");
    right.run(update(2), caller()).await.expect("right");
    let (a, b) = tokio::join!(
        left.run(update(2), caller()),
        right.run(update(1), caller())
    );
    let victims: Vec<_> = [a.err(), b.err()].into_iter().flatten().collect();
    assert_eq!(victims.len(), 1);
    assert_eq!(victims[0].state(), "40001");
    assert!(left.is_open() != right.is_open());
}

#[tokio::test]
async fn limits_times_and_constraints_hold() {
    let maria = start();
    let database = at(&maria);
    limits(&database, "SELECT seq FROM seq_1_to_5000").await;

    let began = Instant::now();
    let error = database
        .run(asked("SELECT SLEEP(600)", &[]), hurried(300))
        .await
        .err()
        .expect("late");
    assert_eq!(error.state(), "57014");
    assert!(began.elapsed() < Duration::from_secs(10));
    let sleeping = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE ? AND id <> connection_id()";
    database
        .until(sleeping, &[text("SELECT SLEEP%")], "integer 0")
        .await;

    database
        .execute(
            "CREATE TABLE p (n int PRIMARY KEY, m int NOT NULL CHECK (m > 0)) ENGINE=InnoDB",
            &[],
        )
        .await;
    database
        .execute(
            "CREATE TABLE c (n int, FOREIGN KEY (n) REFERENCES p (n)) ENGINE=InnoDB",
            &[],
        )
        .await;
    database.execute("INSERT INTO p VALUES (1, 1)", &[]).await;
    for (statement, state) in [
        ("INSERT INTO p VALUES (1, 1)", "23505"),
        ("INSERT INTO c VALUES (9)", "23503"),
        ("INSERT INTO p VALUES (2, NULL)", "23502"),
        ("INSERT INTO p (n) VALUES (2)", "23502"),
        ("INSERT INTO p VALUES (2, 0)", "23514"),
        ("SELECT * FROM nowhere", "42S02"),
        ("SELEC", "42000"),
    ] {
        assert_eq!(database.fails(statement, &[]).await, state, "{statement}");
    }
    // A procedure's rows, and the status behind them.
    maria
        .sql("CREATE PROCEDURE two(IN a int) SELECT a, a + 1")
        .expect("a procedure");
    assert_eq!(
        database
            .rows("CALL two(?)", &[integer(4)])
            .await
            .expect("rows"),
        [["integer 4", "integer 5"]]
    );
    assert_eq!(database.one("SELECT 1", &[]).await, "integer 1");

    let reader = self::database(&SqlTarget {
        read_only: true,
        ..target(SqlDriver::Mysql(reaching(&maria)))
    });
    assert_eq!(reader.one("SELECT count(*) FROM p", &[]).await, "integer 1");
    assert_eq!(reader.fails("DELETE FROM p", &[]).await, "25006");
}

#[tokio::test]
async fn a_lost_connection_is_healed_only_where_that_is_safe() {
    let mut maria = start();
    let database = at(&maria);
    database
        .execute("CREATE TABLE t (n int PRIMARY KEY)", &[])
        .await;
    maria.restart().expect("again");
    assert_eq!(
        database.execute("INSERT INTO t VALUES (1)", &[]).await,
        1,
        "a write heals: nothing was sent"
    );
    maria.restart().expect("again");
    assert_eq!(
        database.one("SELECT count(*) FROM t", &[]).await,
        "integer 1"
    );
    let open = database.begin(caller()).await.expect("begin");
    maria.restart().expect("again");
    let error = open
        .run(asked("INSERT INTO t VALUES (2)", &[]), caller())
        .await
        .err()
        .expect("its connection is gone");
    assert!(error.state().starts_with("08"), "{error}");
    assert!(!open.is_open());

    let cut = tokio::spawn({
        let database = Arc::clone(&database);
        async move {
            database
                .run(asked("INSERT INTO t SELECT 3 + SLEEP(600)", &[]), caller())
                .await
                .err()
        }
    });
    database
        .until("SELECT count(*) FROM information_schema.processlist WHERE info LIKE ? AND id <> connection_id()", &[text("INSERT INTO t SELECT 3%")], "integer 1")
        .await;
    maria.stop();
    let error = cut.await.expect("the task").expect("lost");
    assert!(
        matches!(error.state(), "08007" | "08S01" | "57014" | "70100"),
        "{error} {}",
        error.state()
    );
    let error = database
        .run(asked("SELECT 1", &[]), caller())
        .await
        .err()
        .expect("nobody there");
    assert_eq!(error.state(), "08001");
    assert!(
        !error.to_string().contains("127.") && !error.to_string().contains("localhost"),
        "{error}"
    );
}

#[tokio::test]
async fn trust_and_credentials_are_the_operators() {
    let maria = start();
    let cipher = "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'";
    let good = reaching(&maria);
    let with = |server: SqlServer| database(&target(SqlDriver::Mysql(server)));
    assert_eq!(with(good.clone()).one(cipher, &[]).await, "integer 1");
    assert_eq!(
        with(SqlServer {
            tls: SqlTls::Off,
            ..good.clone()
        })
        .one(cipher, &[])
        .await,
        "integer 0"
    );
    let failing = async |server: SqlServer| {
        with(server)
            .run(asked("SELECT 1", &[]), caller())
            .await
            .err()
            .expect("refused")
    };
    let error = failing(SqlServer {
        ca: None,
        ..good.clone()
    })
    .await;
    assert!(
        matches!(&error, Error::Tls(why) if why.contains("authority")),
        "{error:?}"
    );
    // Connected to the same address, and not the name that its certificate holds.
    let error = failing(SqlServer {
        host: "db.localhost".to_owned(),
        ..good.clone()
    })
    .await;
    assert!(
        matches!(&error, Error::Tls(why) if why.contains("host name")),
        "{error:?}"
    );
    let error = failing(SqlServer {
        password: "wrong-hush".to_owned().into(),
        ..good.clone()
    })
    .await;
    assert_eq!(error.state(), "28000");
    assert!(!format!("{error} {error:?}").contains("hush"));
    let error = failing(SqlServer {
        database: "elsewhere".to_owned(),
        ..good.clone()
    })
    .await;
    assert!(matches!(error, Error::Login { .. }), "{error}");
    let error = failing(SqlServer {
        host: "169.254.169.254".to_owned(),
        ..good.clone()
    })
    .await;
    assert!(matches!(error, Error::Egress(_)), "{error}");
}
