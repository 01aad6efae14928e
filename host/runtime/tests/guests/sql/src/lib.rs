//! A connector that begins transactions and ends them badly, as the kind says that it is asked for.

wit_bindgen::generate!({
    path: "../../../../../wit",
    inline: "
        package guest:sql;
        world guest {
            include tombolo:connector/reader@1.0.0;
            import tombolo:connector/sql@1.0.0;
        }
    ",
    world: "guest:sql/guest",
    generate_all,
});

use std::cell::RefCell;

use exports::tombolo::connector::{connector, read};
use tombolo::connector::sql::{self, Cell, SqlError, Transaction};
use tombolo::connector::types::{Attribute, Entry, Failure, Page, Query, Scalar, Value};

#[unsafe(link_section = "tombolo:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] = *include_bytes!("../manifest.json");

const DESCRIPTION: &str = r#"{"name":"sql","version":"1","kinds":[{"kind":"user","resource":"User","attributes":[{"name":"answer","type":"text"}]}]}"#;
const ENDLESS: &str = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT count(*) FROM s";

thread_local! {
    static KEPT: RefCell<Vec<Transaction>> = const { RefCell::new(Vec::new()) };
}

struct Guest;
export!(Guest);

/// A transaction that has written `n`.
fn begun(n: &str) -> Result<Transaction, SqlError> {
    let transaction = sql::begin("db")?;
    transaction.execute("INSERT INTO t (n) VALUES (?)", &[Cell::Is(Scalar::Text(n.to_owned()))])?;
    Ok(transaction)
}

fn behave(kind: &str, argument: &str) -> Result<String, SqlError> {
    match kind {
        "count" => {
            let rows = sql::query("db", "SELECT count(*) FROM t", &[], 0)?;
            Ok(match &rows.rows[0][0] {
                Cell::Is(Scalar::Integer(count)) => count.to_string(),
                _ => "no number".to_owned(),
            })
        }
        "write" => begun(argument)?.commit().map(|()| "written".to_owned()),
        "drop" => begun(argument).map(|_| "dropped".to_owned()),
        "trap" => {
            let _held = begun(argument)?;
            panic!("as asked")
        }
        "keep" => {
            let held = begun(argument)?;
            KEPT.with_borrow_mut(|kept| kept.push(held));
            Ok("kept".to_owned())
        }
        // The handle of another call.
        "use" => KEPT.with_borrow(|kept| kept[0].commit()).map(|()| "committed".to_owned()),
        "hang" => begun(argument)?.query(ENDLESS, &[], 0).map(|_| "ended".to_owned()),
        "hoard" => loop {
            let open = sql::begin("reader")?;
            KEPT.with_borrow_mut(|kept| kept.push(open));
        },
        "elsewhere" => sql::query("payroll", "SELECT 1", &[], 0).map(|_| "allowed".to_owned()),
        _ => Ok("nothing".to_owned()),
    }
}

impl connector::Guest for Guest {
    fn describe() -> Result<String, Failure> {
        Ok(DESCRIPTION.to_owned())
    }

    fn check() -> Result<(), Failure> {
        Ok(())
    }
}

impl read::Guest for Guest {
    fn get(kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        let answer = behave(&kind, &anchor)
            .unwrap_or_else(|error| format!("{} {}", error.sqlstate.unwrap_or_default(), error.message));
        let values = vec![Value::Simple(Scalar::Text(answer))];
        Ok(Entry { anchor, version: None, attributes: vec![Attribute { name: "answer".to_owned(), values }] })
    }

    fn search(_kind: String, _query: Query) -> Result<Page, Failure> {
        Ok(Page { entries: Vec::new(), cursor: None, total: None })
    }
}
