//! PostgreSQL: types both ways, transactions, time-outs, lost connections, TLS.

use tombolo_tests::postgres::Postgres;

use super::*;

fn start() -> Postgres {
    Postgres::start(&PASSWORD.replace('\'', "''")).expect("a server")
}

fn reaching(postgres: &Postgres) -> SqlServer {
    server(
        postgres.port(),
        std::fs::read(postgres.ca()).expect("its authority"),
    )
}

fn at(postgres: &Postgres) -> Arc<Database> {
    database(&target(SqlDriver::Postgresql(reaching(postgres))))
}

#[tokio::test]
async fn types_come_back_exactly() {
    let postgres = start();
    let database = at(&postgres);
    postgres
        .sql("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN email AS text; CREATE EXTENSION citext;")
        .expect("types");
    database
        .table(&[
            ("1::int2", "integer 1"),
            ("(-2147483648)::int4", "integer -2147483648"),
            ("9223372036854775807::int8", "integer 9223372036854775807"),
            ("4294967295::oid", "integer 4294967295"),
            (
                "'18446744073709551615'::xid8",
                "decimal 18446744073709551615",
            ),
            ("0.1::float4", "decimal 0.1"),
            ("0.1::float8", "decimal 0.1"),
            ("'NaN'::float8", "text NaN"),
            ("'-Infinity'::float4", "text -Infinity"),
            (
                "1e300::float8::text::float8 = 1e300::float8",
                "boolean true",
            ),
            (
                "123456789012345678901234567890.123456789012345678901234567890",
                "decimal 123456789012345678901234567890.123456789012345678901234567890",
            ),
            ("-0.00001230::numeric", "decimal -0.00001230"),
            ("10000::numeric", "decimal 10000"),
            ("0::numeric(10,2)", "decimal 0.00"),
            ("1e-20::numeric", "decimal 0.00000000000000000001"),
            ("'NaN'::numeric", "text NaN"),
            ("'Infinity'::numeric", "text Infinity"),
            ("1234500::numeric(5,-2)", "decimal 1234500"),
            ("true", "boolean true"),
            ("null::int", "null"),
            ("'käse 🧀'::text", "text käse 🧀"),
            ("'a'::char(4)", "text a   "),
            ("'x'::\"char\"", "text x"),
            ("'{\"a\": 1}'::json", "text {\"a\": 1}"),
            ("'{\"a\":1}'::jsonb", "text {\"a\": 1}"),
            ("'\\x00ff'::bytea", "bytes 00ff"),
            (
                "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
                "text a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("'2024-02-29'::date", "text 2024-02-29"),
            ("'infinity'::date", "text infinity"),
            ("'10:20:30.5'::time", "text 10:20:30.5"),
            ("'24:00'::time", "text 24:00:00"),
            ("'10:20:30+02'::timetz", "text 10:20:30+02:00"),
            (
                "'2024-01-31 10:20:30'::timestamp",
                "text 2024-01-31T10:20:30",
            ),
            (
                "'2024-01-31 10:20:30.123456+02'::timestamptz",
                "instant 2024-01-31T08:20:30.123456Z",
            ),
            ("'infinity'::timestamptz", "text infinity"),
            (
                "'1 year 2 mons 3 days 04:05:06.7'::interval",
                "text P1Y2M3DT4H5M6.7S",
            ),
            ("'192.0.2.1'::inet", "text 192.0.2.1"),
            ("'2001:db8::/32'::cidr", "text 2001:db8::/32"),
            ("'08:00:2b:01:02:03'::macaddr", "text 08:00:2b:01:02:03"),
            ("b'1011'", "text 1011"),
            ("'glad'::mood", "text glad"),
            ("'a@x'::email", "text a@x"),
            ("'Ab'::citext", "text Ab"),
            (
                "ARRAY['a','b c','d\"e',null,'','NULL']",
                "text {a,\"b c\",\"d\\\"e\",NULL,\"\",\"NULL\"}",
            ),
            ("ARRAY[[1,2],[3,4]]", "text {{1,2},{3,4}}"),
            ("ARRAY[]::int[]", "text {}"),
            ("ARRAY['glad','sad']::mood[]", "text {glad,sad}"),
            ("CAST(ROW(1,'a') AS text)", "text (1,a)"),
        ])
        .await;
    // What has no form says how to get one.
    let error = database
        .run(asked("SELECT 12.34::money AS pay", &[]), caller())
        .await
        .err()
        .expect("no form");
    assert_eq!(error.state(), "0A000");
    assert!(
        error.to_string().contains("`pay`") && error.to_string().contains("CAST"),
        "{error}"
    );
    assert_eq!(database.one("SELECT 1", &[]).await, "integer 1");
}

#[tokio::test]
async fn parameters_fit_the_columns_they_are_for() {
    let postgres = start();
    let database = at(&postgres);
    database
        .execute(
            "CREATE TABLE t (i int, b bigint, n numeric(20,4), f float8, o boolean, s text, c varchar(20), d date,
             ts timestamp, tz timestamptz, y bytea, u uuid, j jsonb, a text[], e inet)",
            &[],
        )
        .await;
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let when = instant("2024-01-31T10:20:30.25Z");
    let insert = "INSERT INTO t VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    // Texts into everything, and everything into texts.
    for row in [
        [
            text("7"),
            text("9223372036854775807"),
            text("1.5"),
            text("0.1"),
            text("true"),
            text("käse"),
            text("x"),
            text("2024-01-31"),
            text("2024-01-31 10:20:30.25"),
            text("2024-01-31T10:20:30.25Z"),
            text("\u{0}\u{1}"),
            text(uuid),
            text("{\"k\":[1]}"),
            text("{a,b}"),
            text("192.0.2.1"),
        ],
        [
            integer(7),
            integer(i64::MAX),
            decimal("1.5"),
            decimal("0.1"),
            boolean(true),
            text("käse"),
            text("x"),
            when.clone(),
            when.clone(),
            when.clone(),
            bytes(&[0, 1]),
            text(uuid),
            text("{\"k\":[1]}"),
            text("{a,b}"),
            text("192.0.2.1"),
        ],
    ] {
        assert_eq!(database.execute(insert, &row).await, 1);
    }
    let rows = database.rows("SELECT * FROM t", &[]).await.expect("rows");
    assert_eq!(rows[0], rows[1]);
    assert_eq!(
        rows[0],
        [
            "integer 7",
            "integer 9223372036854775807",
            "decimal 1.5000",
            "decimal 0.1",
            "boolean true",
            "text käse",
            "text x",
            "text 2024-01-31",
            "text 2024-01-31T10:20:30.25",
            "instant 2024-01-31T10:20:30.25Z",
            "bytes 0001",
            &format!("text {uuid}"),
            "text {\"k\": [1]}",
            "text {a,b}",
            "text 192.0.2.1"
        ]
    );
    assert_eq!(
        database
            .execute(
                "UPDATE t SET s = ?, c = ?, i = ?, y = ?",
                &[integer(5), boolean(false), boolean(true), Cell::Null]
            )
            .await,
        2
    );
    assert_eq!(
        database
            .rows("SELECT s, c, i, y FROM t LIMIT ?", &[integer(1)])
            .await
            .expect("rows")[0],
        ["text 5", "text false", "integer 1", "null"]
    );
    // Where nothing says what it is, a parameter is what it is.
    assert_eq!(database.one("SELECT ?", &[text("a")]).await, "text a");
    assert_eq!(
        database
            .one("SELECT count(*) FROM t WHERE ? IS NULL", &[integer(1)])
            .await,
        "integer 0"
    );
    assert_eq!(
        database
            .one(
                "SELECT count(*) FROM t WHERE ? IS NULL OR s = ?",
                &[Cell::Null, text("5")]
            )
            .await,
        "integer 2"
    );
    assert_eq!(
        database
            .one("SELECT jsonb_build_object('a', 1) ?? ?", &[text("a")])
            .await,
        "boolean true"
    );
    assert_eq!(
        database
            .one("SELECT 1 WHERE 'a' = ANY(?)", &[text("{a,b}")])
            .await,
        "integer 1"
    );
    let hostile = "'; DROP TABLE t; -- $1 \\";
    assert_eq!(
        database.one("SELECT ?::text", &[text(hostile)]).await,
        format!("text {hostile}")
    );
    // What does not fit is told, and not bent.
    assert_eq!(
        database.fails("UPDATE t SET i = ?", &[text("seven")]).await,
        "22P02"
    );
    assert_eq!(
        database
            .fails("UPDATE t SET i = ?", &[integer(i64::MAX)])
            .await,
        "22003"
    );
    assert_eq!(
        database.fails("UPDATE t SET s = ?", &[bytes(&[1])]).await,
        "22023"
    );
    assert_eq!(
        database.fails("UPDATE t SET s = ?", &[text("a\0b")]).await,
        "22023"
    );
    assert_eq!(
        database
            .fails("UPDATE t SET tz = ?", &[instant("yesterday")])
            .await,
        "22023"
    );
}

#[tokio::test]
async fn transactions_end_with_whoever_began_them() {
    let postgres = start();
    let database = at(&postgres);
    database
        .execute("CREATE TABLE t (n int PRIMARY KEY)", &[])
        .await;
    transactions(&database).await;

    // An error ends it: a commit afterwards is no success.
    let open = database.begin(caller()).await.expect("begin");
    open.run(asked("INSERT INTO t VALUES (10)", &[]), caller())
        .await
        .expect("insert");
    let twice = open
        .run(asked("INSERT INTO t VALUES (10)", &[]), caller())
        .await
        .err()
        .expect("twice");
    assert_eq!(twice.state(), "23505");
    assert_eq!(
        open.commit(caller())
            .await
            .expect_err("nothing to commit")
            .state(),
        "25P02"
    );
    assert_eq!(
        database
            .one("SELECT count(*) FROM t WHERE n = 10", &[])
            .await,
        "integer 0"
    );

    // A caller who goes away takes statement and transaction along.
    let open = Arc::new(database.begin(caller()).await.expect("begin"));
    open.run(asked("INSERT INTO t VALUES (11)", &[]), caller())
        .await
        .expect("insert");
    let asleep = tokio::spawn({
        let open = Arc::clone(&open);
        async move {
            open.run(asked("SELECT pg_sleep(600)", &[]), caller())
                .await
                .is_ok()
        }
    });
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE ? AND state = 'active' AND pid <> pg_backend_pid()";
    let pattern = [text("SELECT pg_sleep%")];
    database.until(sleeping, &pattern, "integer 1").await;
    asleep.abort();
    database.until(sleeping, &pattern, "integer 0").await;
    assert_eq!(database.execute("INSERT INTO t VALUES (11)", &[]).await, 1);

    // A deadlock costs one of both its transaction, and says so.
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
    assert_eq!(victims[0].state(), "40P01");
    assert!(left.is_open() != right.is_open());
}

#[tokio::test]
async fn limits_and_times_hold() {
    let postgres = start();
    let database = at(&postgres);
    limits(&database, "SELECT generate_series(1, 5000)").await;

    let began = Instant::now();
    let error = database
        .run(asked("SELECT pg_sleep(600)", &[]), hurried(300))
        .await
        .err()
        .expect("late");
    assert_eq!(error.state(), "57014");
    assert!(began.elapsed() < Duration::from_secs(10));
    // The server was told.
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE ? AND state = 'active' AND pid <> pg_backend_pid()";
    database
        .until(sleeping, &[text("SELECT pg_sleep%")], "integer 0")
        .await;
    let error = database
        .run(
            asked("INSERT INTO nowhere SELECT pg_sleep(600)", &[]),
            caller(),
        )
        .await
        .err()
        .expect("no table");
    assert_eq!(error.state(), "42P01");

    let narrow = self::database(&SqlTarget {
        pool_size: 1,
        ..target(SqlDriver::Postgresql(reaching(&postgres)))
    });
    let held = narrow.begin(caller()).await.expect("the only one");
    assert_eq!(
        narrow
            .run(asked("SELECT 1", &[]), hurried(200))
            .await
            .err()
            .map(|e| e.state().to_owned())
            .as_deref(),
        Some("53300")
    );
    drop(held);
    assert_eq!(narrow.one("SELECT 1", &[]).await, "integer 1");

    let reader = self::database(&SqlTarget {
        read_only: true,
        ..target(SqlDriver::Postgresql(reaching(&postgres)))
    });
    database.execute("CREATE TABLE t (n int)", &[]).await;
    database.execute("CREATE FUNCTION grow() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING n'", &[]).await;
    assert_eq!(reader.one("SELECT count(*) FROM t", &[]).await, "integer 0");
    for statement in [
        "INSERT INTO t VALUES (1)",
        "SELECT grow()",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING n) SELECT * FROM x",
    ] {
        assert_eq!(reader.fails(statement, &[]).await, "25006", "{statement}");
    }
    assert_eq!(
        reader
            .one(
                "SELECT set_config('transaction_read_only', 'on', false)",
                &[]
            )
            .await,
        "text on"
    );
    assert_eq!(
        database.one("SELECT count(*) FROM t", &[]).await,
        "integer 0"
    );
}

#[tokio::test]
async fn a_lost_connection_is_healed_only_where_that_is_safe() {
    let mut postgres = start();
    let database = at(&postgres);
    database
        .execute("CREATE TABLE t (n int PRIMARY KEY)", &[])
        .await;
    postgres.restart().expect("again");
    assert_eq!(
        database.execute("INSERT INTO t VALUES (1)", &[]).await,
        1,
        "a write heals: nothing was sent"
    );
    postgres.restart().expect("again");
    assert_eq!(
        database.one("SELECT count(*) FROM t", &[]).await,
        "integer 1"
    );
    postgres.restart().expect("again");
    let open = database.begin(caller()).await.expect("a transaction heals");
    postgres.restart().expect("again");
    let error = open
        .run(asked("INSERT INTO t VALUES (2)", &[]), caller())
        .await
        .err()
        .expect("its connection is gone");
    assert!(
        error.state().starts_with("08") || error.state() == "57P01",
        "{error}"
    );
    assert!(!open.is_open());

    // Cut while it works: nobody knows.
    let cut = tokio::spawn({
        let database = Arc::clone(&database);
        async move {
            database
                .run(
                    asked("INSERT INTO t SELECT 3 FROM (SELECT pg_sleep(600)) s", &[]),
                    caller(),
                )
                .await
                .err()
        }
    });
    database
        .until("SELECT count(*) FROM pg_stat_activity WHERE query LIKE ? AND state = 'active' AND pid <> pg_backend_pid()", &[text("INSERT INTO t SELECT 3%")], "integer 1")
        .await;
    postgres.stop();
    let error = cut.await.expect("the task").expect("lost");
    assert!(matches!(error.state(), "08007" | "57P01"), "{error}");
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
    let postgres = start();
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let good = reaching(&postgres);
    let with = |server: SqlServer| database(&target(SqlDriver::Postgresql(server)));
    assert_eq!(with(good.clone()).one(encrypted, &[]).await, "boolean true");
    let preferring = SqlServer {
        tls: SqlTls::Prefer,
        ..good.clone()
    };
    assert_eq!(with(preferring).one(encrypted, &[]).await, "boolean true");
    let plain = SqlServer {
        tls: SqlTls::Off,
        ..good.clone()
    };
    assert_eq!(with(plain).one(encrypted, &[]).await, "boolean false");
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
        "{error}"
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
    assert_eq!(error.state(), "28P01");
    assert!(!format!("{error} {error:?}").contains("hush"));
    let error = failing(SqlServer {
        database: "elsewhere".to_owned(),
        ..good.clone()
    })
    .await;
    assert_eq!(error.state(), "3D000");
    let error = failing(SqlServer {
        host: "169.254.169.254".to_owned(),
        ..good.clone()
    })
    .await;
    assert!(matches!(error, Error::Egress(_)), "{error}");
    // Constraints, by name.
    let database = with(good);
    database
        .execute(
            "CREATE TABLE p (n int PRIMARY KEY, m int NOT NULL DEFAULT 1 CHECK (m > 0))",
            &[],
        )
        .await;
    database
        .execute("CREATE TABLE c (n int REFERENCES p)", &[])
        .await;
    database.execute("INSERT INTO p VALUES (1)", &[]).await;
    for (statement, state) in [
        ("INSERT INTO p VALUES (1)", "23505"),
        ("INSERT INTO c VALUES (9)", "23503"),
        ("INSERT INTO p VALUES (2, NULL)", "23502"),
        ("INSERT INTO p VALUES (2, 0)", "23514"),
        ("SELECT * FROM nowhere", "42P01"),
        ("SELEC", "42601"),
    ] {
        assert_eq!(database.fails(statement, &[]).await, state, "{statement}");
    }
}
