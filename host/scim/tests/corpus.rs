//! The fuzz targets over the committed corpus, on stable and in seconds: what was found once is not lost again.

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library of its own elsewhere")]
mod targets;

fn every_input(name: &str, target: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut inputs = 0;
    for file in std::fs::read_dir(&corpus).expect("a corpus") {
        let path = file.expect("a file").path();
        target(&std::fs::read(&path).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", corpus.display());
}

#[test]
fn filters() {
    every_input("filter", targets::filter);
}

#[test]
fn paths() {
    every_input("path", targets::path);
}

#[test]
fn patches() {
    every_input("patch", targets::patch);
}

#[test]
fn bulk_requests() {
    every_input("bulk", targets::bulk);
}

#[test]
fn bodies() {
    every_input("body", targets::body);
}
