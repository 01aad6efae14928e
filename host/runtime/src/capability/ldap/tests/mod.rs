//! The client against a real OpenLDAP server.

use std::fmt::Write as _;

use tokio::time::{Duration, Instant};

use super::client::{Caller, Directory};
use super::entry::Entry;
use super::error::Error;
use super::operation::{Change, Write};
use super::search::{Found, Part, Scope, Search};
use crate::app::{LdapBind, LdapTarget, Referrals};

mod beyond;
mod hostile;

#[path = "../../../../tests/support/slapd.rs"]
mod slapd;
use slapd::{ADMIN, PASSWORD, Settings, Slapd};

const PEOPLE: &str = "ou=people,dc=example,dc=test";

fn simple(dn: &str, password: &str) -> LdapBind {
    LdapBind::Simple {
        dn: dn.to_owned(),
        password: password.to_owned().into(),
    }
}

fn target(url: String, server: &Slapd) -> LdapTarget {
    LdapTarget {
        url,
        start_tls: false,
        ca: Some(server.ca()),
        identity: None,
        bind: simple(ADMIN, PASSWORD),
        referrals: Referrals::Ignore,
        pool_size: 2,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(10),
    }
}

fn directory(target: &LdapTarget) -> Directory {
    Directory::new("directory", target).expect("a target")
}

fn caller() -> Caller<'static> {
    Caller {
        app: "test",
        deadline: Instant::now() + Duration::from_secs(20),
        max_answer: 8 << 20,
    }
}

fn search(filter: &str, limit: u32) -> Search {
    Search {
        part: Part::Page(limit),
        ..Search::new(
            PEOPLE.to_owned(),
            Scope::OneLevel,
            filter.to_owned(),
            vec!["uid".to_owned()],
        )
    }
}

fn person(uid: &str) -> Write {
    let attribute = |name: &str, value: &str| (name.to_owned(), vec![value.as_bytes().to_vec()]);
    Write::Add(Entry {
        dn: format!("uid={uid},{PEOPLE}"),
        attributes: vec![
            attribute("objectClass", "inetOrgPerson"),
            attribute("uid", uid),
            attribute("cn", uid),
            attribute("sn", uid),
        ],
    })
}

async fn check(target: &LdapTarget) -> Result<Found, Error> {
    directory(target)
        .search(&search("(uid=*)", 1), caller())
        .await
}

#[tokio::test]
async fn ldaps_and_start_tls_verify_authority_and_name() {
    let server = Slapd::start(Settings::default());
    let good = target(server.ldaps(), &server);
    check(&good).await.expect("ldaps");
    check(&LdapTarget {
        url: server.ldap(),
        start_tls: true,
        ..good.clone()
    })
    .await
    .expect("StartTLS");
    check(&LdapTarget {
        url: server.ldap(),
        ..good.clone()
    })
    .await
    .expect("plain, on loopback");

    let stranger = Slapd::start(Settings::default());
    for (url, start_tls) in [(server.ldaps(), false), (server.ldap(), true)] {
        let wrong = LdapTarget {
            url,
            start_tls,
            ca: Some(stranger.ca()),
            ..good.clone()
        };
        let error = check(&wrong).await.expect_err("a stranger's authority");
        assert!(
            matches!(&error, Error::Tls(why) if why.contains("authority")),
            "{error}"
        );
        assert_eq!(error.code(), None);
    }
    let wrong = LdapTarget {
        url: format!("ldaps://127.0.0.1:{}", server.tls_port()),
        ..good.clone()
    };
    let error = check(&wrong).await.expect_err("another name");
    assert!(
        matches!(&error, Error::Tls(why) if why.contains("host name")),
        "{error}"
    );
    let wrong = LdapTarget { ca: None, ..good };
    assert!(
        matches!(check(&wrong).await, Err(Error::Tls(_))),
        "the system does not know the test's authority"
    );
}

#[tokio::test]
async fn a_refused_bind_says_so_and_names_no_password() {
    let server = Slapd::start(Settings::default());
    let wrong = LdapTarget {
        bind: simple(ADMIN, "wrong-hush"),
        ..target(server.ldaps(), &server)
    };
    let error = check(&wrong).await.expect_err("the wrong password");
    assert_eq!(error.code(), Some(49));
    assert!(error.to_string().contains("bind-dn"), "{error}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("hush"));
    let empty = LdapTarget {
        bind: simple(ADMIN, ""),
        ..wrong
    };
    assert!(matches!(check(&empty).await, Err(Error::EmptyPassword)));
}

#[tokio::test]
async fn nobody_listening_is_unreachable_without_an_address_in_the_text() {
    let mut server = Slapd::start(Settings::default());
    let gone = target(server.ldaps(), &server);
    server.stop();
    let error = check(&gone).await.expect_err("nobody there");
    assert_eq!(error.code(), None);
    assert!(matches!(&error, Error::Connect(_)), "{error}");
    assert!(
        !error.to_string().contains("localhost") && !error.to_string().contains("127."),
        "{error}"
    );
}

#[tokio::test]
async fn a_silent_server_costs_the_callers_time_and_no_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let silent = LdapTarget {
        url: format!("ldap://localhost:{port}"),
        start_tls: false,
        ca: None,
        identity: None,
        bind: simple(ADMIN, "x"),
        referrals: Referrals::Ignore,
        pool_size: 1,
        connect_timeout: Duration::from_mins(1),
        operation_timeout: Duration::from_mins(1),
    };
    let started = Instant::now();
    let impatient = Caller {
        deadline: started + Duration::from_millis(300),
        ..caller()
    };
    let error = directory(&silent)
        .search(&search("(uid=*)", 1), impatient)
        .await
        .expect_err("silence");
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn pages_hold_every_entry_once_and_a_cursor_is_good_for_one_page() {
    let server = Slapd::start(Settings::default());
    let mut ldif = String::new();
    for i in 0..2500 {
        let _ = write!(
            ldif,
            "dn: uid=u{i},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: u{i}\ncn: u{i}\nsn: u{i}\n\n"
        );
    }
    server.add(&ldif);
    let directory = directory(&target(server.ldaps(), &server));
    let mut request = search("(objectClass=inetOrgPerson)", 500);
    let (mut seen, mut pages) = (std::collections::HashSet::new(), 0);
    let mut first = None;
    loop {
        let found = directory.search(&request, caller()).await.expect("a page");
        assert!(found.entries.len() <= 500);
        pages += 1;
        seen.extend(found.entries.into_iter().map(|entry| entry.dn));
        let Some(cursor) = found.cursor else { break };
        first.get_or_insert_with(|| cursor.clone());
        // Another operation between two pages disturbs nothing.
        directory
            .search(&search("(uid=u7)", 2), caller())
            .await
            .expect("another search");
        request.cursor = Some(cursor);
    }
    assert_eq!((seen.len(), pages), (2500, 5));

    let again = Search {
        cursor: first,
        ..request.clone()
    };
    assert!(matches!(
        directory.search(&again, caller()).await,
        Err(Error::ListingExpired)
    ));
    let forged = Search {
        cursor: Some(vec![0; 16]),
        ..request.clone()
    };
    assert!(matches!(
        directory.search(&forged, caller()).await,
        Err(Error::ListingExpired)
    ));
    let cursor = directory
        .search(
            &Search {
                cursor: None,
                ..request.clone()
            },
            caller(),
        )
        .await
        .expect("page")
        .cursor;
    let other = Search {
        cursor,
        filter: "(uid=*)".to_owned(),
        ..request.clone()
    };
    assert!(
        matches!(
            directory.search(&other, caller()).await,
            Err(Error::ListingExpired)
        ),
        "of another search"
    );

    // More listings than are kept: the oldest gives way.
    let mut cursors = Vec::new();
    for _ in 0..3 {
        let found = directory
            .search(
                &Search {
                    cursor: None,
                    ..request.clone()
                },
                caller(),
            )
            .await
            .expect("a page");
        cursors.push(found.cursor);
    }
    let oldest = Search {
        cursor: cursors.remove(0),
        ..request.clone()
    };
    assert!(matches!(
        directory.search(&oldest, caller()).await,
        Err(Error::ListingExpired)
    ));
    let newest = Search {
        cursor: cursors.remove(1),
        ..request.clone()
    };
    directory
        .search(&newest, caller())
        .await
        .expect("the newest is kept");
}

#[tokio::test]
async fn a_size_limit_and_an_answer_too_large_are_clear_errors() {
    let server = Slapd::start(Settings::default());
    let mut ldif = String::new();
    for i in 0..600 {
        let _ = write!(
            ldif,
            "dn: uid=u{i},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: u{i}\ncn: u{i}\nsn: u{i}\n\n"
        );
    }
    server.add(&ldif);
    let admin = directory(&target(server.ldaps(), &server));
    let small = Caller {
        max_answer: 4096,
        ..caller()
    };
    assert!(matches!(
        admin.search(&search("(uid=*)", 500), small).await,
        Err(Error::TooLarge(4096))
    ));
    admin
        .search(&search("(uid=u1)", 500), small)
        .await
        .expect("the pool is not harmed");

    let reader = LdapTarget {
        bind: simple("cn=reader,dc=example,dc=test", "reader"),
        ..target(server.ldaps(), &server)
    };
    let reader = directory(&reader);
    let mut request = search("(uid=*)", 200);
    let error = loop {
        match reader.search(&request, caller()).await {
            Ok(found) => request.cursor = Some(found.cursor.expect("there are 600")),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(4));
    assert!(error.to_string().contains("limits"), "{error}");
    let error = reader
        .write(&person("new"), caller())
        .await
        .expect_err("a reader");
    assert_eq!(error.code(), Some(50));
}

#[tokio::test]
async fn writes_are_done_and_their_results_told() {
    let server = Slapd::start(Settings::default());
    let directory = directory(&target(server.ldaps(), &server));
    let dn = format!("uid=ana,{PEOPLE}");
    directory
        .write(&person("ana"), caller())
        .await
        .expect("add");
    assert_eq!(
        directory
            .write(&person("ana"), caller())
            .await
            .expect_err("twice")
            .code(),
        Some(68)
    );
    let binary = vec![0_u8, 255, 13, 10];
    let changes = vec![
        Change::Replace("jpegPhoto".to_owned(), vec![binary.clone()]),
        Change::Add("mail".to_owned(), vec![b"a@x".to_vec(), b"b@x".to_vec()]),
    ];
    directory
        .write(&Write::Modify(dn.clone(), changes), caller())
        .await
        .expect("modify");
    let rename = Write::Rename {
        dn,
        rdn: "uid=anna".to_owned(),
        parent: None,
    };
    directory.write(&rename, caller()).await.expect("rename");
    let mut request = search("(uid=anna)", 2);
    request.attributes = vec!["jpegPhoto".to_owned(), "mail".to_owned(), "uid".to_owned()];
    let found = directory.search(&request, caller()).await.expect("found");
    let entry = &found.entries[0];
    assert_eq!(entry.dn, format!("uid=anna,{PEOPLE}"));
    let values = |name: &str| {
        entry
            .attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .unwrap_or_default()
    };
    assert_eq!(values("jpegPhoto"), [binary]);
    assert_eq!(values("uid"), [b"anna".to_vec()]);
    assert_eq!(values("mail").len(), 2);
    let gone = Write::Delete(format!("uid=anna,{PEOPLE}"));
    directory.write(&gone, caller()).await.expect("delete");
    assert_eq!(
        directory
            .write(&gone, caller())
            .await
            .expect_err("twice")
            .code(),
        Some(32)
    );
}

#[tokio::test]
async fn a_restarted_server_is_not_noticed_by_the_next_call() {
    let mut server = Slapd::start(Settings::default());
    let directory = directory(&target(server.ldaps(), &server));
    directory
        .search(&search("(uid=*)", 2), caller())
        .await
        .expect("before");
    server.restart();
    directory
        .write(&person("ana"), caller())
        .await
        .expect("a write heals");
    server.restart();
    assert_eq!(
        directory
            .search(&search("(uid=*)", 2), caller())
            .await
            .expect("a search heals")
            .entries
            .len(),
        1
    );
}

#[tokio::test]
async fn a_listing_over_a_restart_starts_over() {
    let mut server = Slapd::start(Settings::default());
    let directory = directory(&target(server.ldaps(), &server));
    for uid in ["a", "b", "c"] {
        directory.write(&person(uid), caller()).await.expect("add");
    }
    let mut request = search("(uid=*)", 1);
    request.cursor = directory
        .search(&request, caller())
        .await
        .expect("a page")
        .cursor;
    server.restart();
    assert!(matches!(
        directory.search(&request, caller()).await,
        Err(Error::ListingExpired)
    ));
}

#[tokio::test]
async fn callers_wait_for_a_connection_and_not_for_ever() {
    let server = Slapd::start(Settings::default());
    let directory = std::sync::Arc::new(directory(&LdapTarget {
        pool_size: 1,
        ..target(server.ldaps(), &server)
    }));
    let all = (0..20).map(|_| {
        let directory = std::sync::Arc::clone(&directory);
        tokio::spawn(async move {
            directory
                .search(&search("(uid=*)", 2), caller())
                .await
                .is_ok()
        })
    });
    for one in all.collect::<Vec<_>>() {
        assert!(one.await.expect("the task ends"), "queued calls are served");
    }
}

#[tokio::test]
async fn a_hostile_filter_is_refused_before_it_is_parsed() {
    let server = Slapd::start(Settings::default());
    let directory = directory(&target(server.ldaps(), &server));
    for filter in [
        "(!".repeat(20_000),
        "(uid=a))(uid=*".to_owned(),
        String::new(),
    ] {
        let error = directory
            .search(&search(&filter, 2), caller())
            .await
            .expect_err("refused");
        assert!(matches!(error, Error::Filter(_)), "{error}");
    }
}
