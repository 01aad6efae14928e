//! A host dies at every named moment of every write (`TOMBOLO_DIE_AT`, see `host/engine/src/death.rs`) and is started again:
//! what the target has and what SCIM shows are the same, nothing is lost or doubled, and no write stays unfinished.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, Start, run, run_ok};
use tombolo_tests::outside::{APP, Target};
use tombolo_tests::people::{GROUP, USER};
use tombolo_tests::scim::{Reply, Scim, patch_op};

/// How long what was begun may take to be settled.
const PATIENCE: Duration = Duration::from_secs(30);
const BEFORE: &str = "Before";
const AFTER: &str = "After";

/// What must be true after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The target never heard of it.
    Undone,
    /// The target may have done it.
    Either,
    /// The target has done it.
    Done,
}

/// The moments, one life each; and what must be true after the last death. No moment: killed when the answer is there.
const DEATHS: [(&[&str], Outcome); 9] = [
    (&["asked"], Outcome::Undone),
    (&["intended"], Outcome::Undone),
    (&["called"], Outcome::Either),
    (&["called#3"], Outcome::Either),
    (&["answered"], Outcome::Done),
    (&["committing"], Outcome::Done),
    (&["committed"], Outcome::Done),
    (&[], Outcome::Done),
    // The second life dies while it settles what the first one left.
    (&["answered", "committed"], Outcome::Done),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Create,
    Update,
    Delete,
    Members,
}

const WRITES: [Write; 4] = [Write::Create, Write::Update, Write::Delete, Write::Members];

impl Write {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Members => "members",
        }
    }
}

/// One write, and whom it is about.
struct Case<'a> {
    target: &'a Target,
    write: Write,
    user: String,
    team: String,
    /// Of the user, but to be created; and of the team.
    id: String,
    team_id: String,
}

impl Case<'_> {
    fn person(&self, display: &str) -> Value {
        json!({
            "schemas": [USER], "userName": self.user, "displayName": display, "active": true,
            "name": { "familyName": "Death", "givenName": "Named" },
        })
    }

    /// What has to be there before.
    async fn prepare(&mut self, scim: &Scim) -> Result<()> {
        if self.write != Write::Create {
            let made = scim.post("/Users", &self.person(BEFORE)).await?;
            ensure!(made.status == 201, "{made:?}");
            self.id = made.id();
        }
        if self.write == Write::Members {
            let team = json!({ "schemas": [GROUP], "displayName": self.team });
            let made = scim.post("/Groups", &team).await?;
            ensure!(made.status == 201, "{made:?}");
            self.team_id = made.id();
        }
        Ok(())
    }

    /// The write.
    async fn ask(&self, scim: &Scim) -> Result<Reply> {
        let user = format!("/Users/{}", self.id);
        match self.write {
            Write::Create => scim.post("/Users", &self.person(AFTER)).await,
            Write::Update => {
                let change = json!([{ "op": "replace", "path": "displayName", "value": AFTER }]);
                scim.patch(&user, &patch_op(&change)).await
            }
            Write::Delete => scim.delete(&user).await,
            Write::Members => {
                let member = json!([{ "value": self.id }]);
                let change = json!([{ "op": "add", "path": "members", "value": member }]);
                let team = format!("/Groups/{}", self.team_id);
                scim.patch(&team, &patch_op(&change)).await
            }
        }
    }

    /// Waits until the host, as its administrator is told, has no unfinished write of it. Until then who reads is shown what
    /// was before: nobody was told otherwise.
    async fn settle(&self, folder: &str) -> Result<()> {
        let object = match self.write {
            Write::Create => &self.user,
            Write::Members => &self.team_id,
            Write::Update | Write::Delete => &self.id,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arguments = [
                "app", "show", folder, APP, "--object", object, "--output", "json",
            ];
            let shown = run(&arguments)?;
            let Ok(Value::Array(known)) = serde_json::from_slice(&shown.stdout) else {
                let said = String::from_utf8_lossy(&shown.stderr);
                ensure!(said.contains("nothing is known"), "{said}");
                return Ok(());
            };
            if known.iter().all(|one| one["unfinished"].is_null()) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "never settled: {known:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Whether it was done, as SCIM and the target both say.
    async fn is_done(&self, scim: &Scim) -> Result<bool> {
        let user = format!("/Users/{}", self.id);
        match self.write {
            Write::Create => {
                let filter = format!("userName eq \"{}\"", self.user);
                // The same again: it is there already, or is made now.
                let there = self.in_target()?;
                let again = settled(|| self.ask(scim)).await?;
                ensure!(matches!(again.status, 201 | 409), "{again:?}");
                let found = settled(|| scim.find("match", "Users", &filter)).await?;
                ensure!(found.resources().len() == 1, "{found:?}");
                ensure!(self.in_target()? == [AFTER], "{:?}", self.in_target()?);
                Ok(!there.is_empty())
            }
            Write::Update => {
                let shown = settled(|| scim.get(&user)).await?;
                let display = shown.body["displayName"].as_str().unwrap_or_default();
                ensure!(self.in_target()? == [display], "{shown:?}");
                Ok(display == AFTER)
            }
            Write::Delete => {
                let shown = settled(|| scim.get(&user)).await?;
                let there = self.in_target()?;
                match shown.status {
                    200 => ensure!(there == [BEFORE], "shown, and in the target {there:?}"),
                    404 => ensure!(there.is_empty(), "not shown, and in the target {there:?}"),
                    _ => bail!("{shown:?}"),
                }
                Ok(shown.status == 404)
            }
            Write::Members => {
                let team = format!("/Groups/{}", self.team_id);
                let shown = settled(|| scim.get(&team)).await?;
                let shown = shown.body["members"].as_array().map_or(0, Vec::len);
                let there = self.target.members(&self.team)?;
                ensure!(
                    there.len() == shown,
                    "{shown} members shown, and in the target {there:?}"
                );
                Ok(there.contains(&self.user))
            }
        }
    }

    fn in_target(&self) -> Result<Vec<String>> {
        Ok(self.target.seen()?.remove(&self.user).unwrap_or_default())
    }
}

/// Asks until it does not wait for an earlier write any more.
async fn settled<F: Future<Output = Result<Reply>>>(ask: impl Fn() -> F) -> Result<Reply> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = ask().await?;
        if reply.status != 503 || Instant::now() > deadline {
            return Ok(reply);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Starts a host that dies at this moment of this write.
fn armed(start: &Start, write: Write, moment: &str) -> Start {
    let mut start = start.clone();
    let place = format!("{}.{moment}", write.name());
    start.environment.push(("TOMBOLO_DIE_AT".to_owned(), place));
    start
}

/// Lives through one case's deaths, and answers a host that lives.
async fn die(
    directory: &Directory,
    start: &Start,
    case: &mut Case<'_>,
    mut host: Host,
    moments: &[&str],
) -> Result<Host> {
    case.prepare(&host.scim(APP)?).await?;
    let Some((first, rest)) = moments.split_first() else {
        let reply = case.ask(&host.scim(APP)?).await?;
        ensure!(matches!(reply.status, 200 | 201 | 204), "{reply:?}");
        host.kill()?;
        return Host::start_with(directory.path(), start).await;
    };
    host.kill()?;
    drop(host);
    let mut host = Host::start_with(directory.path(), &armed(start, case.write, first)).await?;
    match case.ask(&host.scim(APP)?).await {
        // It waited less often than that.
        Ok(reply) if first.contains('#') || *first == "committing" => {
            ensure!(matches!(reply.status, 200 | 201 | 204), "{reply:?}");
            host.kill()?;
        }
        Ok(reply) => bail!(
            "the host did not die (a release build has no such moments), and answered {reply:?}"
        ),
        Err(_) => drop(host.ended(Duration::from_secs(10)).await?),
    }
    for moment in rest {
        // It settles in the background, and may be dead before it is ready.
        if let Ok(mut host) =
            Host::start_with(directory.path(), &armed(start, case.write, moment)).await
        {
            host.ended(PATIENCE).await.context("it did not die again")?;
        }
    }
    Host::start_with(directory.path(), start).await
}

async fn every_death(target: &Target) -> Result<()> {
    let (directory, start) = (target.directory()?, target.start());
    let folder = directory.path().display().to_string();
    let mut host = Host::start_with(directory.path(), &start).await?;
    for write in WRITES {
        for (n, (moments, outcome)) in DEATHS.iter().enumerate() {
            let name = format!("{}{n}", write.name());
            let mut case = Case {
                target,
                write,
                user: format!("{name}@example.test"),
                team: format!("Team {name}"),
                id: String::new(),
                team_id: String::new(),
            };
            let what = format!("{} {moments:?}", write.name());
            host = die(&directory, &start, &mut case, host, moments)
                .await
                .with_context(|| what.clone())?;
            case.settle(&folder)
                .await
                .with_context(|| format!("{what}\n{}", host.log()))?;
            let done = case
                .is_done(&host.scim(APP)?)
                .await
                .with_context(|| format!("{what}\n{}", host.log()))?;
            let expected = match outcome {
                Outcome::Undone => !done,
                Outcome::Either => true,
                Outcome::Done => done,
            };
            ensure!(
                expected,
                "{what}: {outcome:?}, but done: {done}\n{}",
                host.log()
            );
        }
    }
    let chain = run_ok(&["audit", "verify", &folder])?;
    println!("{chain}");
    host.terminate()?;
    host.ended(PATIENCE).await?;
    let store = run_ok(&["store", "check", &folder])?;
    ensure!(!store.contains("unfinished writes"), "{store}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_moment_of_every_write_to_csv() -> Result<()> {
    every_death(&Target::csv()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_moment_of_every_write_to_ldap() -> Result<()> {
    every_death(&Target::ldap()?).await
}
