//! New files in the embedded folders are seen, not only changed ones.

fn main() {
    for folder in ["templates", "../../sdk", "../../wit"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
