//! What a connector does to a disk that it is let at. Each answers what it achieved, and what stopped it.

use std::fs::{File, OpenOptions, create_dir, hard_link, remove_file, rename, write};
use std::io::{Error, Result, Seek as _, SeekFrom, Write as _};

/// The misbehaviour of that name in the directory `root`.
pub(crate) fn behave(kind: &str, root: &str) -> Option<String> {
    Some(match kind {
        "files-bytes" => until_stopped(File::create(format!("{root}/bomb"))),
        "files-append" => {
            let mut options = OpenOptions::new();
            until_stopped(options.append(true).create(true).open(format!("{root}/log")))
        }
        "files-sparse" => sparse(root),
        "files-many" => count(|n| File::create(format!("{root}/f{n}")).map(drop)),
        "files-directories" => {
            let mut path = root.to_owned();
            count(|_| {
                path.push_str("/d");
                create_dir(&path)
            })
        }
        "files-names" => {
            write(format!("{root}/one"), "x").ok()?;
            count(|n| hard_link(format!("{root}/one"), format!("{root}/l{n}")))
        }
        "files-nameless" => {
            let mut held = Vec::new();
            count(|n| {
                let path = format!("{root}/n{n}");
                let mut file = File::create(&path)?;
                remove_file(&path)?;
                let written = file.write_all(&[7; 10_000]);
                held.push(file);
                written
            })
        }
        "files-tidy" => tidy(root).map_or_else(|why| stopped(&why), |()| "allowed".to_owned()),
        _ => return None,
    })
}

fn stopped(why: &Error) -> String {
    match why.raw_os_error() {
        // WASI's `dquot`, for which the standard library has no kind here.
        Some(19) => "over-quota".to_owned(),
        // What this libc makes of any failure of a stream, without asking for its code.
        Some(29) => "unwritten".to_owned(),
        _ => format!("{why:?}"),
    }
}

/// Does it over and over; answers how often that went well.
fn count(mut act: impl FnMut(u32) -> Result<()>) -> String {
    for done in 0..100_000 {
        if let Err(why) = act(done) {
            return format!("{done} {}", stopped(&why));
        }
    }
    "never stopped".to_owned()
}

fn until_stopped(opened: Result<File>) -> String {
    match opened {
        Ok(mut file) => count(|_| file.write_all(&[1; 1000])),
        Err(why) => stopped(&why),
    }
}

/// A file of a tebibyte that takes nothing yet, by two roads.
fn sparse(root: &str) -> String {
    let by_size = File::create(format!("{root}/sparse")).and_then(|file| file.set_len(1 << 40));
    let by_offset = File::create(format!("{root}/hole")).and_then(|mut file| {
        file.seek(SeekFrom::Start(1 << 40))?;
        file.write_all(b"x")
    });
    let said = |result: Result<()>| result.map_or_else(|why| stopped(&why), |()| "allowed".to_owned());
    format!("{} {}", said(by_size), said(by_offset))
}

/// What an honest connector does for years: nothing of it may count twice, or for ever.
fn tidy(root: &str) -> Result<()> {
    let path = |name: &str| format!("{root}/{name}");
    for _ in 0..50 {
        write(path("new"), [1; 40_000])?;
        // Over the old one.
        rename(path("new"), path("kept"))?;
        let file = OpenOptions::new().write(true).open(path("kept"))?;
        file.set_len(100)?;
        file.set_len(60_000)?;
        write(path("kept"), [2; 30_000])?;
        hard_link(path("kept"), path("second"))?;
        remove_file(path("second"))?;
        create_dir(path("folder"))?;
        write(path("folder/inner"), [3; 20_000])?;
        remove_file(path("folder/inner"))?;
        std::fs::remove_dir(path("folder"))?;
    }
    remove_file(path("kept"))
}
