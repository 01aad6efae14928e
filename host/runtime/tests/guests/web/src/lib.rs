//! A connector that sends what it is told, by `http` or by `wasi:http`, and answers what came back.
//!
//! `get(kind, anchor, attributes)`: `kind` is the interface; `anchor` is `METHOD WHERE PATH`, and after a line break the
//! body; each attribute is a header, `name: value` or `name: secret SCHEME NAME`.

wit_bindgen::generate!({
    path: "../../../../../wit",
    inline: "
        package tombolo:guest-web;
        world web {
            include tombolo:connector/reader@1.0.0;
            import tombolo:connector/http@1.0.0;
        }
    ",
    world: "tombolo:guest-web/web",
    generate_all,
});

use std::cell::RefCell;

use exports::tombolo::connector::{connector, read};
use tombolo::connector::types::{Attribute, Entry, Failure, Fault, Page, Query, Scalar, Value};
use tombolo::connector::{http, secrets};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

thread_local! {
    /// Everything that ever came back, so that what is searched for cannot have been overwritten.
    static KEPT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Web;
export!(Web);

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What an anchor asks.
struct Asked<'a> {
    method: &'a str,
    place: &'a str,
    path: &'a str,
    body: &'a [u8],
}

impl<'a> Asked<'a> {
    fn read(anchor: &'a str) -> Self {
        let (line, body) = anchor.split_once('\n').unwrap_or((anchor, ""));
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        Self { method: word(), place: word(), path: word(), body: body.as_bytes() }
    }
}

fn header(line: &str) -> (&str, &str) {
    line.split_once(": ").unwrap_or((line, ""))
}

fn by_contract(asked: &Asked<'_>, headers: &[String]) -> Result<Answer, String> {
    let open = |value: &str| {
        let (scheme, name) = value.strip_prefix("secret ")?.split_once(' ')?;
        Some((scheme.to_owned(), secrets::open(name)?))
    };
    let opened: Vec<_> = headers.iter().map(|line| open(header(line).1)).collect();
    let headers = headers
        .iter()
        .zip(&opened)
        .map(|(line, secret)| {
            let (name, value) = header(line);
            let value = match secret {
                Some((scheme, handle)) => http::HeaderValue::Secret((scheme.clone(), handle)),
                None => http::HeaderValue::Text(value.to_owned()),
            };
            (name.to_owned(), value)
        })
        .collect();
    let request = http::Request {
        target: asked.place.to_owned(),
        method: asked.method.to_owned(),
        path_and_query: asked.path.to_owned(),
        headers,
        body: asked.body.to_vec(),
    };
    let answer = http::send(&request).map_err(|error| format!("{error:?}"))?;
    Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
}

fn by_wasi(asked: &Asked<'_>, headers: &[String]) -> Result<Answer, String> {
    let fields = Fields::new();
    for line in headers {
        let (name, value) = header(line);
        fields.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match asked.method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let (scheme, authority) = asked.place.split_once("://").unwrap_or(("https", asked.place));
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    request.set_method(&method).map_err(|()| "method")?;
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(asked.path)).map_err(|()| "path")?;
    let body = request.body().map_err(|()| "body")?;
    let coming = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    // Whoever is denied has its body closed; the answer says why.
    let stream = body.write().map_err(|()| "stream")?;
    for chunk in asked.body.chunks(4096) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    coming.subscribe().block();
    let response = coming.get().ok_or("no answer")?.map_err(|()| "taken")?.map_err(|error| format!("{error:?}"))?;
    let headers = response.headers().entries();
    let headers = headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
    let incoming = response.consume().map_err(|()| "consumed")?;
    let stream = incoming.stream().map_err(|()| "streamed")?;
    let mut body = Vec::new();
    while let Ok(chunk) = stream.blocking_read(1 << 16) {
        body.extend(chunk);
    }
    Ok(Answer { status: response.status(), headers, body })
}

/// How often these bytes lie in this guest's own memory. They come with every byte one higher, so that they
/// are not found where they are asked for.
fn remembered(shifted: &str) -> usize {
    let size = core::arch::wasm32::memory_size(0) << 16;
    // SAFETY: the whole of linear memory, which nothing else changes meanwhile.
    let memory = unsafe { core::slice::from_raw_parts(1 as *const u8, size - 1) };
    let wanted = shifted.as_bytes();
    memory.windows(wanted.len()).filter(|seen| seen.iter().zip(wanted).all(|(a, b)| a.wrapping_add(1) == *b)).count()
}

fn told(answer: Result<Answer, String>) -> String {
    match answer {
        Err(error) => format!("error: {error}"),
        Ok(answer) if answer.body.len() > 10_000 => format!("{} and {} bytes", answer.status, answer.body.len()),
        Ok(answer) => {
            let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let text = format!("{}\n{headers}\n{}", answer.status, String::from_utf8_lossy(&answer.body));
            KEPT.with_borrow_mut(|kept| kept.push(text.clone()));
            text
        }
    }
}

fn entry(answer: String) -> Entry {
    let values = vec![Value::Simple(Scalar::Text(answer))];
    let attributes = vec![Attribute { name: "answer".to_owned(), values }];
    Entry { anchor: "answer".to_owned(), version: None, attributes }
}

impl connector::Guest for Web {
    fn describe() -> Result<String, Failure> {
        Ok(r#"{"name":"web","version":"1","kinds":[{"kind":"user","resource":"User","attributes":[{"name":"answer","type":"text"}]}]}"#.to_owned())
    }

    fn check() -> Result<(), Failure> {
        Ok(())
    }
}

impl read::Guest for Web {
    fn get(kind: String, anchor: String, attributes: Vec<String>) -> Result<Entry, Failure> {
        let asked = Asked::read(&anchor);
        let answer = match kind.as_str() {
            "wasi" => told(by_wasi(&asked, &attributes)),
            "memory" => remembered(&anchor).to_string(),
            "again" => (0..attributes.len()).map(|_| told(by_contract(&asked, &[]))).last().unwrap_or_default(),
            _ => told(by_contract(&asked, &attributes)),
        };
        Ok(entry(answer))
    }

    fn search(_: String, _: Query) -> Result<Page, Failure> {
        Err(Failure {
            fault: Fault::Unsupported,
            message: "not here".to_owned(),
            attribute: None,
            target_code: None,
            retry_after_ms: None,
        })
    }
}
