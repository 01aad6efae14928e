//! A web service on loopback that wants credentials of four kinds, and has a token endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Who signs in with a password.
pub const USER: &str = "svc";
/// The header of the API key.
pub const KEY_HEADER: &str = "X-Api-Key";

/// What opens which path.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `/basic`, for [`USER`].
    pub password: String,
    /// `/bearer`
    pub bearer: String,
    /// `/key`, in [`KEY_HEADER`].
    pub key: String,
    /// `/token` takes it in the body and gives `access` for it.
    pub client_secret: String,
    /// `/oauth`
    pub access: String,
}

/// The running service; it ends with this.
pub struct Guarded {
    port: u16,
    refusing: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Guarded {
    /// Starts it on a free port.
    pub async fn start(credentials: Credentials) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let refusing = Arc::new(AtomicBool::new(false));
        let refused = Arc::clone(&refusing);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (credentials, refused) = (credentials.clone(), Arc::clone(&refused));
                // A client that goes away misses its answer.
                tokio::spawn(async move { answer(stream, &credentials, &refused).await });
            }
        });
        Ok(Self {
            port,
            refusing,
            serving,
        })
    }

    /// Where it is.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// From now on no credential is good any more, and the answers say which it was, as careless services do.
    pub fn refuse(&self) {
        self.refusing.store(true, Ordering::SeqCst);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    credentials: &Credentials,
    refusing: &AtomicBool,
) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 64 << 10, "the head has no end");
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value).to_owned()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let (given, wanted) = match head.split(['/', ' ', '?']).nth(2).unwrap_or_default() {
        "basic" => {
            let pair = STANDARD.encode(format!("{USER}:{}", credentials.password));
            (header("authorization"), format!("Basic {pair}"))
        }
        "bearer" => (
            header("authorization"),
            format!("Bearer {}", credentials.bearer),
        ),
        "key" => (header(KEY_HEADER), credentials.key.clone()),
        "oauth" => (
            header("authorization"),
            format!("Bearer {}", credentials.access),
        ),
        "token" => {
            let wanted = format!("client_secret={}", credentials.client_secret);
            let given = body.split('&').find(|pair| **pair == wanted);
            (given.unwrap_or(&body).to_owned(), wanted)
        }
        _ => (String::new(), "nothing is here".to_owned()),
    };
    let (status, said) = if given != wanted || refusing.load(Ordering::SeqCst) {
        let said = serde_json::json!({ "error": "invalid_client", "error_description": given });
        (401, said)
    } else {
        let access = &credentials.access;
        let granted = head.starts_with("POST ").then_some(access);
        let said = serde_json::json!({ "access_token": granted, "token_type": "Bearer", "expires_in": 3600 });
        (200, said)
    };
    let said = said.to_string();
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
        said.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}
