//! What goes beyond search and writes: certificates, order, windows, passwords, questions, changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::slapd::{ADMIN, PASSWORD, Settings, Slapd};
use super::{PEOPLE, caller, directory, person, search, simple, target};
use crate::app::{ClientIdentity, LdapBind, LdapTarget, Referrals};
use crate::capability::ldap::client::{Caller, Directory};
use crate::capability::ldap::error::Error;
use crate::capability::ldap::operation::{Answer, Passwords, Question, Write};
use crate::capability::ldap::search::{Part, Place, Position, Search, SortKey};
use crate::capability::ldap::sync::{Batch, Deletions, Kind, Method, Poll, Start};

const SUFFIX: &str = "dc=example,dc=test";

fn people(server: &Slapd, from: usize, to: usize) {
    let mut ldif = String::new();
    for i in from..to {
        let _ = write!(
            ldif,
            "dn: uid=u{i:04},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: u{i:04}\ncn: u{i:04}\nsn: s{:04}\n\n",
            9999 - i
        );
    }
    server.add(&ldif);
}

async fn whoami(directory: &Directory) -> Result<Answer, Error> {
    directory.ask(&Question::WhoAmI, caller()).await
}

fn identity(name: &str) -> Answer {
    Answer::Identity(format!("dn:cn={name},{SUFFIX}"))
}

#[tokio::test]
async fn a_certificate_signs_in_over_ldaps_and_start_tls() {
    let server = Slapd::start(Settings::default());
    let (certificate, key) = server.client("reader");
    let shown = LdapTarget {
        identity: Some(ClientIdentity {
            certificate,
            key: key.into(),
        }),
        bind: LdapBind::External,
        ..target(server.ldaps(), &server)
    };
    let upgraded = LdapTarget {
        url: server.ldap(),
        start_tls: true,
        ..shown.clone()
    };
    for target in [&shown, &upgraded] {
        let answer = whoami(&directory(target)).await.expect("external");
        assert_eq!(answer, identity("reader"));
    }
    // Shown and not bound with: the password counts.
    let both = LdapTarget {
        bind: simple(ADMIN, PASSWORD),
        ..shown.clone()
    };
    let answer = whoami(&directory(&both)).await.expect("simple");
    assert_eq!(answer, identity("admin"));

    // A certificate of somebody else's authority is nobody's, and the error says where to look.
    let stranger = Slapd::start(Settings::default());
    let (certificate, key) = stranger.client("reader");
    let wrong = LdapTarget {
        identity: Some(ClientIdentity {
            certificate,
            key: key.into(),
        }),
        ..shown
    };
    let error = whoami(&directory(&wrong)).await.expect_err("a stranger");
    assert!(error.to_string().contains("client-certificate"), "{error}");
}

#[tokio::test]
async fn the_server_sorts_and_pages_keep_the_order() {
    let server = Slapd::start(Settings {
        sorted: true,
        ..Settings::default()
    });
    people(&server, 0, 25);
    let directory = directory(&target(server.ldaps(), &server));
    let by = |attribute: &str, descending| SortKey {
        attribute: attribute.to_owned(),
        // OpenLDAP knows no order of its own for names.
        rule: Some("caseIgnoreOrderingMatch".to_owned()),
        descending,
    };
    for (key, first) in [
        (by("sn", false), "u0024"),
        (by("sn", true), "u0000"),
        (by("uid", true), "u0024"),
    ] {
        let mut request = Search {
            sort: vec![key],
            ..search("(uid=*)", 10)
        };
        let mut seen = Vec::new();
        loop {
            let found = directory.search(&request, caller()).await.expect("a page");
            seen.extend(found.entries.into_iter().map(|entry| entry.dn));
            request.cursor = found.cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 25);
        assert_eq!(seen[0], format!("uid={first},{PEOPLE}"));
        assert!(
            seen.is_sorted() || seen.iter().rev().is_sorted(),
            "{seen:?}"
        );
    }
    let unsortable = Search {
        sort: vec![by("shoeSize", false)],
        ..search("(uid=*)", 10)
    };
    let error = directory
        .search(&unsortable, caller())
        .await
        .expect_err("no such attribute");
    assert!(error.code().is_some(), "{error}");
}

#[tokio::test]
async fn a_window_opens_anywhere_in_a_long_list() {
    let server = Slapd::start(Settings {
        sorted: true,
        ..Settings::default()
    });
    people(&server, 0, 100);
    let directory = directory(&target(server.ldaps(), &server));
    let window = |at, before, after| Search {
        part: Part::Window { at, before, after },
        sort: vec![SortKey {
            attribute: "uid".to_owned(),
            rule: Some("2.5.13.3".to_owned()),
            descending: false,
        }],
        ..search("(uid=*)", 0)
    };
    let names = |dns: Vec<crate::capability::ldap::entry::Entry>| {
        let name = |dn: &str| dn[4..9].to_owned();
        dns.iter().map(|entry| name(&entry.dn)).collect::<Vec<_>>()
    };
    let mut cursor = None;
    // More of them than the server keeps sorted lists, with the list of the last one and without.
    for turn in 0..12 {
        let mut request = window(Place::Offset(50), 1, 2);
        request.cursor = cursor.filter(|_| turn % 2 == 0);
        let found = directory
            .search(&request, caller())
            .await
            .expect("a window");
        let position = found.position.expect("a position");
        assert_eq!((position.offset, position.total), (50, 100));
        assert_eq!(names(found.entries), ["u0048", "u0049", "u0050", "u0051"]);
        cursor = found.cursor;
    }
    let mut request = window(Place::AtLeast(b"u0095".to_vec()), 0, 9);
    request.cursor = Some(vec![7; 16]);
    let found = directory.search(&request, caller()).await.expect("afresh");
    assert_eq!(
        found.position,
        Some(Position {
            offset: 96,
            total: 100
        })
    );
    assert_eq!(names(found.entries).len(), 5);
}

#[tokio::test]
async fn names_come_without_values_and_a_root_dse_says_what_a_server_can() {
    let server = Slapd::start(Settings::default());
    people(&server, 0, 1);
    let directory = directory(&target(server.ldaps(), &server));
    let request = Search {
        types_only: true,
        attributes: Vec::new(),
        ..search("(uid=u0000)", 2)
    };
    let found = directory.search(&request, caller()).await.expect("names");
    let names: BTreeMap<_, _> = found.entries[0].attributes.iter().cloned().collect();
    assert_eq!(names.get("sn"), Some(&Vec::new()));
}

#[tokio::test]
async fn questions_are_answered() {
    let server = Slapd::start(Settings::default());
    people(&server, 0, 1);
    let directory = directory(&target(server.ldaps(), &server));
    assert_eq!(whoami(&directory).await.expect("whoami"), identity("admin"));
    let compare = |value: &str, attribute: &str| Question::Compare {
        dn: format!("uid=u0000,{PEOPLE}"),
        attribute: attribute.to_owned(),
        value: value.as_bytes().to_vec(),
    };
    for (value, same) in [("U0000", true), ("u0001", false)] {
        let answer = directory.ask(&compare(value, "cn"), caller()).await;
        assert_eq!(answer.expect("an answer"), Answer::Compared(same));
    }
    let error = directory
        .ask(&compare("x", "mail"), caller())
        .await
        .expect_err("it has none");
    assert_eq!(error.code(), Some(16));
    let anonymous = LdapTarget {
        bind: LdapBind::Anonymous,
        ..target(server.ldaps(), &server)
    };
    let nobody = whoami(&super::directory(&anonymous)).await.expect("nobody");
    assert_eq!(nobody, Answer::Identity(String::new()));
}

#[tokio::test]
async fn a_password_is_set_and_changed_by_the_server() {
    let server = Slapd::start(Settings::default());
    people(&server, 0, 1);
    let admin = directory(&target(server.ldaps(), &server));
    let dn = format!("uid=u0000,{PEOPLE}");
    let password = |new: &str, old: Option<&str>| {
        let passwords = Passwords {
            new: new.to_owned().into(),
            old: old.map(|old| old.to_owned().into()),
        };
        Write::Password(dn.clone(), passwords)
    };
    admin
        .write(&password("first+1", None), caller())
        .await
        .expect("set");
    assert!(server.accepts(&dn, "first+1"));
    let own = directory(&LdapTarget {
        bind: simple(&dn, "first+1"),
        ..target(server.ldaps(), &server)
    });
    let error = own
        .write(&password("second+2", Some("wrong-hush")), caller())
        .await
        .expect_err("the wrong old one");
    assert!(
        error.code().is_some() && !error.to_string().contains("hush"),
        "{error}"
    );
    own.write(&password("second+2", Some("first+1")), caller())
        .await
        .expect("changed");
    assert!(server.accepts(&dn, "second+2") && !server.accepts(&dn, "first+1"));

    let unicode = |url: String| {
        let passwords = Passwords {
            new: "x".to_owned().into(),
            old: None,
        };
        let write = Write::UnicodePwd(dn.clone(), passwords, Vec::new());
        let directory = directory(&target(url, &server));
        async move { directory.write(&write, caller()).await }
    };
    let plain = unicode(server.ldap()).await.expect_err("not over TLS");
    assert!(matches!(plain, Error::Unprotected), "{plain}");
    // OpenLDAP has no such attribute, which it says of what it was sent.
    let error = unicode(server.ldaps())
        .await
        .expect_err("no such attribute");
    assert_eq!(error.code(), Some(17));
}

#[tokio::test]
async fn referrals_are_passed_over_or_told_and_never_followed() {
    let server = Slapd::start(Settings::default());
    people(&server, 0, 2);
    server.add(&format!(
        "dn: ou=elsewhere,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: ldap://other.example.test/ou=elsewhere,dc=other\n"
    ));
    let silent = directory(&target(server.ldaps(), &server));
    let found = silent.search(&search("(objectClass=*)", 9), caller()).await;
    assert_eq!(found.expect("passed over").entries.len(), 2);
    let telling = directory(&LdapTarget {
        referrals: Referrals::Error,
        ..target(server.ldaps(), &server)
    });
    let inside = Write::Delete(format!("ou=elsewhere,{PEOPLE}"));
    for (directory, told) in [(&silent, false), (&telling, true)] {
        let error = directory.write(&inside, caller()).await.expect_err("10");
        assert_eq!(error.code(), Some(10));
        assert_eq!(
            error.to_string().contains("other.example.test"),
            told,
            "{error}"
        );
    }
    let error = telling
        .search(&search("(objectClass=*)", 9), caller())
        .await
        .expect_err("told");
    assert_eq!(error.code(), Some(10));
    assert!(
        error.to_string().contains("ldap://other.example.test/"),
        "{error}"
    );
    telling
        .search(&search("(uid=u0001)", 9), caller())
        .await
        .expect_err("whatever the filter, the referral is in scope");
}

fn poll(start: Start, limit: u32) -> Poll {
    Poll {
        base: PEOPLE.to_owned(),
        scope: crate::capability::ldap::search::Scope::Subtree,
        filter: "(objectClass=inetOrgPerson)".to_owned(),
        attributes: vec!["uid".to_owned()],
        method: Method::Syncrepl,
        start,
        limit,
    }
}

/// A whole round: each change by the name or, of what is gone, the id; and how it ends.
async fn round(
    directory: &Directory,
    mut start: Start,
    limit: u32,
) -> (Vec<(Kind, String)>, Vec<u8>, Deletions) {
    let mut all = Vec::new();
    for turn in 0.. {
        let answer = directory
            .poll(&poll(start, limit), caller())
            .await
            .expect("changes");
        assert_eq!(answer.begins, turn == 0);
        assert!(limit == 0 || answer.changes.len() <= limit as usize);
        all.extend(answer.changes.into_iter().map(|change| {
            let name = change.entry.filter(|_| change.kind != Kind::Deleted);
            let name = name.map(|entry| entry.dn[4..9].to_owned());
            (change.kind, name.unwrap_or(change.id))
        }));
        if let Some(ends) = answer.ends {
            return (all, answer.cookie, ends);
        }
        start = Start::After(answer.cookie);
    }
    unreachable!()
}

fn id(server: &Slapd, uid: &str) -> String {
    let ldif = server.search(PEOPLE, &format!("(uid={uid})"), &["entryUUID"]);
    let found = ldif
        .lines()
        .find_map(|line| line.strip_prefix("entryUUID: "));
    found.expect("an id").to_owned()
}

#[tokio::test]
async fn syncrepl_tells_what_has_changed_and_what_is_gone() {
    let server = Slapd::start(Settings {
        sync: Some(1000),
        ..Settings::default()
    });
    people(&server, 0, 30);
    let directory = directory(&target(server.ldaps(), &server));
    let (content, cookie, _) = round(&directory, Start::Content, 7).await;
    assert_eq!(content.len(), 30);
    assert!(content.iter().all(|(kind, _)| *kind == Kind::Added));

    let answer = directory
        .poll(&poll(Start::Now, 0), caller())
        .await
        .expect("now");
    assert!(answer.changes.is_empty() && answer.ends == Some(Deletions::Told));

    let gone = id(&server, "u0003");
    server.modify(&format!("dn: uid=u0003,{PEOPLE}\nchangetype: delete\n\ndn: uid=u0005,{PEOPLE}\nchangetype: modify\nreplace: mail\nmail: a@b\n"));
    people(&server, 30, 31);
    for (cookie, limit) in [(cookie, 2), (answer.cookie, 0)] {
        let (mut changes, next, ends) = round(&directory, Start::After(cookie), limit).await;
        changes.sort_by(|(_, a), (_, b)| a.cmp(b));
        changes.retain(|(kind, _)| *kind != Kind::Deleted);
        assert_eq!(
            changes,
            [
                (Kind::Added, "u0005".to_owned()),
                (Kind::Added, "u0030".to_owned())
            ]
        );
        assert_eq!(ends, Deletions::Told);
        let (nothing, _, _) = round(&directory, Start::After(next), 0).await;
        assert!(nothing.is_empty(), "{nothing:?}");
    }
    let (_, cookie, _) = round(&directory, Start::Now, 0).await;
    server.modify(&format!("dn: uid=u0006,{PEOPLE}\nchangetype: delete\n"));
    let (changes, ..) = round(&directory, Start::After(cookie), 0).await;
    assert!(
        changes
            .iter()
            .all(|(kind, id)| *kind == Kind::Deleted && *id != gone),
        "{changes:?}"
    );
    assert_eq!(changes.len(), 1);
}

#[tokio::test]
async fn a_server_that_forgets_names_all_that_is_there() {
    let server = Slapd::start(Settings {
        sync: Some(0),
        ..Settings::default()
    });
    people(&server, 0, 300);
    let directory = directory(&target(server.ldaps(), &server));
    let (_, cookie, _) = round(&directory, Start::Now, 0).await;
    let (stays, gone) = (id(&server, "u0200"), id(&server, "u0003"));
    server.modify(&format!("dn: uid=u0003,{PEOPLE}\nchangetype: delete\n"));
    people(&server, 300, 301);
    let (changes, _, ends) = round(&directory, Start::After(cookie), 50).await;
    assert_eq!(ends, Deletions::Implied);
    let added = changes.iter().filter(|(kind, _)| *kind == Kind::Added);
    assert_eq!(added.count(), 1);
    let present = |id: String| changes.contains(&(Kind::Present, id));
    assert!(present(stays) && !present(gone));
    // The new one may be among them, too.
    assert!((300..=301).contains(&changes.len()), "{}", changes.len());
}

#[tokio::test]
async fn a_round_that_was_lost_begins_again() {
    let mut server = Slapd::start(Settings {
        sync: Some(1000),
        ..Settings::default()
    });
    people(&server, 0, 20);
    let near = directory(&target(server.ldaps(), &server));
    let first = near
        .poll(&poll(Start::Content, 5), caller())
        .await
        .expect("a part");
    assert!(first.begins && first.ends.is_none() && first.changes.len() == 5);
    // Another host has the cookie and not the round.
    let far = directory(&target(server.ldaps(), &server));
    let after = |answer: &Batch| poll(Start::After(answer.cookie.clone()), 100);
    let all = far.poll(&after(&first), caller()).await.expect("all of it");
    assert!(all.begins && all.changes.len() == 20);
    server.restart();
    let again = near
        .poll(&after(&first), caller())
        .await
        .expect("all of it");
    assert!(again.changes.len() == 15 || again.changes.len() == 20);

    let mut other = after(&all);
    other.filter = "(uid=*)".to_owned();
    let refused = near.poll(&other, caller()).await;
    assert!(matches!(refused, Err(Error::Cookie)), "another filter's");
    let forged = poll(Start::After(b"rid=000".to_vec()), 5);
    assert!(matches!(
        near.poll(&forged, caller()).await,
        Err(Error::Cookie)
    ));
}

#[tokio::test]
async fn a_server_without_the_overlay_says_that_it_cannot() {
    let server = Slapd::start(Settings::default());
    let directory = directory(&target(server.ldaps(), &server));
    let error = directory
        .poll(&poll(Start::Content, 5), caller())
        .await
        .expect_err("no syncprov");
    assert_eq!(error.code(), Some(12), "{error}");
    directory
        .write(&person("ana"), caller())
        .await
        .expect("unharmed");
}

#[tokio::test]
async fn an_answer_is_bounded_by_bytes_and_the_rest_comes_next() {
    let server = Slapd::start(Settings {
        sync: Some(10),
        ..Settings::default()
    });
    people(&server, 0, 60);
    let directory = directory(&target(server.ldaps(), &server));
    let small = Caller {
        max_answer: 2048,
        ..caller()
    };
    let (mut seen, mut start) = (0, Start::Content);
    loop {
        let answer = directory
            .poll(&poll(start, 0), small)
            .await
            .expect("a part");
        seen += answer.changes.len();
        if answer.ends.is_some() {
            break;
        }
        start = Start::After(answer.cookie);
    }
    assert_eq!(seen, 60);
}
