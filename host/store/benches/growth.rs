//! What the embedded engines' files and memory become while everything is rewritten again and again:
//! `cargo bench -p tombolo-store --bench growth -- sled 100000 10`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use tombolo_store::sled::{Behind, Options, SledStore};
use tombolo_store::{Commit, Key, Store};

/// Records a commit.
const TOGETHER: u64 = 100;
/// Index entries of a record, each a key without a value, in an order of its own.
const INDEXES: u64 = 8;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [engine, records, turns] = arguments.as_slice() else {
        // `cargo bench` and `cargo test` run every bench without arguments.
        println!("growth: -- sled|fjall RECORDS TURNS");
        return;
    };
    let behind = match engine.as_str() {
        "fjall" => Behind::Fjall,
        _ => Behind::Sled,
    };
    let number = |text: &str| text.parse().expect("a number");
    let (records, turns): (u64, u64) = (number(records), number(turns));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let open = || {
        Options::new()
            .behind(behind)
            .open(&path)
            .expect("the store opens")
    };
    let store = open();
    for turn in 0..=turns {
        let began = Instant::now();
        runtime.block_on(write(&store, records, turn));
        report(&format!("{engine}, turn {turn}"), began, &path);
    }
    drop(store);
    let began = Instant::now();
    let store = open();
    report("opened again", began, &path);
    drop(store);
    let began = Instant::now();
    drop(open());
    report("and again", began, &path);
}

/// Every record anew; their indexes in the first turn.
async fn write(store: &SledStore, records: u64, turn: u64) {
    let mut commit = Commit::new();
    for n in 0..records {
        commit = commit.put(record(n), value(n, turn));
        if turn == 0 {
            for index in 0..INDEXES {
                let key = Key::of("app")
                    .text("x")
                    .number(index)
                    .number(mix(n + index));
                commit = commit.put(key.text(&name(n)), "");
            }
        }
        if n % TOGETHER == TOGETHER - 1 || n + 1 == records {
            let full = std::mem::take(&mut commit);
            store.commit(full).await.expect("the commit goes through");
        }
    }
}

fn name(n: u64) -> String {
    format!("0199a1b2-{:04x}-7abc-8def-{:012x}", n >> 16, n)
}

fn record(n: u64) -> Key {
    Key::of("app").text("r").text("User").text(&name(n))
}

/// 600 bytes that do not compress to nothing.
fn value(n: u64, turn: u64) -> String {
    let words =
        (0..18).map(|word| format!("\"attribute{word}\":\"{:016x}\",", mix(n + turn * 7 + word)));
    words.collect()
}

fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 27)
}

fn report(what: &str, began: Instant, path: &Path) {
    let took = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) >> 10
    };
    println!(
        "{what}: {took:.1?}, files {} MiB, memory {} MiB, most {} MiB",
        disk(path) >> 20,
        of("VmRSS"),
        of("VmHWM")
    );
}

fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a directory");
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => disk(&entry.path()),
        Ok(facts) => facts.blocks() * 512,
        // Gone meanwhile.
        Err(_) => 0,
    });
    bytes.sum()
}
