//! One request, one answer: over a kept connection or a new one, read whole within its limits.
//!
//! What is repeated, and when: a request of which nothing was written goes to the next connection, whatever its
//! method. One that was written and lost on a *kept* connection is repeated once on a new one if its method is idempotent
//! (RFC 9110, section 9.2.2), because servers close kept connections at any time. Nothing else is.

use std::error::Error as _;
use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::error::Error;
use super::pool::{Connection, Pool};
use crate::capability::tls;

/// A request, ready for the wire.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer, read whole and decoded.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why one attempt has no answer.
enum Attempt {
    /// Nothing was written, for this reason if one is known.
    Unsent(hyper::Error),
    /// It was written, at least in part.
    Failed(Error),
}

/// Sends and reads. Time-outs are the caller's: dropping this drops the connection it uses.
pub(super) async fn exchange(
    pool: &Pool,
    request: &Prepared,
    limit: Instant,
    most: usize,
) -> Result<Answer, Error> {
    let mut may_repeat = request.method.is_idempotent();
    let mut kept = pool.take();
    loop {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => pool.connect(limit).await?,
        };
        match attempt(&mut connection, &pool.endpoint.place.authority(), request).await {
            Ok(response) => {
                let answer = read(response, &request.method, most).await?;
                pool.give_back(connection).await;
                return Ok(answer);
            }
            Err(Attempt::Unsent(why)) if connection.fresh => {
                let bare = connection.bare;
                // The alert may have come before the request was on its way; then one of the two has it.
                let ended = connection.ended().await;
                let refused = tls_error(&why).or_else(|| ended.as_ref().and_then(tls_error));
                return Err(match refused {
                    Some(refused) => Error::Tls(tls::explain(refused)),
                    None => Error::Lost {
                        maybe_done: false,
                        bare,
                    },
                });
            }
            Err(Attempt::Unsent(_)) => {}
            Err(Attempt::Failed(Error::Lost { .. })) if !connection.fresh && may_repeat => {
                may_repeat = false;
            }
            Err(Attempt::Failed(error)) => return Err(error),
        }
        pool.forget();
    }
}

async fn attempt(
    connection: &mut Connection,
    authority: &str,
    request: &Prepared,
) -> Result<Response<Incoming>, Attempt> {
    let wire = wire(authority, request).map_err(Attempt::Failed)?;
    let bare = connection.fresh && connection.bare;
    let sent = connection.sender.try_send_request(wire).await;
    sent.map_err(|mut failed| {
        let unsent = failed.take_message().is_some();
        let error = failed.into_error();
        if unsent {
            return Attempt::Unsent(error);
        }
        Attempt::Failed(if let Some(refused) = tls_error(&error) {
            // TLS 1.3 servers refuse a client certificate after the handshake.
            Error::Tls(tls::explain(refused))
        } else if error.is_parse_too_large() {
            Error::Malformed("its headers are too long or too many")
        } else if error.is_parse() {
            Error::Malformed("it is not HTTP/1.1")
        } else {
            let maybe_done = !request.method.is_safe();
            Error::Lost { maybe_done, bare }
        })
    })
}

/// The refusal of TLS among an error's causes.
fn tls_error(error: &hyper::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(found) = cause {
        let io = found.downcast_ref::<std::io::Error>();
        let refused = io.and_then(|io| io.get_ref()?.downcast_ref());
        if refused.is_some() {
            return refused;
        }
        cause = found.source();
    }
    None
}

fn wire(authority: &str, request: &Prepared) -> Result<Request<Full<Bytes>>, Error> {
    let host = HeaderValue::try_from(authority).map_err(|_| Error::Request("its host"))?;
    let mut wire = Request::new(Full::new(request.body.clone()));
    *wire.method_mut() = request.method.clone();
    *wire.uri_mut() = Uri::from(request.path.clone());
    let headers = wire.headers_mut();
    headers.insert(HOST, host);
    headers.extend(request.headers.clone());
    Ok(wire)
}

/// The whole answer, at most so many bytes, before and after decoding.
async fn read(response: Response<Incoming>, method: &Method, most: usize) -> Result<Answer, Error> {
    let (head, mut incoming) = response.into_parts();
    let mut headers = head.headers;
    let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(Error::TooLarge(most));
    }
    let mut body = BytesMut::with_capacity(announced.min(64 << 10));
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            if error.is_incomplete_message() {
                Error::Malformed("it was cut short")
            } else {
                Error::Malformed("its body is damaged")
            }
        })?;
        // Trailers are dropped: nothing in the contract has a place for them.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if body.len() + data.len() > most {
            return Err(Error::TooLarge(most));
        }
        body.extend_from_slice(&data);
    }
    let mut body = body.freeze();
    if *method != Method::HEAD && !body.is_empty() {
        body = decode(&mut headers, body, most)?;
    }
    Ok(Answer {
        status: head.status,
        headers,
        body,
    })
}

/// Undoes the one coding that was offered to the server; any other is the guest's to understand.
fn decode(headers: &mut HeaderMap, body: Bytes, most: usize) -> Result<Bytes, Error> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(coding), None) = (codings.next(), codings.next()) else {
        return Ok(body);
    };
    let decoded = match coding.as_bytes().trim_ascii() {
        c if c.eq_ignore_ascii_case(b"gzip") || c.eq_ignore_ascii_case(b"x-gzip") => {
            inflate(MultiGzDecoder::new(&body[..]), most)?
        }
        // RFC 9110, section 8.4.1.2, means zlib; some send the bare stream.
        c if c.eq_ignore_ascii_case(b"deflate") && is_zlib(&body) => {
            inflate(ZlibDecoder::new(&body[..]), most)?
        }
        c if c.eq_ignore_ascii_case(b"deflate") => inflate(DeflateDecoder::new(&body[..]), most)?,
        _ => return Ok(body),
    };
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(decoded)
}

/// RFC 1950, section 2.2: method 8, and a check that comes out even.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn inflate(stream: impl std::io::Read, most: usize) -> Result<Bytes, Error> {
    let mut decoded = Vec::new();
    stream
        .take(most as u64 + 1)
        .read_to_end(&mut decoded)
        .map_err(|_| Error::Malformed("its compression is damaged"))?;
    if decoded.len() > most {
        return Err(Error::TooLarge(most));
    }
    Ok(decoded.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn coded(coding: &'static str) -> HeaderMap {
        [
            (CONTENT_ENCODING, HeaderValue::from_static(coding)),
            (CONTENT_LENGTH, HeaderValue::from_static("1")),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn each_coding_is_undone() {
        let plain = b"a text, a text, a text".as_slice();
        let level = Compression::default();
        let mut gzip = GzEncoder::new(Vec::new(), level);
        let mut zlib = ZlibEncoder::new(Vec::new(), level);
        let mut bare = DeflateEncoder::new(Vec::new(), level);
        gzip.write_all(plain).expect("memory");
        zlib.write_all(plain).expect("memory");
        bare.write_all(plain).expect("memory");
        for (coding, bytes) in [
            ("gzip", gzip.finish().expect("memory")),
            ("deflate", zlib.finish().expect("memory")),
            ("Deflate", bare.finish().expect("memory")),
        ] {
            let mut headers = coded(coding);
            let body = decode(&mut headers, bytes.into(), 100).expect(coding);
            assert_eq!(body, plain, "{coding}");
            assert!(headers.is_empty());
        }
        let mut headers = coded("br");
        assert_eq!(
            decode(&mut headers, Bytes::from_static(b"x"), 9).expect("left alone"),
            "x"
        );
        assert!(headers.contains_key(CONTENT_ENCODING));
    }

    #[test]
    fn a_bomb_goes_no_further_than_the_limit() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..8000 {
            bomb.write_all(&[0; 8192]).expect("memory");
        }
        let bomb = bomb.finish().expect("memory");
        assert!(bomb.len() < 100_000);
        assert!(matches!(
            decode(&mut coded("gzip"), bomb.into(), 1 << 20),
            Err(Error::TooLarge(_))
        ));
        assert!(matches!(
            decode(&mut coded("gzip"), Bytes::from_static(b"no gzip"), 9),
            Err(Error::Malformed(_))
        ));
    }
}
