//! Disks that fill up and fail on command.
//!
//! A small file system in a mount namespace of its own, which ends with the test whatever happens to it; and, for disks that
//! lie, libfiu between a host and its C library.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A file system of a few bytes, seen at its path by the hosts that are started [within](Disk::wrapper) it. Gone, with what
/// is on it, when dropped.
pub struct Disk {
    keeper: Child,
    path: PathBuf,
    root: bool,
}

impl Disk {
    /// Of this size (`64m`), on an existing directory.
    pub fn mount(path: &Path, size: &str) -> Result<Self> {
        let root = crate::as_user::is_root();
        let mut command = Command::new("unshare");
        if !root {
            command.arg("--map-root-user");
        }
        // It ends when its standard input does: with us.
        let script = "mount -t tmpfs -o size=\"$2\" none \"$1\" && echo mounted && exec cat";
        command
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(path)
            .arg(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut keeper = command.spawn().context("cannot start unshare")?;
        let mut said = String::new();
        let out = keeper.stdout.take().context("a pipe")?;
        BufReader::new(out).read_line(&mut said)?;
        let disk = Self {
            keeper,
            path: path.to_owned(),
            root,
        };
        ensure!(
            said.trim() == "mounted",
            "these tests mount small file systems in a namespace of their own (unshare --mount), and that is not permitted \
             here: run them as root with CAP_SYS_ADMIN, or where users may make namespaces"
        );
        Ok(disk)
    }

    /// What a host's command line begins with, so that it sees the disk.
    pub fn wrapper(&self) -> Vec<String> {
        let mut words = vec![
            "nsenter".to_owned(),
            format!("--target={}", self.keeper.id()),
        ];
        if !self.root {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words.push("--mount".to_owned());
        words
    }

    /// A file on it, as it is seen from outside.
    pub fn file(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        let path = self.path.strip_prefix("/").unwrap_or(&self.path);
        root.join(path).join(name)
    }

    /// Fills it to its last byte.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.file("filler"))?;
        let block = [0_u8; 4096];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(why) if why.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Takes away what [`Disk::fill`] put there.
    pub fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.file("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Calls of the C library that fail on command, in one process.
pub struct Faults {
    prefix: PathBuf,
}

impl Faults {
    /// The control of a process that is started [within](Faults::wrapper); its pipes are in this directory.
    pub fn new(directory: &Path) -> Self {
        Self {
            prefix: directory.join("fiu"),
        }
    }

    /// What the process's command line begins with.
    pub fn wrapper(&self) -> Vec<String> {
        let prefix = self.prefix.display().to_string();
        ["fiu-run", "-x", "-f", &prefix].map(str::to_owned).to_vec()
    }

    /// From now on these calls of the process fail with EIO: `posix/io/sync/fdatasync`.
    pub fn fail(&self, pid: u32, calls: &str) -> Result<()> {
        // 5 is EIO.
        self.order(pid, &format!("enable name={calls},failinfo=5"))
    }

    /// From now on they do not.
    pub fn mend(&self, pid: u32, calls: &str) -> Result<()> {
        self.order(pid, &format!("disable name={calls}"))
    }

    fn order(&self, pid: u32, order: &str) -> Result<()> {
        let output = Command::new("fiu-ctrl")
            .arg("-f")
            .arg(&self.prefix)
            .args(["-c", order, &pid.to_string()])
            .output()
            .context("cannot start fiu-ctrl (Debian: apt-get install fiu-utils)")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success() && !said.contains("rror"),
            "fiu-ctrl {order}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
