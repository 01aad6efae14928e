//! Servers that are not what they should be.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant};

use super::{caller, directory, search};
use crate::app::{LdapBind, LdapTarget, Referrals};
use crate::capability::ldap::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, element, number};
use crate::capability::ldap::client::{Caller, Directory};
use crate::capability::ldap::error::Error;
use crate::capability::ldap::search::Found;
use crate::capability::ldap::sync::{Method, Poll, Start};

/// A server that answers each request with these bytes, for ever if it is to.
async fn server(answer: Vec<u8>, forever: bool) -> Directory {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer.clone(), forever));
        }
    });
    directory(&LdapTarget {
        url: format!("ldap://127.0.0.1:{port}"),
        start_tls: false,
        ca: None,
        identity: None,
        bind: LdapBind::Anonymous,
        referrals: Referrals::Ignore,
        pool_size: 2,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(10),
    })
}

async fn serve(mut stream: TcpStream, answer: Vec<u8>, forever: bool) {
    let mut request = [0; 4096];
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        loop {
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            if !forever {
                break;
            }
        }
    }
}

fn message(operation: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[number(INTEGER, 1), operation.to_vec()].concat())
}

fn entry(value: &[u8]) -> Vec<u8> {
    let values = element(SET, &element(OCTETS, value));
    let attribute = element(SEQUENCE, &[element(OCTETS, b"uid"), values].concat());
    let entry = [element(OCTETS, b"uid=a"), element(SEQUENCE, &attribute)].concat();
    message(&element(0x64, &entry))
}

async fn asked(answer: Vec<u8>, forever: bool) -> Result<Found, Error> {
    let small = Caller {
        max_answer: 1 << 20,
        ..caller()
    };
    let started = Instant::now();
    let directory = server(answer, forever).await;
    let found = directory.search(&search("(uid=*)", 2), small).await;
    assert!(started.elapsed() < Duration::from_secs(8));
    found
}

#[tokio::test]
async fn an_answer_that_would_exhaust_the_stack_or_the_memory_is_cut_off() {
    let deep = (0..100_000).fold(vec![4, 0], |inner, _| element(SEQUENCE, &inner));
    let many = element(SEQUENCE, &[4, 0].repeat(500_000));
    for bomb in [deep, many, b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()] {
        let error = asked(bomb, false).await.expect_err("cut off");
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
    let mut long = vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff];
    long.resize(1 << 16, 0);
    let error = asked(long, true).await.expect_err("cut off");
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn entries_without_end_are_read_to_the_limit() {
    let error = asked(entry(&[b'x'; 10_000]), true)
        .await
        .expect_err("cut off");
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn what_is_well_formed_and_no_answer_is_an_error() {
    let result = |parts: &[Vec<u8>]| message(&element(0x65, &parts.concat()));
    for nonsense in [
        message(&element(0x64, &[])),
        message(&element(0x64, &element(SEQUENCE, &[]))),
        message(&element(OCTETS, b"x")),
        result(&[]),
        result(&[
            number(ENUMERATED, 0),
            element(OCTETS, &[0xff]),
            element(OCTETS, &[]),
        ]),
        message(&[]),
        element(SEQUENCE, &[]),
    ] {
        let error = asked(nonsense.clone(), false).await.expect_err("no answer");
        assert_eq!(error.code(), None, "{nonsense:?}: {error}");
    }
}

#[tokio::test]
async fn changes_without_a_state_or_an_end_are_an_error() {
    let poll = |method| Poll {
        base: String::new(),
        scope: crate::capability::ldap::search::Scope::Subtree,
        filter: "(uid=*)".to_owned(),
        attributes: Vec::new(),
        method,
        start: Start::Content,
        limit: 5,
    };
    let done = [
        number(ENUMERATED, 0),
        element(OCTETS, &[]),
        element(OCTETS, &[]),
    ]
    .concat();
    let done = message(&element(0x65, &done));
    for answer in [entry(b"x"), done] {
        for method in [Method::Syncrepl, Method::DirSync(0)] {
            let directory = server(answer.clone(), false).await;
            let error = directory.poll(&poll(method), caller()).await;
            let error = error.expect_err("no answer to a poll");
            assert!(matches!(error, Error::Malformed(_)), "{error}");
        }
    }
}
