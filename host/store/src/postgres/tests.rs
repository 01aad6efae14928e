//! The suite and the outages, against a real PostgreSQL.

mod proxy;
mod server;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Options, PostgresStore};
use crate::suite::{self, Bench, KillPlan, Outage};
use crate::{Commit, CommitError, Key, MAX_KEY, Store, StoreError};
use proxy::Proxy;
use server::Server;

impl Bench for Server {
    async fn open(&self) -> Arc<dyn Store> {
        self.alone().await;
        Arc::new(self.options().open().await.expect("the store opens"))
    }
}

async fn opened(server: &Server) -> Arc<dyn Store> {
    Arc::new(server.options().open().await.expect("the store opens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_passes_the_suite() {
    suite::all(&Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_hosts_see_one_order_also_where_the_database_is_serializable() {
    let server = Server::start().await;
    for round in 0..4 {
        if round == 2 {
            let strict = "ALTER DATABASE state SET default_transaction_isolation = 'serializable'";
            server.sql(strict).await;
        }
        let hosts = [
            opened(&server).await,
            opened(&server).await,
            opened(&server).await,
        ];
        suite::linearizable_under_concurrency(&hosts).await;
    }
}

const CHILD: &str = "TOMBOLO_STORE_KILL_URL";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_what_a_killed_host_was_told() {
    let server = Server::start().await;
    let url = server.url();
    let child = || {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args([
                "--exact",
                "postgres::tests::the_host_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, &url);
        command
    };
    let plan = KillPlan {
        rounds: 10,
        longest: Duration::from_millis(400),
    };
    suite::kill(&server, &plan, child).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test that kills it"]
async fn the_host_that_is_killed() {
    let Ok(url) = std::env::var(CHILD) else {
        return;
    };
    let options = server::options(&url);
    let store = Arc::new(options.open().await.expect("the store opens"));
    suite::work_until_killed(store).await;
}

/// SIGKILL of every process of the server, and a new one on the same data.
struct Kill(Server);

impl Outage for Kill {
    async fn strike(&mut self) {
        self.0.kill();
        self.0.spawn().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_in_mid_commit_loses_and_doubles_nothing() {
    let server = Server::start().await;
    let store = opened(&server).await;
    suite::keeps_its_word(store, Kill(server), 6).await;
}

/// The server ends every session of the host.
struct Terminate(Server);

impl Outage for Terminate {
    async fn strike(&mut self) {
        let all =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tombolo'";
        self.0.sql(all).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_are_ended_in_mid_commit_lose_and_double_nothing() {
    let server = Server::start().await;
    let store = opened(&server).await;
    suite::keeps_its_word(store, Terminate(server), 40).await;
}

/// The server is killed, and its replica takes over.
struct FailOver(Server, Server);

impl Outage for FailOver {
    async fn strike(&mut self) {
        self.0.kill();
        self.1.promote().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_takes_over_has_all_that_was_answered() {
    let primary = Server::start().await;
    let replica = primary.replica().await;
    let both = format!(
        "postgresql://tombolo@127.0.0.1:{},127.0.0.1:{}/state",
        primary.port(),
        replica.port()
    );
    let store = Arc::new(
        server::options(&both)
            .open()
            .await
            .expect("the store opens"),
    );
    suite::keeps_its_word(store, FailOver(primary, replica), 1).await;
}

/// The next `COMMIT` is lost on its way, or its answer.
struct Torn(Proxy, bool);

impl Outage for Torn {
    async fn strike(&mut self) {
        self.1 = !self.1;
        self.0.tear(self.1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.port()).await;
    let options = server::options(&server::url(proxy.port()));
    let store = Arc::new(options.open().await.expect("the store opens"));
    suite::keeps_its_word(store, Torn(proxy, false), 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_named_and_found_again() {
    let mut server = Server::start().await;
    let store = opened(&server).await;
    let commit = Commit::new().put("a", "1");
    store.commit(commit).await.expect("the commit goes through");
    server.kill();
    let asked = Instant::now();
    let error = store.get(b"a").await.expect_err("nobody is there");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "it says so at once"
    );
    let error = store
        .commit(Commit::new().put("a", "2"))
        .await
        .expect_err("nobody is there");
    let unwritten = matches!(error, CommitError::Store(StoreError::Unavailable { .. }));
    assert!(unwritten, "{error}");
    server.spawn().await;
    loop {
        match store.get(b"a").await {
            Ok(value) => break assert_eq!(value, Some(b"1".to_vec())),
            Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let commit = Commit::new().equals("a", "1").put("a", "3");
    store.commit(commit).await.expect("the commit goes through");
}

async fn refusal(options: Options) -> StoreError {
    let refused = options.open().await.map(|_: PostgresStore| ());
    refused.expect_err("it does not open")
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let server = Server::start().await;
    let error = refusal(server.options().password("wrong")).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("28P01"), "{error}");
    let nowhere = server::options("postgresql://tombolo@127.0.0.1:1/state");
    let error = refusal(nowhere).await;
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    drop(server.options().open().await.expect("the store opens"));
    server
        .sql("UPDATE \"of tests\".layout SET version = 99")
        .await;
    let error = refusal(server.options()).await;
    let newer = matches!(
        error,
        StoreError::Newer {
            found: 99,
            known: 1
        }
    );
    assert!(newer, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_as_long_as_an_index_takes_and_no_longer() {
    let server = Server::start().await;
    let store = opened(&server).await;
    // Nothing that compresses.
    let mut state = 1_u32;
    let key: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(MAX_KEY)
    .collect();
    let commit = Commit::new().absent(key.clone()).put(key.clone(), "1");
    store.commit(commit).await.expect("the commit goes through");
    let longer = [key.as_slice(), b"x"].concat();
    let error = store.commit(Commit::new().put(longer, "1")).await;
    let error = error.expect_err("too long");
    assert!(
        matches!(error, CommitError::Store(StoreError::LongKey { .. })),
        "{error}"
    );
    assert_eq!(store.count(&key[..100]).await.ok(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn marks_do_not_pile_up() {
    let server = Server::start().await;
    let store = opened(&server).await;
    for n in 0..50 {
        let commit = Commit::new().put(Key::of("n").number(n), "1");
        store.commit(commit).await.expect("the commit goes through");
    }
    let marks = server
        .sql("SELECT count(*)::text FROM \"of tests\".settled")
        .await;
    let marks: u32 = marks
        .first()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    assert!(marks <= 8, "{marks} marks of at most four writers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_hear_each_other_and_nobody_hears_himself() {
    let server = Server::start().await;
    let (one, two) = (opened(&server).await, opened(&server).await);
    let mut heard = [&one, &two].map(|store| store.announcements().expect("others may be there"));
    // Not heard before the sessions are there: told until it is.
    let news = async {
        loop {
            one.announce("turned".to_owned());
            let word = tokio::time::timeout(Duration::from_millis(200), heard[1].recv()).await;
            if let Ok(word) = word {
                return word.expect("it listens");
            }
        }
    };
    let word = tokio::time::timeout(Duration::from_secs(20), news).await;
    assert_eq!(&*word.expect("heard in the end"), "turned");
    two.announce("back".to_owned());
    let word = tokio::time::timeout(Duration::from_secs(20), heard[0].recv()).await;
    // The first word that the first one hears is not its own.
    assert_eq!(&*word.expect("soon").expect("it listens"), "back");
}
