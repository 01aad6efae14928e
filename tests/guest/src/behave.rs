//! The ways to misbehave.

use crate::tombolo::connector::config;
use crate::tombolo::connector::types::{Failure, Fault};

/// The call during which it happens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    Describe,
    Check,
    Get,
    Search,
    Create,
    Update,
    Delete,
    ListMembers,
    ChangeMembers,
    SetPassword,
}

impl On {
    fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Check => "check",
            Self::Get => "get",
            Self::Search => "search",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::ListMembers => "list-members",
            Self::ChangeMembers => "change-members",
            Self::SetPassword => "set-password",
        }
    }
}

/// Does what the settings want done during this call; mostly nothing.
pub fn behave(on: On) -> Result<(), Failure> {
    let text = config::settings();
    if text.len() < 4 {
        return Ok(());
    }
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    if settings["on"].as_str() != Some(on.name()) {
        return Ok(());
    }
    match settings["do"].as_str().unwrap_or_default() {
        "loop" => spin(),
        "allocate" => hoard(),
        "trap" => trap(),
        "recurse" => {
            recurse(1);
            Ok(())
        }
        "wait" => {
            std::thread::sleep(std::time::Duration::from_secs(24 * 3600));
            Ok(())
        }
        "fail" => Err(Failure {
            fault: match settings["fault"].as_str().unwrap_or_default() {
                "unauthenticated" => Fault::Unauthenticated,
                "already-exists" => Fault::AlreadyExists,
                "not-found" => Fault::NotFound,
                "invalid" => Fault::Invalid,
                "busy" => Fault::Busy,
                "forbidden" => Fault::Forbidden,
                "timeout" => Fault::Timeout,
                "unsupported" => Fault::Unsupported,
                _ => Fault::Unavailable,
            },
            message: "failed as it was told to".to_owned(),
            attribute: None,
            target_code: None,
            retry_after_ms: Some(7000),
        }),
        _ => Ok(()),
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn hoard() -> ! {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![0xA5; 1 << 20]));
    }
}

fn trap() -> ! {
    panic!("trapped as it was told to")
}

fn recurse(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    if n == u64::MAX {
        room[0]
    } else {
        recurse(n + 1).wrapping_add(room[(n % 64) as usize])
    }
}
