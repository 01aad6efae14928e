//! `tombolo connector new`: a project that builds as it is.

use std::path::{Path, PathBuf};

use crate::assets;
use crate::language::Language;
use crate::project::check_name;

/// Why no project was made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their texts say it")]
pub enum NewError {
    #[error("{0}")]
    Name(String),
    #[error("`{}` is not empty\n  hint: choose a directory that is empty or not there yet, with --dir", .0.display())]
    NotEmpty(PathBuf),
    #[error("cannot write `{}`: {why}", .file.display())]
    Unwritable { file: PathBuf, why: std::io::Error },
}

/// Writes a new project of this name into a directory: the template, the language's SDK and the contract.
pub fn create(name: &str, language: Language, dir: &Path) -> Result<(), NewError> {
    check_name(name).map_err(NewError::Name)?;
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(NewError::NotEmpty(dir.to_owned()));
    }
    let template = assets::template(language).map(|(path, data)| {
        // A file that would mean something where the template lies has a name of its own there.
        let path = path.replace("dot-", ".").replace(".template", "");
        let text = String::from_utf8_lossy(&data).replace("{{name}}", name);
        (path, text.into_bytes().into())
    });
    for (path, data) in template.chain(assets::sdk(language)).chain(assets::wit()) {
        let file = dir.join(path);
        let parent = file.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&file, data))
            .map_err(|why| NewError::Unwritable { file, why })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    #[test]
    fn a_new_project_reads_back_and_brings_sdk_and_contract() {
        for language in Language::ALL {
            let dir = tempfile::tempdir().expect("a directory");
            create("staff", language, dir.path()).expect("a project");
            let project = Project::read(dir.path()).expect("it reads back");
            assert_eq!((project.name(), project.language()), ("staff", language));
            assert!(dir.path().join("wit/types.wit").is_file());
            assert!(dir.path().join("sdk").join(language.name()).is_dir());
            assert!(dir.path().join(".gitignore").is_file(), "{language}");
        }
    }

    #[test]
    fn a_template_is_short() {
        for language in Language::ALL {
            let code: usize = assets::template(language)
                .filter(|(path, _)| {
                    let ends = [".rs", ".py", ".js", ".go", ".c"];
                    ends.iter().any(|end| {
                        path.ends_with(end) || path.ends_with(&format!("{end}.template"))
                    })
                })
                .map(|(_, data)| {
                    let text = String::from_utf8_lossy(&data);
                    text.lines().filter(|line| !line.trim().is_empty()).count()
                })
                .sum();
            assert!((1..80).contains(&code), "{language} has {code} lines");
        }
    }

    #[test]
    fn a_bad_name_and_a_full_directory_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(
            create("No", Language::C, dir.path()),
            Err(NewError::Name(_))
        ));
        std::fs::write(dir.path().join("mine"), "").expect("a file");
        assert!(matches!(
            create("no", Language::C, dir.path()),
            Err(NewError::NotEmpty(_))
        ));
    }
}
