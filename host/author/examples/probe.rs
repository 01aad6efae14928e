//! probe
use std::path::Path;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "new" {
        tombolo_author::create(&a[2], a[3].parse().unwrap(), Path::new(&a[4])).unwrap();
    } else {
        let p = tombolo_author::Project::read(Path::new(&a[2])).unwrap_or_else(|e| panic!("{e}"));
        let b = tombolo_author::build(&p).unwrap_or_else(|e| panic!("{e}"));
        std::fs::write(p.component(), b).unwrap();
    }
}
