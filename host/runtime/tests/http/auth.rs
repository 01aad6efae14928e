//! Credentials: the host signs, a guest can neither override nor see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tombolo_runtime::{HttpAuth, HttpTarget, OAuthClient, TokenRequest};

use crate::common::SECRET;
use crate::web::{Web, answer, ok};
use crate::{basic, hr, send, target, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_signs_and_a_guest_can_neither_override_nor_see_it() {
    let web = Web::start(|_| answer(200, &[("set-cookie", "session=1")], "x")).await;
    let key = HttpAuth::ApiKey {
        header: "X-Api-Key".to_owned(),
        value: "key-99".into(),
    };
    let bearer = HttpAuth::Bearer {
        token: "token-88".into(),
    };
    let signed = [
        (basic(), "authorization", "Basic c3ZjOnBhc3Mtd29yZC03Nw=="),
        (bearer, "authorization", "Bearer token-88"),
        (key, "x-api-key", "key-99"),
    ];
    for (number, (auth, name, value)) in signed.into_iter().enumerate() {
        let connector = hr(HttpTarget {
            auth,
            ..target(&web.url())
        })
        .await;
        assert_eq!(
            send(&connector, "GET hr /").await,
            "200\ncontent-length: 1\n\nx"
        );
        let seen = web.seen().pop().unwrap();
        assert_eq!(seen.header(name), Some(value));
        for header in [
            &*format!("{name}: mine"),
            "Authorization: mine",
            "cookie: a=b",
        ] {
            let refused = told(&connector, "http", "GET hr /", &[header]).await;
            assert_eq!(refused, "error: HttpError::Denied", "{header}");
        }
        assert_eq!(web.seen().len(), number + 1);
        // Nothing of it lies in the guest, after a request that was signed with it.
        for secret in [
            "pass-word-77",
            "c3ZjOnBhc3Mtd29yZC03Nw",
            "token-88",
            "key-99",
        ] {
            let shifted: String = secret.bytes().map(|b| char::from(b + 1)).collect();
            assert_eq!(
                told(&connector, "memory", &shifted, &[]).await,
                "0",
                "{secret}"
            );
        }
        // The search finds what is there: the answer's header.
        assert_ne!(told(&connector, "memory", "dpoufou.mfohui", &[]).await, "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_becomes_its_secret_where_the_guest_signs() {
    let web = Web::start(|_| answer(200, &[("set-cookie", "session=1")], "x")).await;
    let connector = hr(target(&web.url())).await;
    let headers = [
        "authorization: secret Token api-key",
        "x-key: secret  api-key",
        "cookie: a=b",
    ];
    let answer = told(&connector, "http", "GET hr /", &headers).await;
    assert!(answer.contains("set-cookie: session=1"), "{answer}");
    let seen = web.seen().pop().unwrap();
    assert_eq!(
        seen.header("authorization"),
        Some(&*format!("Token {SECRET}"))
    );
    assert_eq!(seen.header("x-key"), Some(SECRET));
    assert_eq!(seen.header("cookie"), Some("a=b"));
}

/// A token endpoint that gives `token-1`, `token-2`, … for so many seconds.
pub(crate) async fn issuer(lasts: u64, given: &Arc<AtomicUsize>) -> Web {
    let given = Arc::clone(given);
    Web::start(move |_| {
        let number = given.fetch_add(1, SeqCst) + 1;
        let token = format!(
            r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{lasts}}}"#
        );
        answer(200, &[("content-type", "application/json")], token)
    })
    .await
}

pub(crate) fn client(issuer: &Web, request: TokenRequest) -> HttpAuth {
    HttpAuth::OAuth(OAuthClient {
        token_url: format!("{}/oauth2/token", issuer.url()),
        client_id: "app one".to_owned(),
        client_secret: "s3cret:/+&".into(),
        scope: "read write".to_owned(),
        request,
        ca: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_token_is_fetched_once_and_renewed_when_the_target_refuses_it() {
    let given = Arc::new(AtomicUsize::new(0));
    let issuer = issuer(3600, &given).await;
    let good = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&good);
    let web = Web::start(move |seen| {
        let wanted = format!("Bearer token-{}", now.load(SeqCst));
        if seen.header("authorization") == Some(&wanted) {
            ok("x")
        } else {
            answer(401, &[], "no")
        }
    })
    .await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Basic),
        ..target(&web.url())
    })
    .await;
    for _ in 0..3 {
        assert!(send(&connector, "GET hr /").await.starts_with("200"));
    }
    assert_eq!(given.load(SeqCst), 1);
    let asked = issuer.seen().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/oauth2/token")
    );
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write");
    // base64("app+one:s3cret%3A%2F%2B%26")
    let pair = "Basic YXBwK29uZTpzM2NyZXQlM0ElMkYlMkIlMjY=";
    assert_eq!(asked.header("authorization"), Some(pair));
    // Revoked: one more token, and the request again, even a POST.
    good.store(2, SeqCst);
    assert!(send(&connector, "POST hr /\nx").await.starts_with("200"));
    assert_eq!((given.load(SeqCst), web.seen().len()), (2, 5));
    // Refused for another reason: once more, and then the guest is told.
    good.store(99, SeqCst);
    assert!(send(&connector, "GET hr /").await.starts_with("401"));
    assert_eq!((given.load(SeqCst), web.seen().len()), (3, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_token_that_has_ended_is_not_used() {
    let given = Arc::new(AtomicUsize::new(0));
    let issuer = issuer(0, &given).await;
    let web = Web::start(|_| ok("x")).await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Body),
        ..target(&web.url())
    })
    .await;
    for _ in 0..2 {
        assert!(send(&connector, "GET hr /").await.starts_with("200"));
    }
    let seen = web.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer token-1"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer token-2"));
    let body = &issuer.seen()[0].body;
    assert!(
        body.ends_with("client_id=app+one&client_secret=s3cret%3A%2F%2B%26"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_endpoint_that_refuses_is_named_and_its_words_are_not() {
    let issuer = Web::start(|seen| {
        answer(
            401,
            &[],
            format!(
                r#"{{"error":"invalid_client","error_description":"{}"}}"#,
                seen.body
            ),
        )
    })
    .await;
    let web = Web::start(|_| ok("x")).await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Body),
        ..target(&web.url())
    })
    .await;
    let error = send(&connector, "GET hr /").await;
    assert!(
        error.contains("invalid_client") && error.contains("client-secret"),
        "{error}"
    );
    assert!(
        !error.contains("s3cret") && !error.contains("127.0.0.1"),
        "{error}"
    );
    assert!(web.seen().is_empty());
}
