//! A connector that misbehaves as it is told: by the kind it is asked for, or by its settings.

wit_bindgen::generate!({ path: "../../../../../wit", world: "full", generate_all });

mod files;

use std::cell::RefCell;
use std::time::Duration;

use exports::tombolo::connector::{connector, delta, members, password, read, write};
use tombolo::connector::{config, context, http, ldap, log, net, reveal, secrets, sql, state};
use tombolo::connector::types::{Attribute, Edit, Entry, Failure, Fault, Page, Query, Scalar, Value};

#[unsafe(link_section = "tombolo:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] = *include_bytes!("../manifest.json");

thread_local! {
    static CALLS: RefCell<u32> = const { RefCell::new(0) };
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static HANDLES: RefCell<Vec<secrets::Secret>> = const { RefCell::new(Vec::new()) };
}

struct Hostile;
export!(Hostile);

fn entry(anchor: &str, answer: &str) -> Entry {
    Entry { anchor: anchor.to_owned(), version: None, attributes: vec![attribute("answer", answer)] }
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), values: vec![Value::Simple(Scalar::Text(value.to_owned()))] }
}

fn failure(message: String) -> Failure {
    Failure { fault: Fault::Invalid, message, attribute: None, target_code: None, retry_after_ms: None }
}

/// Every export comes by here.
fn enter(function: &str) {
    CALLS.with_borrow_mut(|calls| *calls += 1);
    if config::settings().contains(&format!("\"trap-in\":\"{function}\"")) {
        panic!("trapped in {function}");
    }
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "that is the attack")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth + 1) + frame[(depth % 64) as usize]
}

fn errors<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "allowed".to_owned(),
        Err(error) => format!("refused: {error:?}"),
    }
}

/// The misbehaviour named by `kind`; `argument` is the anchor it was asked for.
fn behave(kind: &str, argument: &str) -> Result<Entry, Failure> {
    let answer = match kind {
        "loop" => spin(),
        "trap" => panic!("as asked"),
        "exit" => std::process::exit(0),
        "recurse" => recurse(0).to_string(),
        "alloc" => loop {
            HOARD.with_borrow_mut(|hoard| hoard.push(vec![1; 1 << 20]));
        },
        "grow" => {
            HOARD.with_borrow_mut(|hoard| hoard.push(vec![1; 12 << 20]));
            "grown".to_owned()
        }
        "wait" => {
            std::thread::sleep(Duration::from_secs(3600));
            "woke".to_owned()
        }
        "nap" => {
            std::thread::sleep(Duration::from_millis(argument.parse().unwrap_or(0)));
            "woke".to_owned()
        }
        "count" => CALLS.with_borrow(u32::to_string),
        "log" => {
            log::emit(log::Level::Info, argument, &[("field".to_owned(), argument.to_owned())]);
            "logged".to_owned()
        }
        "log-flood" => {
            for number in 0..100_000 {
                log::emit(log::Level::Info, &format!("flood {number}"), &[]);
            }
            "flooded".to_owned()
        }
        "print" => {
            println!("printed {argument}");
            eprintln!("complained {argument}");
            "printed".to_owned()
        }
        "print-flood" => {
            for number in 0..100_000 {
                println!("flood {number}");
            }
            "flooded".to_owned()
        }
        "shout" => {
            log::emit(log::Level::Info, &"x".repeat(9 << 20), &[]);
            "shouted".to_owned()
        }
        "huge" => "x".repeat(9 << 20),
        "large" => "x".repeat(argument.parse().unwrap_or(0)),
        "hoard-handles" => loop {
            let Some(handle) = secrets::open("api-key") else { break "none".to_owned() };
            HANDLES.with_borrow_mut(|handles| handles.push(handle));
        },
        "secret" => secrets::open(argument).map_or("none".to_owned(), |secret| secret.name()),
        "reveal" => match secrets::open(argument) {
            Some(secret) => String::from_utf8_lossy(&reveal::reveal(&secret)).into_owned(),
            None => "none".to_owned(),
        },
        "settings" => config::settings(),
        "remaining" => context::remaining_ms().to_string(),
        "request" => context::request_id(),
        "state-fill" => {
            let mut number = 0;
            loop {
                match state::put(&format!("key-{number}"), &[0; 1000], None) {
                    Ok(_) => number += 1,
                    Err(error) => break format!("{number} {error:?}"),
                }
            }
        }
        "state-read" => format!("{:?}", state::get(argument)),
        "state-write" => format!("{:?}", state::put(argument, b"value", Some(0))),
        "state-hoard" => {
            let _ = state::put("big", &vec![0; 1 << 20], None);
            loop {
                let _ = state::get("big");
            }
        }
        "read-file" => errors(std::fs::read(argument)),
        "write-file" => errors(std::fs::write(argument, "written")),
        "list-directory" => errors(std::fs::read_dir(argument)),
        "environment" => format!("{:?} {:?}", std::env::vars().collect::<Vec<_>>(), std::env::args().collect::<Vec<_>>()),
        "connect" => errors(std::net::TcpStream::connect(argument)),
        "http" => errors(http::send(&http::Request {
            target: argument.to_owned(),
            method: "GET".to_owned(),
            path_and_query: "/".to_owned(),
            headers: vec![],
            body: vec![],
        })),
        "net" => errors(net::connect(argument)),
        "sql" => errors(sql::query(argument, "select 1", &[], 1)),
        "ldap" => errors(ldap::delete(argument, "cn=x")),
        "fail" => return Err(failure(argument.to_owned())),
        "fail-long" => return Err(failure("y".repeat(1 << 20))),
        "anchor-empty" => return Ok(entry("", "")),
        "anchor-long" => return Ok(entry(&"a".repeat(5000), "")),
        "name-bad" => {
            return Ok(Entry { anchor: "a".to_owned(), version: None, attributes: vec![attribute("a\nb", "")] });
        }
        "attributes-many" => {
            let attributes = (0..3000).map(|number| attribute(&format!("a{number}"), "")).collect();
            return Ok(Entry { anchor: "a".to_owned(), version: None, attributes });
        }
        _ => files::behave(kind, argument).unwrap_or_else(|| "entry".to_owned()),
    };
    Ok(entry(if argument.is_empty() { "none" } else { argument }, &answer))
}

impl connector::Guest for Hostile {
    fn describe() -> Result<String, Failure> {
        enter("describe");
        let settings = config::settings();
        if settings.contains("\"describe\":\"loop\"") {
            spin();
        }
        if settings.contains("\"describe\":\"no-json\"") {
            return Ok("{".to_owned());
        }
        if settings.contains("\"describe\":\"lie\"") {
            return Ok(r#"{"name":"hostile","version":"1","kinds":[{"kind":"user"}]}"#.to_owned());
        }
        Ok(r#"{"name":"hostile","version":"1","kinds":[{"kind":"user","resource":"User","attributes":[{"name":"answer","type":"text"}]}]}"#.to_owned())
    }

    fn check() -> Result<(), Failure> {
        enter("check");
        Ok(())
    }
}

impl read::Guest for Hostile {
    fn get(kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        enter("get");
        behave(&kind, &anchor)
    }

    fn search(kind: String, query: Query) -> Result<Page, Failure> {
        enter("search");
        let entries = match kind.as_str() {
            "too-many" => (0..=query.limit).map(|number| entry(&number.to_string(), "")).collect(),
            "twice" => vec![entry("same", ""), entry("same", "")],
            _ => vec![entry("one", "")],
        };
        let cursor = (kind == "cursor-long").then(|| "c".repeat(20_000));
        Ok(Page { entries, cursor, total: None })
    }
}

impl write::Guest for Hostile {
    fn create(kind: String, _attributes: Vec<Attribute>, request: String) -> Result<Entry, Failure> {
        enter("create");
        behave(&kind, &request)
    }

    fn update(
        kind: String,
        anchor: String,
        _edits: Vec<Edit>,
        _if_version: Option<String>,
        _request: String,
    ) -> Result<Entry, Failure> {
        enter("update");
        behave(&kind, &anchor)
    }

    fn delete(_kind: String, _anchor: String, _request: String) -> Result<(), Failure> {
        enter("delete");
        Ok(())
    }
}

impl members::Guest for Hostile {
    fn list_members(_group: String, _cursor: Option<String>, limit: u32) -> Result<members::MemberPage, Failure> {
        enter("list-members");
        Ok(members::MemberPage { members: (0..limit).map(|number| number.to_string()).collect(), cursor: None })
    }

    fn change_members(_: String, _: Vec<String>, _: Vec<String>, _: String) -> Result<(), Failure> {
        enter("change-members");
        Ok(())
    }
}

impl password::Guest for Hostile {
    fn set_password(anchor: String, value: &secrets::Secret, _must_change: bool) -> Result<(), Failure> {
        enter("set-password");
        if value.name() != "password" {
            return Err(failure("not a password".to_owned()));
        }
        if anchor.is_empty() { Ok(()) } else { Err(failure(anchor)) }
    }
}

impl delta::Guest for Hostile {
    fn since(_kind: String, token: Option<String>, _limit: u32) -> Result<delta::Changes, Failure> {
        enter("since");
        let changes = vec![delta::Change::Changed(entry("one", "")), delta::Change::Gone("two".to_owned())];
        Ok(delta::Changes { changes, token: token.unwrap_or_default() + "1", more: false })
    }
}
