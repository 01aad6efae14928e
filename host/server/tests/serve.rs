//! The binary itself: `init`, `serve`, SCIM over HTTP, changes of files under way, and its end.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

struct Host {
    child: Child,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tombolo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tombolo"))
}

fn init(dir: &Path) -> Value {
    let made = tombolo()
        .args(["init", "--output", "json"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    serde_json::from_slice(&made.stdout).unwrap()
}

fn serve(dir: &Path) -> Host {
    let facts = init(dir);
    let mut child = tombolo()
        .arg("serve")
        .arg(dir)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .expect(&line)
        .to_owned();
    let _ = rustls::crypto::ring::default_provider().install_default();
    Host {
        child,
        url,
        token: facts["token"].as_str().unwrap().to_owned(),
        http: reqwest::Client::new(),
    }
}

impl Host {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/apps/demo/scim/v2{path}", self.url);
        let mut request = self
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json; charset=utf-8")
                .body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status != 204 {
            assert_eq!(answer.headers()["content-type"], "application/scim+json");
        }
        (
            status,
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null),
        )
    }

    async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..200 {
            last = self
                .http
                .get(format!("{}/readyz", self.url))
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            if fits(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {what}: {last}")
    }

    fn terminate(&mut self) -> std::process::ExitStatus {
        let sent = Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

fn person(name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true, "displayName": name })
}

#[tokio::test]
async fn a_person_is_created_found_changed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = serve(dir.path());
    let (status, made) = host
        .ask("POST", "/Users", Some(person("ana@example.org")))
        .await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let location = made["meta"]["location"].as_str().unwrap();
    assert!(
        location.starts_with(&host.url) && location.ends_with(id),
        "{location}"
    );
    assert_eq!(
        host.ask("POST", "/Users", Some(person("ana@example.org")))
            .await
            .0,
        409
    );
    let (status, found) = host
        .ask(
            "GET",
            "//users/?filter=userName+eq+%22ANA@example.org%22&aadOptscim062020",
            None,
        )
        .await;
    assert_eq!(
        (status, found["totalResults"].as_u64()),
        (200, Some(1)),
        "{found}"
    );
    let (status, none) = host
        .ask("GET", "/Users?filter=PLACEHOLDER+eq+%22x%22", None)
        .await;
    assert_eq!(
        (status, none["totalResults"].as_u64()),
        (200, Some(0)),
        "{none}"
    );
    let patch = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "Replace", "path": "active", "value": "False" }] });
    let (status, changed) = host
        .ask("PATCH", &format!("/Users/{id}"), Some(patch))
        .await;
    assert_eq!(
        (status, changed["active"].as_bool()),
        (200, Some(false)),
        "{changed}"
    );
    let (status, read) = host
        .ask("GET", &format!("/Users/{id}?attributes=userName"), None)
        .await;
    assert_eq!(
        (status, read["userName"].as_str(), read.get("active")),
        (200, Some("ana@example.org"), None)
    );
    assert_eq!(
        host.ask("DELETE", &format!("/Users/{id}"), None).await.0,
        204
    );
    let (status, gone) = host.ask("GET", &format!("/Users/{id}"), None).await;
    assert_eq!((status, gone["status"].as_str()), (404, Some("404")));
    assert!(host.terminate().success());
}

#[tokio::test]
async fn what_is_no_scim_request_is_refused_in_scims_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = serve(dir.path());
    assert_eq!(host.ask("GET", "/Nothing", None).await.0, 404);
    assert_eq!(host.ask("PUT", "/Users", Some(json!({}))).await.0, 405);
    assert_eq!(host.ask("GET", "/Me", None).await.0, 501);
    assert_eq!(host.ask("POST", "/Bulk", Some(json!({}))).await.0, 400);
    assert_eq!(host.ask("GET", "/Schemas?filter=a+eq+1", None).await.0, 403);
    for path in [
        "/Schemas",
        "/ResourceTypes",
        "/ServiceProviderConfig",
        "/ResourceTypes/User",
    ] {
        assert_eq!(host.ask("GET", path, None).await.0, 200, "{path}");
    }
    let base = format!("{}/apps/demo/scim/v2/Users", host.url);
    let unsigned = host.http.get(&base).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    assert!(
        unsigned.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    assert_eq!(
        unsigned.json::<Value>().await.unwrap()["schemas"][0],
        "urn:ietf:params:scim:api:messages:2.0:Error"
    );
    let xml = host
        .http
        .post(&base)
        .bearer_auth(&host.token)
        .header("content-type", "text/xml")
        .body("<a/>");
    assert_eq!(xml.send().await.unwrap().status(), 415);
    let large = host
        .http
        .post(&base)
        .bearer_auth(&host.token)
        .body(vec![b' '; 5 << 20]);
    let large = large.send().await.unwrap();
    assert_eq!(large.status(), 413);
    assert_eq!(
        large.headers()["connection"],
        "close",
        "the unread body is in the way of the next request"
    );
    let other = host
        .http
        .get(format!("{}/apps/other/scim/v2/Users", host.url))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 404);
    assert!(host.terminate().success());
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_a_removed_one_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let host = serve(dir.path());
    let state = |ready: &Value| {
        ready["apps"][0]["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    host.until("serving", |ready| state(ready) == "serving")
        .await;
    let file = dir.path().join("apps/demo.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("connector =", "conector =")).unwrap();
    let after = host.until("stale", |ready| state(ready) == "stale").await;
    assert!(
        after["apps"][0]["problems"]
            .to_string()
            .contains("apps/demo.toml:2:1"),
        "{after}"
    );
    assert_eq!(host.ask("GET", "/Users", None).await.0, 200);
    let listed = tombolo()
        .args(["app", "list"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("serving the old revision"));
    std::fs::write(&file, &good).unwrap();
    host.until("serving again", |ready| state(ready) == "serving")
        .await;
    let wasm = dir.path().join("connectors/csv.wasm");
    let bytes = std::fs::read(&wasm).unwrap();
    std::fs::remove_file(&wasm).unwrap();
    host.until("failed", |ready| state(ready) == "failed").await;
    assert_eq!(host.ask("GET", "/Users", None).await.0, 503);
    std::fs::write(&wasm, bytes).unwrap();
    host.until("serving with its connector back", |ready| {
        state(ready) == "serving"
    })
    .await;
    assert_eq!(host.ask("GET", "/Users", None).await.0, 200);
    std::fs::remove_file(&file).unwrap();
    host.until("gone", |ready| {
        ready["apps"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    assert_eq!(host.ask("GET", "/Users", None).await.0, 404);
}
