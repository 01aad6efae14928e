//! The compiling child: component on stdin, machine code on stdout, a sentence on stderr when it cannot.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CompileLimits, confine};
use crate::bind::LoadError;

/// The argument that makes an executable a compiling child.
pub(crate) const COMMAND: &str = "__compile";

/// Most machine code: the largest honest component becomes 36 MiB.
const CODE_BYTES: u64 = 512 << 20;
/// Longest complaint.
const COMPLAINT_BYTES: u64 = 4096;

/// What the child's `main` does: limits itself, reads, compiles, writes.
///
/// The server calls it for its hidden sub-command [`COMMAND`], before it starts any thread.
pub fn compile_child_main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> anyhow::Result<()> {
    confine::limit(limits(std::env::args().skip(2)))?;
    confine::close_inherited()?;
    let engine = crate::engine::compiler()?;
    confine::filter()?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let compiled = engine.precompile_component(&bytes)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&compiled)?;
    out.flush()?;
    Ok(())
}

/// The limits as [`run`] writes them behind [`COMMAND`]; the defaults where nothing or nonsense stands.
fn limits(arguments: impl Iterator<Item = String>) -> CompileLimits {
    let mut limits = CompileLimits::default();
    let numbers: Vec<u64> = arguments.map_while(|text| text.parse().ok()).collect();
    if let [seconds, bytes] = numbers[..] {
        limits.cpu = Duration::from_secs(seconds);
        limits.memory = bytes;
    }
    limits
}

/// Runs the child and answers its machine code.
pub(super) async fn run(
    executable: &Path,
    component: &[u8],
    limits: CompileLimits,
) -> Result<Vec<u8>, LoadError> {
    let stopped = || {
        LoadError::Compile(format!(
            "it took longer than {:?}; is it a real connector?",
            limits.wall
        ))
    };
    tokio::time::timeout(limits.wall, converse(executable, component, limits))
        .await
        .map_err(|_| stopped())?
}

async fn converse(
    executable: &Path,
    component: &[u8],
    limits: CompileLimits,
) -> Result<Vec<u8>, LoadError> {
    let broken = |error: std::io::Error| {
        LoadError::Compile(format!(
            "the compiling process {}: {error}",
            executable.display()
        ))
    };
    // No environment: it may hold the operator's secrets. `kill_on_drop` ends the child when the time is over.
    let mut child = tokio::process::Command::new(executable)
        .arg(COMMAND)
        .arg(limits.cpu.as_secs().to_string())
        .arg(limits.memory.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(LoadError::Compile(
            "the compiling process has no pipes".to_owned(),
        ));
    };
    let feed = async move {
        // A child that has already given up says why on stderr; the broken pipe adds nothing.
        let _ = stdin.write_all(component).await;
    };
    let (mut code, mut complaint) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(CODE_BYTES), stderr.take(COMPLAINT_BYTES));
    let ((), read, _) = tokio::join!(
        feed,
        stdout.read_to_end(&mut code),
        stderr.read_to_end(&mut complaint)
    );
    read.map_err(broken)?;
    if code.len() as u64 == CODE_BYTES {
        return Err(LoadError::Compile(format!(
            "its machine code has more than {CODE_BYTES} bytes"
        )));
    }
    let status = child.wait().await.map_err(broken)?;
    if status.success() {
        return Ok(code);
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = complaint.trim();
    Err(LoadError::Compile(if complaint.is_empty() {
        format!(
            "the compiling process was stopped ({status}); it may use {} MiB and {:?}",
            limits.memory >> 20,
            limits.cpu
        )
    } else {
        complaint.to_owned()
    }))
}
