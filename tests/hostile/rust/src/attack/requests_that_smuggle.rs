//! Puts a second request into the method, the path, a header and its value, and names another host in each way there is.

use crate::*;

use tombolo::connector::http;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    let smuggled = "x HTTP/1.1\r\nHost: evil\r\n\r\nGET /smuggled";
    for (method, path, name, value) in [
        (smuggled, "/", "x", "y"),
        ("GET", "/ HTTP/1.1\r\n\r\nGET /smuggled", "x", "y"),
        ("GET", "/", "x: y\r\n\r\nGET /smuggled HTTP/1.1", "y"),
        ("GET", "/", "x", "y\r\n\r\nGET /smuggled HTTP/1.1"),
        ("CONNECT", "evil.example:443", "x", "y"),
        ("GET", "http://169.254.169.254/latest", "x", "y"),
        ("GET", "//169.254.169.254/latest", "x", "y"),
        ("GET", "/../../smuggled", "x", "y"),
        ("GET", "/%2e%2e/%2e%2e/smuggled", "x", "y"),
    ] {
        let request = http::Request {
            target: "web".to_owned(),
            method: method.to_owned(),
            path_and_query: path.to_owned(),
            headers: vec![(name.to_owned(), http::HeaderValue::Text(value.to_owned()))],
            body: Vec::new(),
        };
        let answer = http::send(&request).ok();
        let there =
            answer.filter(|answer| answer.body == b"smuggled" || answer.body == b"metadata");
        said.push_str(&tried("smuggle", there.ok_or(())));
    }
    Ok(Answer::Said(said))
}
