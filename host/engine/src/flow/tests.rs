//! Random histories of a source against an independent computation of what the sink has to have, with reads that break off
//! and hosts that stop anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tombolo_mapping::{Expression, KindAttribute, KindType, Scope};
use tombolo_runtime::contract::{Attribute, Changes, Entry, Page, Scalar, Value as Simple};
use tombolo_scim::schema::ResourceType;
use tombolo_store::Store;
use tombolo_store::sled::SledStore;

use super::FlowError;
use super::book::Book;
use super::change::Change;
use super::definition::{Actions, Definition, Leave, Limit, Retry};
use super::deliver::{Emptied, deliver, fall_due};
use super::follow::{Followed, follow};
use super::form::Form;
use super::guard::Accept;
use super::keys::FlowKeys;
use super::lease::Lease;
use super::promote::promote;
use super::reading::Reader;
use super::receipts::{Receipts, Totals};
use super::report::{Pass, Run};
use super::scan::{Mode, Scan};
use super::schedule::Schedule;
use super::sink::{Delivery, Receipt, Shape, Sink, SinkError};
use super::source::Source;
use crate::hosts::Hosts;

/// What the source has of somebody: a title, whether he is active, whose report he is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    title: u8,
    active: bool,
    boss: Option<u8>,
}

type Rows = BTreeMap<u8, Row>;

/// A source of rows, a page of which may fail.
struct Rooms {
    rows: Rows,
    twice: Option<u8>,
    attributes: Vec<KindAttribute>,
    fails_at: Option<usize>,
    pages: AtomicUsize,
    /// What has changed since the token that is the number of changes before.
    changes: Option<Vec<u8>>,
}

const PAGE: usize = 3;

fn entry(number: u8, row: &Row) -> Entry {
    let text = |name: &str, value: String| Attribute {
        name: name.to_owned(),
        values: vec![Simple::Simple(Scalar::Text(value))],
    };
    let mut attributes = vec![
        text("no", number.to_string()),
        text("title", format!("title {}", row.title)),
        text("active", row.active.to_string()),
    ];
    attributes.extend(row.boss.map(|boss| text("boss", format!("anchor-{boss}"))));
    Entry {
        anchor: format!("anchor-{number}"),
        version: None,
        attributes,
    }
}

impl Rooms {
    fn new(rows: &Rows) -> Self {
        let attribute = |name: &str, data| KindAttribute::new(name.to_owned(), data);
        let mut boss = attribute("boss", KindType::Reference);
        boss.to = Some("user".to_owned());
        let texts = ["no", "title", "active"].map(|name| attribute(name, KindType::Text));
        Self {
            rows: rows.clone(),
            twice: None,
            attributes: texts.into_iter().chain([boss]).collect(),
            fails_at: None,
            pages: AtomicUsize::new(0),
            changes: None,
        }
    }
}

#[async_trait::async_trait]
impl Source for Rooms {
    fn tells_changes(&self) -> bool {
        self.changes.is_some()
    }

    fn attributes(&self) -> &[KindAttribute] {
        &self.attributes
    }

    async fn page(&self, cursor: Option<String>) -> Result<Page, FlowError> {
        if self.fails_at == Some(self.pages.fetch_add(1, Ordering::Relaxed)) {
            return Err(FlowError::Source("the line is cut".to_owned()));
        }
        let from: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let mut all: Vec<Entry> = self.rows.iter().map(|(no, row)| entry(*no, row)).collect();
        if let Some(twice) = self.twice {
            let mut other = entry(
                twice,
                &Row {
                    title: 99,
                    active: true,
                    boss: None,
                },
            );
            other.anchor = "another".to_owned();
            all.push(other);
        }
        let more = all.len() > from + PAGE;
        Ok(Page {
            entries: all.into_iter().skip(from).take(PAGE).collect(),
            cursor: more.then(|| (from + PAGE).to_string()),
            total: None,
        })
    }

    async fn since(&self, token: Option<&str>) -> Result<Option<Changes>, FlowError> {
        use tombolo_runtime::contract::Change as Told;
        let all = self.changes.clone().unwrap_or_default();
        let from = token.map_or(all.len(), |token| token.parse().unwrap_or(0));
        let told: Vec<u8> = all.iter().skip(from).take(PAGE).copied().collect();
        let until = from + told.len();
        let changes = told.iter().map(|no| match self.rows.get(no) {
            Some(row) => Told::Changed(entry(*no, row)),
            None => Told::Gone(format!("anchor-{no}")),
        });
        Ok(Some(Changes {
            changes: changes.collect(),
            token: until.to_string(),
            more: until < all.len(),
        }))
    }

    async fn get(&self, anchor: &str) -> Result<Option<Entry>, FlowError> {
        let mut rows = self.rows.iter().map(|(no, row)| entry(*no, row));
        Ok(rows.find(|entry| entry.anchor == anchor))
    }

    async fn members(&self, _: &str) -> Result<Vec<String>, FlowError> {
        Ok(Vec::new())
    }
}

/// Remembers what it was given.
#[derive(Default)]
struct Keeps {
    people: Mutex<BTreeMap<String, Value>>,
    order: Mutex<Vec<(String, Change)>>,
}

#[async_trait::async_trait]
impl Sink for Keeps {
    fn identity(&self) -> String {
        "keeps".to_owned()
    }

    fn shape(&self) -> Result<Shape, String> {
        Ok(Shape {
            ty: ResourceType::user(),
            open: false,
            explicit_active: true,
        })
    }

    fn batch(&self) -> usize {
        4
    }

    async fn deliver(&self, batch: &[Delivery]) -> Result<Vec<Receipt>, SinkError> {
        let mut receipts = Vec::new();
        for one in batch {
            let mut people = self.people.lock();
            self.order.lock().push((one.key.clone(), one.change));
            // As a directory would: it has nobody who is out before he came.
            if !one.is_in && !people.contains_key(&one.key) {
                receipts.push(Receipt::Done {
                    id: None,
                    lacks: Vec::new(),
                });
                continue;
            }
            let mut record = one.record.attributes.clone();
            record.retain(|name, _| name == "title" || name == "active" || name.contains(':'));
            people.insert(one.key.clone(), Value::Object(record));
            receipts.push(Receipt::Done {
                id: Some(one.key.clone()),
                lacks: Vec::new(),
            });
        }
        Ok(receipts)
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    definition: Definition,
    book: Book,
    receipts: Receipts,
    sink: Keeps,
}

impl Bench {
    fn new(limit: Limit) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> =
            Arc::new(SledStore::open(dir.path().join("store")).expect("the store opens"));
        let form: BTreeMap<String, Value> = serde_json::from_value(json!({
            "userName": "[no]",
            "title": "[title]",
            "active": "Coalesce([active], \"True\")",
            "manager": "[boss]",
        }))
        .expect("a table");
        let definition = Definition {
            name: "test".to_owned(),
            source: "hr".to_owned(),
            kind: "user".to_owned(),
            scope: Scope::everybody(),
            key: Expression::parse("[no]").expect("an expression"),
            form: Form::read(&form).expect("a form"),
            members: false,
            references: None,
            effective: None,
            lead: std::time::Duration::ZERO,
            last_day: None,
            time_zone: jiff::tz::TimeZone::UTC,
            actions: Actions::ALL,
            leavers: Leave::Disable,
            schedule: Schedule::Ordered,
            full_scan: std::time::Duration::from_secs(3600),
            limit,
            retry: Retry::default(),
        };
        let book = Book {
            store: Arc::clone(&store),
            keys: FlowKeys::new("test", "keeps"),
            lease: Lease::new(store, Hosts::alone(), "test"),
            turn: tokio::sync::Mutex::new(()),
            actions: Actions::ALL,
        };
        Self {
            _dir: dir,
            receipts: Receipts {
                flow: "test".to_owned(),
                kind: "user".to_owned(),
                retry: definition.retry,
                own_keys: true,
                trail: None,
                totals: Totals::default(),
            },
            definition,
            book,
            sink: Keeps::default(),
        }
    }

    /// One run; `stop_after` batches of what was found it is broken off, as a host that dies would.
    async fn run(
        &self,
        source: &Rooms,
        accept: bool,
        stop_after: Option<usize>,
    ) -> Result<Run, FlowError> {
        let shape = self.sink.shape().expect("a shape");
        let fitted = self
            .definition
            .form
            .fit(&shape.ty, shape.open)
            .expect("it fits");
        let reader = || Reader {
            definition: &self.definition,
            fitted: &fitted,
            source,
            store: &*self.book.store,
            referred: &self.book.keys,
            asks: false,
        };
        let stop = CancellationToken::new();
        let batches = AtomicUsize::new(0);
        let queued = || {
            if stop_after == Some(batches.fetch_add(1, Ordering::Relaxed)) {
                stop.cancel();
            }
        };
        if stop_after == Some(usize::MAX) {
            stop.cancel();
        }
        let accept = Accept {
            shrink: accept,
            clock: false,
        };
        let limit = &self.definition.limit;
        let mut run = Run::new(Pass::Scan);
        promote(&self.book, &reader(), limit, &stop, &mut run, queued).await?;
        let mark = self.book.watermark().await?;
        let mut token = None;
        if source.tells_changes() {
            if mark.token.is_some() {
                let asking = Reader {
                    asks: true,
                    ..reader()
                };
                let followed = follow(
                    &self.definition,
                    &self.book,
                    &asking,
                    &stop,
                    accept,
                    &mut run,
                    queued,
                );
                assert_eq!(followed.await?, Followed::All);
                return Ok(run);
            }
            token = source.since(None).await?.map(|begun| begun.token);
        }
        let mut scan = Scan::new(
            &self.definition,
            &fitted,
            &self.book,
            reader(),
            &stop,
            Mode::Run,
            accept,
            &mut run,
        );
        scan.read_all(token).await?;
        promote(&self.book, &reader(), limit, &stop, &mut run, queued).await?;
        Ok(run)
    }

    /// Delivers at most so many batches; all of them without a number.
    async fn drain(&self, batches: Option<usize>) {
        let mut left = batches.unwrap_or(usize::MAX);
        while left > 0 {
            left -= 1;
            let emptied = deliver(
                &self.book,
                &self.definition,
                &self.book.keys,
                &self.sink,
                &self.receipts,
            );
            if emptied.await.expect("the store answers") == Emptied::Nothing {
                return;
            }
        }
    }

    fn kept(&self) -> BTreeMap<String, Value> {
        self.sink.people.lock().clone()
    }

    fn deliveries(&self) -> Vec<(String, Change)> {
        std::mem::take(&mut *self.sink.order.lock())
    }
}

/// What the sink has to have, told by another way: the state after a day from the state before it and the rows.
fn expected(before: &BTreeMap<String, Value>, rows: &Rows) -> BTreeMap<String, Value> {
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mut after = before.clone();
    for (no, row) in rows {
        let known = after.contains_key(&no.to_string());
        if !row.active && !known {
            continue;
        }
        let mut record = json!({ "title": format!("title {}", row.title), "active": row.active });
        // A manager is known by his key as soon as the source has shown him.
        if let Some(boss) = row.boss {
            record[manager] = json!({ "manager": { "value": boss.to_string() } });
        }
        after.insert(no.to_string(), record);
    }
    for (key, record) in &mut after {
        let there = key.parse().is_ok_and(|no: u8| rows.contains_key(&no));
        if !there {
            record["active"] = false.into();
        }
    }
    after
}

fn rows() -> impl Strategy<Value = Rows> {
    let row = (0..3_u8, prop::bool::weighted(0.85)).prop_map(|(title, active)| (title, active));
    prop::collection::btree_map(0..14_u8, row, 0..14).prop_flat_map(|plain| {
        let numbers: Vec<u8> = plain.keys().copied().collect();
        let count = plain.len();
        let boss = prop::option::of(0..count.max(1));
        prop::collection::vec(boss, count).prop_map(move |bosses| {
            let named = bosses
                .iter()
                .map(|boss| boss.and_then(|at| numbers.get(at)).copied());
            plain
                .iter()
                .zip(named)
                .map(|((no, (title, active)), boss)| {
                    let (title, active) = (*title, *active);
                    (
                        *no,
                        Row {
                            title,
                            active,
                            boss: boss.filter(|boss| boss != no),
                        },
                    )
                })
                .collect()
        })
    })
}

/// How a day goes wrong before it goes well.
#[derive(Clone, Debug)]
enum Trouble {
    None,
    /// A page cannot be read.
    Cut(usize),
    /// The host dies after so many batches were queued.
    Dies(usize),
    /// It dies before the first.
    DiesEarly,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::None),
        (0..5_usize).prop_map(Trouble::Cut),
        (0..2_usize).prop_map(Trouble::Dies),
        Just(Trouble::DiesEarly),
    ]
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn after_each_day_the_sink_has_what_the_source_says_and_only_changes_were_sent(
        days in prop::collection::vec((rows(), trouble(), 0..3_usize, any::<bool>()), 1..6),
        tells in any::<bool>(),
    ) {
        wait(async {
            let bench = Bench::new(Limit { percent: 100, ..Limit::default() });
            let (mut state, mut before) = (BTreeMap::new(), Rows::new());
            let mut changes = Vec::new();
            for (rows, trouble, batches, again) in days {
                let numbers: BTreeSet<u8> = before.keys().chain(rows.keys()).copied().collect();
                changes.extend(numbers.into_iter().filter(|no| before.get(no) != rows.get(no)));
                let source = || {
                    let mut source = Rooms::new(&rows);
                    source.changes = tells.then(|| changes.clone());
                    source
                };
                let mut broken = source();
                match trouble {
                    Trouble::None => {}
                    Trouble::Cut(page) => {
                        broken.fails_at = Some(page);
                        // What has happened by then is no whole day; nobody may be missing for it.
                        let _ = bench.run(&broken, true, None).await;
                    }
                    Trouble::Dies(batches) => drop(bench.run(&broken, true, Some(batches)).await),
                    Trouble::DiesEarly => drop(bench.run(&broken, true, Some(usize::MAX)).await),
                }
                bench.drain(Some(batches)).await;
                bench.run(&source(), true, None).await.expect("a good run");
                bench.drain(None).await;
                let after = expected(&state, &rows);
                prop_assert_eq!(&bench.kept(), &after);
                let sent: BTreeSet<String> =
                    bench.deliveries().into_iter().map(|(key, _)| key).collect();
                let differing: BTreeSet<String> = after
                    .iter()
                    .filter(|(key, record)| state.get(*key) != Some(record))
                    .map(|(key, _)| key.clone())
                    .collect();
                prop_assert!(differing.is_subset(&sent), "{differing:?} of {sent:?}");
                // What is sent and changes nothing is somebody who had left before he was seen.
                for key in sent.difference(&differing) {
                    prop_assert!(!after.contains_key(key), "{key} was sent without a change");
                }
                if again {
                    bench.run(&source(), true, None).await.expect("a good run");
                    bench.drain(None).await;
                    prop_assert_eq!(bench.deliveries(), Vec::new());
                }
                (state, before) = (after, rows);
            }
            Ok(())
        })?;
    }
}

fn people(numbers: impl IntoIterator<Item = u8>) -> Rows {
    let row = Row {
        title: 0,
        active: true,
        boss: None,
    };
    numbers.into_iter().map(|no| (no, row.clone())).collect()
}

#[tokio::test]
async fn a_source_that_has_shrunk_is_held_until_somebody_says_that_it_has() {
    let bench = Bench::new(Limit::default());
    bench
        .run(&Rooms::new(&people(0..40)), false, None)
        .await
        .expect("a good run");
    bench.drain(None).await;
    bench.deliveries();
    // One in ten may go; half of them may not, and of these nothing at all is sent.
    let half = Rooms::new(&people(0..20));
    let held = bench.run(&half, false, None).await.expect_err("it is held");
    assert!(
        matches!(&held, FlowError::Held { remedy, .. } if remedy.contains("--accept-shrink")),
        "{held}"
    );
    let nobody = bench
        .run(&Rooms::new(&Rows::new()), false, None)
        .await
        .expect_err("held");
    assert!(nobody.to_string().contains("has nobody"), "{nobody}");
    bench.drain(None).await;
    assert_eq!(bench.deliveries(), []);
    bench
        .run(&Rooms::new(&people(0..37)), false, None)
        .await
        .expect("three may leave");
    // And within the hour only one more.
    assert!(
        bench
            .run(&Rooms::new(&people(0..34)), false, None)
            .await
            .is_err()
    );
    bench
        .run(&half, true, None)
        .await
        .expect("somebody has said so");
    bench.drain(None).await;
    assert_eq!(bench.deliveries().len(), 20);
}

#[tokio::test]
async fn a_key_that_comes_twice_is_nobodys_and_nobody_leaves_for_it() {
    let bench = Bench::new(Limit::default());
    bench
        .run(&Rooms::new(&people(0..8)), false, None)
        .await
        .expect("a good run");
    bench.drain(None).await;
    bench.deliveries();
    let mut source = Rooms::new(&people(0..9));
    source.rows.get_mut(&3).expect("somebody").title = 2;
    source.twice = Some(3);
    let run = bench
        .run(&source, false, None)
        .await
        .expect("the others go on");
    assert_eq!(run.wrong.len(), 1);
    assert_eq!(run.wrong[0].entry, "3");
    bench.drain(None).await;
    assert_eq!(bench.deliveries(), [("8".to_owned(), Change::Joiner)]);
}

#[tokio::test]
async fn leavers_go_first_and_managers_before_those_who_report_to_them() {
    let bench = Bench::new(Limit {
        percent: 100,
        ..Limit::default()
    });
    bench
        .run(&Rooms::new(&people([20, 21])), false, None)
        .await
        .expect("a good run");
    bench.drain(None).await;
    bench.deliveries();
    let mut rows = people(1..12);
    for (no, row) in &mut rows {
        row.boss = (*no < 11).then_some(*no + 1);
    }
    bench
        .run(&Rooms::new(&rows), true, None)
        .await
        .expect("a good run");
    bench.drain(None).await;
    let order: Vec<String> = bench.deliveries().into_iter().map(|(key, _)| key).collect();
    assert_eq!(order[..2], ["20", "21"]);
    let down: Vec<String> = (1..12).rev().map(|no: u8| no.to_string()).collect();
    assert_eq!(order[2..], down);
}

#[tokio::test]
async fn a_first_day_and_a_last_day_come_without_a_word_of_the_source() {
    let mut bench = Bench::new(Limit::default());
    bench.definition.effective = Some(Expression::parse("[begins]").expect("an expression"));
    bench.definition.last_day = Some(Expression::parse("[ends]").expect("an expression"));
    let now = jiff::Timestamp::now();
    let hour = |n: i64| {
        now.checked_add(jiff::SignedDuration::from_hours(n))
            .expect("a time")
    };
    let object = |begins: jiff::Timestamp, ends: jiff::Timestamp| {
        let text = |text: String| vec![tombolo_mapping::ObjectValue::from(text.as_str())];
        [
            ("no".to_owned(), text("7".to_owned())),
            ("title".to_owned(), text("t".to_owned())),
            ("begins".to_owned(), text(begins.to_string())),
            ("ends".to_owned(), text(ends.to_string())),
        ]
        .into_iter()
        .collect::<tombolo_mapping::Object>()
    };
    let source = Rooms::new(&Rows::new());
    let shape = bench.sink.shape().expect("a shape");
    let fitted = bench
        .definition
        .form
        .fit(&shape.ty, false)
        .expect("it fits");
    let reader = Reader {
        definition: &bench.definition,
        fitted: &fitted,
        source: &source,
        store: &*bench.book.store,
        referred: &bench.book.keys,
        asks: false,
    };
    let seen = reader
        .read_object("a", object(hour(1), hour(3)))
        .await
        .expect("read");
    let super::reading::Seen::In(reading) = seen else {
        panic!("somebody in scope");
    };
    let said = super::book::Said {
        key: "7".to_owned(),
        word: super::change::Word::Has(reading.fact),
        place: super::person::Place { rank: 1, number: 1 },
    };
    let mut mark = super::book::Watermark::default();
    let outlook = bench
        .book
        .say(vec![said], tombolo_store::Commit::new(), &mut mark, None)
        .await;
    assert_eq!(outlook.expect("it is said").counts.waiting, 1);
    bench.drain(None).await;
    assert_eq!(bench.deliveries(), []);
    for (at, changes) in [
        (0, vec![]),
        (2, vec![("7".to_owned(), Change::Joiner)]),
        (4, vec![("7".to_owned(), Change::Leaver)]),
    ] {
        while fall_due(&bench.book, hour(at))
            .await
            .expect("the store answers")
            > 0
        {}
        bench.drain(None).await;
        assert_eq!(bench.deliveries(), changes, "after {at} hours");
    }
    assert_eq!(bench.kept()["7"]["active"], false);
}
