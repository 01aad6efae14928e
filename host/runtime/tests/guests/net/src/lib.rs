//! A connector that plays a script on byte streams: `get(_, script, _)` answers what came of each line.
//!
//! | line | |
//! |---|---|
//! | `connect TARGET` | what the lines below are about |
//! | `say TEXT`, `hex DIGITS`, `fill N` | writes a line, these bytes, so many bytes |
//! | `line`, `read N`, `drain` | reads up to a line break, at most so much, until the end (and says how much) |
//! | `start-tls` | |
//! | `drop`, `keep`, `kept` | lets it go; keeps it for another call; takes one that was kept |
//! | `hoard TARGET` | connects until that fails, and says how often it went well |
//! | `crash` | |

wit_bindgen::generate!({
    path: "../../../../../wit",
    inline: "
        package tombolo:guest-net;
        world guest {
            include tombolo:connector/reader@1.0.0;
            import tombolo:connector/net@1.0.0;
        }
    ",
    world: "tombolo:guest-net/guest",
    generate_all,
});

use std::cell::RefCell;

use exports::tombolo::connector::{connector, read};
use tombolo::connector::net::{self, Connection, NetError};
use tombolo::connector::types::{Attribute, Entry, Failure, Page, Query, Scalar, Value};

const DESCRIPTION: &str = r#"{"name":"net","version":"1","kinds":[{"kind":"user","resource":"User","attributes":[{"name":"answer","type":"text"}]}]}"#;

thread_local! {
    static KEPT: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

struct Guest;
export!(Guest);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(&text(pair), 16).unwrap()).collect()
}

fn line(connection: &Connection) -> Result<String, NetError> {
    let mut line = Vec::new();
    loop {
        let byte = connection.read(1)?;
        if byte.is_empty() || byte == b"\n" {
            return Ok(text(&line));
        }
        line.extend(byte);
    }
}

fn drain(connection: &Connection) -> Result<String, NetError> {
    let mut count = 0;
    loop {
        match connection.read(1 << 20)?.len() {
            0 => return Ok(count.to_string()),
            more => count += more,
        }
    }
}

fn step(verb: &str, rest: &str, open: &mut Vec<Connection>) -> Result<String, NetError> {
    let number = || rest.parse::<usize>().unwrap();
    let done = |()| verb.to_owned();
    match verb {
        "connect" => {
            open.push(net::connect(rest)?);
            Ok("connected".to_owned())
        }
        "hoard" => Ok(loop {
            match net::connect(rest) {
                Ok(connection) => open.push(connection),
                Err(error) => break format!("{} {error:?}", open.len()),
            }
        }),
        "kept" => {
            open.extend(KEPT.with_borrow_mut(Vec::pop));
            Ok(verb.to_owned())
        }
        "keep" => {
            KEPT.with_borrow_mut(|kept| kept.extend(open.pop()));
            Ok(verb.to_owned())
        }
        "drop" => {
            open.pop();
            Ok(verb.to_owned())
        }
        "crash" => panic!("as asked"),
        _ => {
            let connection = open.last().ok_or(NetError::Closed)?;
            match verb {
                "say" => connection.write(format!("{rest}\r\n").as_bytes()).map(done),
                "hex" => connection.write(&hex(rest)).map(done),
                "fill" => connection.write(&vec![b'x'; number()]).map(done),
                "line" => line(connection),
                "read" => Ok(text(&connection.read(number() as u32)?)),
                "drain" => drain(connection),
                "start-tls" => connection.start_tls().map(done),
                _ => panic!("no such verb: {verb}"),
            }
        }
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
    fn get(_kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        let mut open = Vec::new();
        let mut said = Vec::new();
        for line in anchor.lines() {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            said.push(step(verb, rest, &mut open).unwrap_or_else(|error| format!("{error:?}")));
        }
        let values = vec![Value::Simple(Scalar::Text(said.join("\n")))];
        Ok(Entry { anchor, version: None, attributes: vec![Attribute { name: "answer".to_owned(), values }] })
    }

    fn search(_kind: String, _query: Query) -> Result<Page, Failure> {
        Ok(Page { entries: Vec::new(), cursor: None, total: None })
    }
}
