//! What the compiling child may not do: it reads one pipe, writes two and computes. Should the compiler ever be talked
//! into running something else, that finds no file, no network and no other program.
//!
//! Resource limits hold everywhere. The system-call filter holds where the kernel and the machine have it (x86-64 and
//! aarch64 Linux); without it the child still runs, with the limits alone.

use std::collections::BTreeMap;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::CompileLimits;

/// Standard input, output and error.
const OWN_DESCRIPTORS: i32 = 3;

/// What opens, connects, runs or looks into others. They fail with EPERM, as if the user might not.
const DENIED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];

/// Time, memory, files: what the kernel counts.
pub(super) fn limit(limits: CompileLimits) -> anyhow::Result<()> {
    let set = |resource, most: u64| {
        // What the machine already forbids stays forbidden.
        let most = getrlimit(resource)
            .maximum
            .map_or(most, |already| already.min(most));
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )
    };
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Cpu, limits.cpu.as_secs().max(1))?;
    set(Resource::As, limits.memory)?;
    set(Resource::Nofile, 32)?;
    // Serving comes before compiling, and before guests that compute (see `lane`) too.
    nice(19)?;
    Ok(())
}

/// Closes whatever else was open when this process began: what started the host may have left something.
pub(super) fn close_inherited() -> anyhow::Result<()> {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else {
        return Ok(());
    };
    let open: Vec<i32> = listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number >= OWN_DESCRIPTORS)
        .collect();
    for number in open {
        // The listing's own is among them and closed by now.
        match nix::unistd::close(number) {
            Ok(()) | Err(nix::errno::Errno::EBADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Filters the system calls of this thread and of those that it starts.
pub(super) fn filter() -> anyhow::Result<()> {
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    // No conditions: each of these calls, whatever its arguments.
    let rules: BTreeMap<i64, Vec<_>> = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    let permission = u32::try_from(libc::EPERM)?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(permission),
        machine,
    )?;
    let program = BpfProgram::try_from(filter)?;
    match seccompiler::apply_filter(&program) {
        // A kernel without it, or a container that forbids to ask for it.
        Ok(()) | Err(seccompiler::Error::Seccomp(_) | seccompiler::Error::Prctl(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn what_is_filtered_finds_no_file_no_network_and_no_program() {
        let found = std::thread::spawn(|| {
            filter().unwrap();
            [
                std::fs::File::open("/etc/hostname").err(),
                std::fs::File::create("/tmp/tombolo-must-not-be").err(),
                std::net::TcpListener::bind("127.0.0.1:0").err(),
                std::net::TcpStream::connect("127.0.0.1:1").err(),
                std::net::UdpSocket::bind("127.0.0.1:0").err(),
                std::process::Command::new("/bin/true").spawn().err(),
            ]
            .map(|error| error.map(|error| error.kind()))
        })
        .join()
        .unwrap();
        assert_eq!(found, [Some(ErrorKind::PermissionDenied); 6]);
        // Only there: the filter belongs to that thread.
        assert!(std::fs::File::open("/proc/self/status").is_ok());
    }
}
