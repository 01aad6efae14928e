//! Builds the csv connector, which comes with the binary.
//!
//! By a cargo of its own: another target, another profile, another target directory, so that the outer build's lock,
//! flags and wrappers do not reach it. `xtask dist` builds its connectors into the same directory and finds this one done.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const PACKAGE: &str = "tombolo-connector-csv";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for part in ["plugins/csv", "sdk/rust", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    println!("cargo::rerun-if-env-changed=TOMBOLO_CSV_PREBUILT");
    // For builds where no second cargo may run: distributions, sandboxes.
    let wasm = env::var_os("TOMBOLO_CSV_PREBUILT").map_or_else(|| build(&root), PathBuf::from);
    println!("cargo::rustc-env=TOMBOLO_CSV_WASM={}", wasm.display());
}

fn build(root: &Path) -> PathBuf {
    let target_dir = connectors_dir();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            PACKAGE,
            "--lib",
        ])
        .args(["--target", TARGET, "--profile", "connector"])
        .arg("--target-dir")
        .arg(&target_dir);
    // What the outer build set is about the outer build: flags for another machine, a wrapper that lints, its features.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let outer = [
            "RUSTFLAGS",
            "RUSTDOCFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CLIPPY_ARGS",
        ];
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE"];
        let cargos = name.starts_with("CARGO_") && !kept.contains(&name.as_ref());
        if cargos
            || outer.contains(&name.as_ref())
            || ["TARGET", "HOST", "PROFILE", "OPT_LEVEL"].contains(&name.as_ref())
        {
            cargo.env_remove(name.as_ref());
        }
    }
    let output = cargo
        .output()
        .unwrap_or_else(|why| fail(&format!("cannot start cargo for `{PACKAGE}`: {why}")));
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains(TARGET)
            && (said.contains("may not be installed")
                || said.contains("can't find crate for `core`"))
        {
            fail(&format!(
                "the target `{TARGET}` is not installed\n  hint: rustup target add {TARGET}"
            ));
        }
        fail(&format!("`{PACKAGE}` does not build:\n{said}"));
    }
    let wasm = target_dir.join(TARGET).join("connector/connector_csv.wasm");
    if !wasm.is_file() {
        fail(&format!(
            "`{PACKAGE}` was built, but `{}` is not there",
            wasm.display()
        ));
    }
    wasm
}

/// `connectors` in the outer target directory: `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<package>/out`.
fn connectors_dir() -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let target = out
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file());
    target.unwrap_or(&out).join("connectors")
}

fn fail(why: &str) -> ! {
    // Every line, or cargo shows the first one only.
    for line in why.lines() {
        println!("cargo::error={line}");
    }
    std::process::exit(1);
}
