//! Filling a store. A host is asked for one person in one group; what its store then holds of them is multiplied, each time
//! with another's words in the places of the first one's, and written as a backup, which `tombolo store restore` reads.
//!
//! So every key is as the host itself writes it, and nothing here knows which there are. What is left out is the audit.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tombolo_scim::filter::fold_case;
use tombolo_store::key::{Segment, segments};
use tombolo_store::sled::{Behind, Options};
use tombolo_store::{Pair, Range, Store, StoreError, Walk, archive};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::people::{GROUP, USER};

use super::people::{Field, Population};
use super::{APP, configure, mib, seconds};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Pairs that are made up at a time.
const PAGE: usize = 4096;

/// Fills the empty store of a configuration directory.
pub(super) async fn fill(
    directory: &Directory,
    start: &Start,
    population: Population,
    engine: &str,
) -> Result<()> {
    let template = Template::made(directory, start).await?;
    configure(directory, engine)?;
    let file = directory.path().join("people.backup");
    let began = Instant::now();
    let mut out = tokio::io::BufWriter::new(tokio::fs::File::create(&file).await?);
    let totals =
        archive::write(Box::new(Crowd::new(template, population)), &mut out, |_| ()).await?;
    drop(out);
    eprintln!(
        "{} users, {} groups: {} keys, {} made up in {}",
        population.users,
        population.groups,
        totals.pairs,
        mib(totals.bytes),
        seconds(began.elapsed())
    );
    let began = Instant::now();
    let mut restore = Command::new(start.binary.as_ref().context("a binary")?);
    restore
        .args(["store", "restore"])
        .arg(directory.path())
        .arg(&file)
        .envs(
            start
                .environment
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str())),
        )
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let status = restore.status()?;
    ensure!(status.success(), "tombolo store restore: {status}");
    std::fs::remove_file(&file)?;
    eprintln!("restored in {}", seconds(began.elapsed()));
    Ok(())
}

/// What the store holds of one person, of one group, and of the one's being in the other.
#[derive(Default)]
struct Template {
    /// What belongs to nobody.
    host: Vec<Pair>,
    user: Vec<(Text, Text)>,
    group: Vec<(Text, Text)>,
    membership: Vec<(Text, Text)>,
}

/// Bytes with places in them.
struct Text(Vec<Piece>);

enum Piece {
    Bytes(Vec<u8>),
    User(Field),
    Group(Field),
}

impl Template {
    async fn made(directory: &Directory, start: &Start) -> Result<Self> {
        configure(directory, "sled")?;
        let mut host = Host::start_with(directory.path(), start).await?;
        host.until_app(APP, "serving").await?;
        let scim = host.scim(APP)?;
        let word = |field: Field| field.word("user");
        let body = json!({
            "schemas": [USER, ENTERPRISE],
            "userName": word(Field::Login),
            "externalId": word(Field::External),
            "displayName": word(Field::Display),
            "name": {"givenName": word(Field::Given), "familyName": word(Field::Family)},
            "title": word(Field::Title),
            "active": true,
            "emails": [{"type": "work", "primary": true, "value": word(Field::Login)}],
            "phoneNumbers": [{"type": "work", "value": word(Field::Phone)}],
            ENTERPRISE: {"employeeNumber": word(Field::Number), "department": word(Field::Department)},
        });
        let user = scim.post("/Users", &body).await?;
        ensure!(user.status == 201, "{user:?}");
        let body = json!({
            "schemas": [GROUP],
            "displayName": Field::Display.word("group"),
            "externalId": Field::External.word("group"),
            "members": [{"value": user.id()}],
        });
        let group = scim.post("/Groups", &body).await?;
        ensure!(group.status == 201, "{group:?}");
        host.terminate()?;
        host.ended(Duration::from_secs(30)).await?;
        drop(host);
        let state = directory.path().join("state");
        let store = Options::new()
            .behind(Behind::Sled)
            .open(state.join("store"))?;
        let pairs = store.scan(Range::all()).await?;
        drop(store);
        // The other host's life is over; its compiled connectors stay.
        std::fs::remove_dir_all(state.join("store"))?;
        Self::of(pairs, &user.id(), &group.id())
    }

    fn of(pairs: Vec<Pair>, user: &str, group: &str) -> Result<Self> {
        let mut template = Self::default();
        for (key, value) in pairs {
            let parts = segments(&key).context("a key of ours")?;
            match parts.first().and_then(Segment::as_text) {
                Some(APP) => {}
                // The audit is one person's; the rest is the store's version and the host's own.
                Some("+audit") => continue,
                _ => {
                    template.host.push((key, value));
                    continue;
                }
            }
            let (key, value) = (
                Text::parse(&key, user, group),
                Text::parse(&value, user, group),
            );
            let has = |wanted: fn(&Piece) -> bool| key.0.iter().chain(&value.0).any(wanted);
            let users = has(|piece| matches!(piece, Piece::User(_)));
            let groups = has(|piece| matches!(piece, Piece::Group(_)));
            match (users, groups) {
                (true, true) => template.membership.push((key, value)),
                (true, false) => template.user.push((key, value)),
                (false, true) => template.group.push((key, value)),
                (false, false) => {}
            }
        }
        ensure!(
            template.user.len() > 4 && template.group.len() > 2 && template.membership.len() == 2,
            "the store holds {} keys of a user, {} of a group, {} of a membership",
            template.user.len(),
            template.group.len(),
            template.membership.len()
        );
        Ok(template)
    }
}

impl Text {
    fn parse(mut bytes: &[u8], user: &str, group: &str) -> Self {
        let mut places: Vec<(Vec<u8>, Piece)> = Vec::new();
        for field in Field::ALL {
            let (of_user, of_group) = match field {
                Field::Id => (user.to_owned(), group.to_owned()),
                _ => (field.word("user"), field.word("group")),
            };
            places.push((of_user.into_bytes(), Piece::User(field)));
            places.push((of_group.into_bytes(), Piece::Group(field)));
        }
        let (mut pieces, mut plain) = (Vec::new(), Vec::new());
        while let Some((first, rest)) = bytes.split_first() {
            let found = places.iter().find(|(word, _)| bytes.starts_with(word));
            let Some((word, piece)) = found else {
                plain.push(*first);
                bytes = rest;
                continue;
            };
            if !plain.is_empty() {
                pieces.push(Piece::Bytes(std::mem::take(&mut plain)));
            }
            pieces.push(match piece {
                Piece::Group(field) => Piece::Group(*field),
                Piece::User(field) => Piece::User(*field),
                Piece::Bytes(bytes) => Piece::Bytes(bytes.clone()),
            });
            bytes = &bytes[word.len()..];
        }
        if !plain.is_empty() {
            pieces.push(Piece::Bytes(plain));
        }
        Self(pieces)
    }

    /// These bytes for others. In keys values stand as they are compared.
    fn of(&self, user: u64, group: u64, folded: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        for piece in &self.0 {
            let text = match piece {
                Piece::Bytes(plain) => {
                    bytes.extend(plain);
                    continue;
                }
                Piece::User(field) => field.of_user(user),
                Piece::Group(field) => field.of_group(group),
            };
            if folded {
                bytes.extend(fold_case(&text).bytes());
            } else {
                bytes.extend(text.bytes());
            }
        }
        bytes
    }
}

/// Everybody, one after the other, then the groups with their members.
struct Crowd {
    template: Template,
    population: Population,
    users: u64,
    groups: u64,
    /// Of the group that is being written.
    members: u64,
}

impl Crowd {
    fn new(template: Template, population: Population) -> Self {
        Self {
            template,
            population,
            users: 0,
            groups: 0,
            members: 0,
        }
    }
}

#[async_trait::async_trait]
impl Walk for Crowd {
    async fn next(&mut self) -> Result<Vec<Pair>, StoreError> {
        let mut page = std::mem::take(&mut self.template.host);
        let mut add = |pairs: &[(Text, Text)], user: u64, group: u64| {
            page.extend(
                pairs
                    .iter()
                    .map(|(key, value)| (key.of(user, group, true), value.of(user, group, false))),
            );
            page.len() < PAGE
        };
        let all = self.population;
        while self.users < all.users {
            self.users += 1;
            if !add(&self.template.user, self.users - 1, 0) {
                return Ok(page);
            }
        }
        while self.groups < all.groups {
            let group = self.groups;
            if self.members == 0 {
                add(&self.template.group, 0, group);
            }
            while self.members < all.size(group) {
                let member = all.member(group, self.members);
                self.members += 1;
                if !add(&self.template.membership, member, group) {
                    return Ok(page);
                }
            }
            (self.groups, self.members) = (group + 1, 0);
        }
        Ok(page)
    }
}
