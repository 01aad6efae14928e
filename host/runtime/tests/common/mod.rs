//! Guests, built once, and the smallest app around them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod log;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use tombolo_runtime::contract::{Entry, Scalar, Value as Held};
use tombolo_runtime::{
    AppSpec, Call, CallError, Component, Connector, Limits, Options, Reuse, Runtime, state,
};

/// What the guest must never get out.
pub const SECRET: &str = "open-sesame/+42";

/// The guests' files.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--target",
            "wasm32-wasip2",
        ])
        .current_dir(guests)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success(), "the guests do not build");
    target.join("wasm32-wasip2/release")
});

pub fn guest(name: &str) -> Vec<u8> {
    std::fs::read(BUILT.join(format!("guest_{name}.wasm"))).unwrap()
}

/// A runtime that remembers what it compiled, so that each test compiles nothing.
pub fn runtime() -> Runtime {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Runtime::new(Options {
        cache: Some(cache),
        ..Options::default()
    })
    .unwrap()
}

pub fn spec(app: &str) -> AppSpec {
    AppSpec {
        app: app.to_owned(),
        settings: json!({}),
        targets: std::collections::BTreeMap::new(),
        secrets: [("api-key".to_owned(), SECRET.into())].into(),
        directories: Vec::new(),
        state: Arc::new(state::Memory::default()),
        limits: Limits::default(),
        reuse: Reuse::Warm,
    }
}

pub fn with_settings(settings: Value) -> AppSpec {
    AppSpec {
        settings,
        ..spec("app")
    }
}

pub fn with_limits(limits: Limits) -> AppSpec {
    AppSpec {
        limits,
        ..spec("app")
    }
}

/// A runtime, the misbehaving connector as the spec says, and a well-behaved neighbour.
pub struct Street {
    pub runtime: Runtime,
    pub hostile: Connector,
    pub neighbour: Connector,
}

pub async fn hostile(runtime: &Runtime) -> Arc<Component> {
    runtime.load("hostile", guest("hostile")).await.unwrap()
}

pub async fn null(runtime: &Runtime) -> Arc<Component> {
    runtime.load("null", guest("null")).await.unwrap()
}

pub async fn street(spec_of_hostile: AppSpec) -> Street {
    let runtime = runtime();
    let component = hostile(&runtime).await;
    let hostile = runtime.bind(&component, spec_of_hostile).await.unwrap();
    let neighbour = runtime
        .bind(&null(&runtime).await, spec("neighbour"))
        .await
        .unwrap();
    Street {
        runtime,
        hostile,
        neighbour,
    }
}

pub fn call() -> Call {
    within(Duration::from_secs(60))
}

pub fn within(time: Duration) -> Call {
    Call {
        request_id: "request-1".to_owned(),
        deadline: tokio::time::Instant::now() + time,
    }
}

pub fn answer(entry: &Entry) -> &str {
    match &entry.attributes[0].values[0] {
        Held::Simple(Scalar::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

impl Street {
    /// What the misbehaviour comes to.
    pub async fn provoke(&self, kind: &str, argument: &str) -> Result<String, CallError> {
        self.hostile
            .get(&call(), kind, argument, &[])
            .await
            .map(|entry| answer(&entry).to_owned())
    }

    /// Misbehaves, and proves meanwhile and afterwards that nobody else feels it. Answers the fault.
    pub async fn fault(&self, kind: &str) -> CallError {
        let neighbour = self.neighbour.clone();
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let watch = tokio::spawn(async move {
            let (mut calls, mut worst) = (0_u32, Duration::ZERO);
            loop {
                let began = std::time::Instant::now();
                let entry = neighbour.get(&call(), "user", "ada", &[]).await.unwrap();
                worst = worst.max(began.elapsed());
                calls += 1;
                assert_eq!(answer(&entry), "ada");
                if stopped.try_recv().is_ok() {
                    return (calls, worst);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let outcome = self.provoke(kind, "x").await;
        let _ = stop.send(());
        let (calls, worst) = watch.await.unwrap();
        assert!(
            calls > 0 && worst < Duration::from_secs(2),
            "the neighbour waited {worst:?} in {calls} calls"
        );
        // The next caller meets a sound instance.
        assert_eq!(self.provoke("entry", "x").await.unwrap(), "entry");
        outcome.expect_err("this misbehaviour has to fail")
    }
}
