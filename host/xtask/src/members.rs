//! What members cost while their group grows: nothing of it may grow with the group that need not.
//!
//! Against a connector that does nothing, so that what is measured is the host.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::apps;
use tombolo_tests::build::guest;
use tombolo_tests::host::{Directory, Host, Start, cpu_of};
use tombolo_tests::load::Crowd;
use tombolo_tests::people::GROUP;
use tombolo_tests::scim::{Reply, Scim, encode, patch_op};

use crate::dist;
use crate::table::{self, micros, millis};

/// Members a PATCH.
const BATCH: usize = 1000;
/// How often a request that changes one member or none is repeated.
const REPEAT: u32 = 200;

/// `cargo xtask load --members COUNT`.
pub(crate) fn run(count: usize) -> Result<ExitCode> {
    let binary = dist::build()?;
    let directory = Directory::new()?;
    directory.connector("guest", &guest()?)?;
    apps::guest(
        &directory,
        "nothing",
        "",
        "[reads]\nfreshness = \"mirror\"\n",
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let start = Start {
            binary: Some(binary),
            ..Start::default()
        };
        let host = Host::start_with(directory.path(), &start).await?;
        let group = Group {
            scim: host.scim("nothing")?,
            pid: host.pid(),
            rows: Vec::new(),
        };
        group.grow(count.div_ceil(BATCH).max(1) * BATCH).await
    })
}

struct Group {
    scim: Scim,
    pid: u32,
    rows: Vec<Vec<String>>,
}

impl Group {
    async fn grow(mut self, count: usize) -> Result<ExitCode> {
        eprintln!("creating {count} users …");
        let crowd = Arc::new(Crowd::create(&self.scim, count + 1).await?);
        let ids: Vec<&str> = crowd.users.iter().map(|(id, _)| id.as_str()).collect();
        let (stranger, members) = ids.split_last().expect("one more than the members");
        let body = json!({"schemas": [GROUP], "displayName": "Everybody"});
        let made = self.scim.post("/Groups", &body).await?;
        ensure!(made.status == 201, "POST of the group: {made:?}");
        let path = format!("/Groups/{}", made.id());
        let marks = [0, count / 10 / BATCH * BATCH, count - BATCH];
        for (turn, batch) in members.chunks(BATCH).enumerate() {
            let size = turn * BATCH;
            let operations = json!([{"op": "Add", "path": "members", "value": values(batch)}]);
            let body = patch_op(&operations);
            let (cpu, began) = (cpu_of(self.pid)?, Instant::now());
            let reply = self.scim.patch(&path, &body).await?;
            ensure!(reply.status == 204, "PATCH at {size}: {reply:?}");
            if marks.contains(&size) {
                let cpu = cpu_of(self.pid)?.saturating_sub(cpu);
                self.row(
                    &format!("PATCH that adds {BATCH} members"),
                    size,
                    began.elapsed(),
                    cpu,
                );
                self.small(&path, size + batch.len(), stranger).await?;
            }
        }
        table::print(
            &["request", "members before", "took", "CPU/request"],
            &self.rows,
        );
        Ok(ExitCode::SUCCESS)
    }

    /// What must cost the same in a group of any size.
    async fn small(&mut self, path: &str, size: usize, stranger: &str) -> Result<()> {
        let one = |op: &str| {
            patch_op(&json!([{"op": op, "path": "members", "value": values(&[stranger])}]))
        };
        let id = path.trim_start_matches("/Groups/");
        let check = encode(&format!("id eq \"{id}\" and members eq \"{stranger}\""));
        let check = format!("/Groups?filter={check}&attributes=id");
        let bare = format!("{path}?excludedAttributes=members");
        let (add, remove) = (one("Add"), one("Remove"));
        let scim = self.scim.clone();
        self.repeat("GET without members", size, || scim.get(&bare))
            .await?;
        self.repeat("is this one a member?", size, || scim.get(&check))
            .await?;
        self.repeat(
            "PATCH that adds one, PATCH that removes it",
            size,
            || async {
                let added = scim.patch(path, &add).await?;
                ensure!(added.status == 204, "{added:?}");
                scim.patch(path, &remove).await
            },
        )
        .await
    }

    async fn repeat<F: Future<Output = Result<Reply>>>(
        &mut self,
        what: &str,
        size: usize,
        ask: impl Fn() -> F,
    ) -> Result<()> {
        let (cpu, began) = (cpu_of(self.pid)?, Instant::now());
        for _ in 0..REPEAT {
            let reply = ask().await?;
            ensure!(matches!(reply.status, 200 | 204), "{what}: {reply:?}");
        }
        let cpu = cpu_of(self.pid)?.saturating_sub(cpu);
        self.row(what, size, began.elapsed() / REPEAT, cpu / REPEAT);
        Ok(())
    }

    fn row(&mut self, what: &str, size: usize, took: Duration, cpu: Duration) {
        self.rows.push(vec![
            what.to_owned(),
            size.to_string(),
            millis(took),
            micros(cpu),
        ]);
    }
}

fn values(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}
