//! Unused dependencies.
//!
//! A dependency is used if a source file of the right kind contains its name as a word outside of line comments: the
//! library and the programs for `[dependencies]`, these and tests and benchmarks for `[dev-dependencies]`, the build script
//! for `[build-dependencies]`. Dependencies that are needed without being named are listed in [`USED_IMPLICITLY`].

use crate::workspace::{Package, Stage};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Dependencies that enable features of other crates' dependencies: crate and dependency.
const USED_IMPLICITLY: &[(&str, &str)] = &[];

/// One line for each unused dependency. `manifest` is the root Cargo.toml.
pub(crate) fn unused(packages: &[Package], manifest: &str) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut declared = BTreeSet::new();
    for package in packages {
        let mut sources = Vec::new();
        for target in &package.targets {
            sources.push((target.stage, words_of(&target.source)?));
        }
        for dependency in &package.dependencies {
            declared.insert(dependency.name.as_str());
            let word = dependency.name.replace('-', "_");
            let may_use = |stage: Stage| match dependency.stage {
                Stage::Normal => stage == Stage::Normal,
                Stage::Test => stage != Stage::Build,
                Stage::Build => stage == Stage::Build,
            };
            let is_used = sources.iter().any(|(stage, words)| may_use(*stage) && words.contains(&word));
            if !is_used && !USED_IMPLICITLY.contains(&(&package.name, &dependency.name)) {
                lines.push(format!("{}: no source file uses {}", package.name, dependency.name));
            }
        }
    }
    for name in workspace_dependencies(manifest).filter(|name| !declared.contains(name)) {
        lines.push(format!("Cargo.toml: no crate uses {name} of [workspace.dependencies]"));
    }
    Ok(lines)
}

/// The keys of `[workspace.dependencies]`.
fn workspace_dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split_once(['=', '.'])?.0.trim()))
}

/// The words of all source files of a target: a build script is one file; others include the files beside and below it.
fn words_of(source: &Path) -> io::Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    let mut paths = match source.parent() {
        Some(folder) if source.file_name().is_some_and(|name| name != "build.rs") => vec![folder.to_owned()],
        _ => vec![source.to_owned()],
    };
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries: Vec<PathBuf> =
                fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
            // A folder with a manifest is another package.
            if !entries.iter().any(|entry| entry.ends_with("Cargo.toml")) {
                paths.extend(entries);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            words_in(&fs::read_to_string(&path)?, &mut words);
        }
    }
    Ok(words)
}

fn words_in(text: &str, words: &mut BTreeSet<String>) {
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        let of_line = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.extend(of_line.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Target};

    #[test]
    fn workspace_dependencies_end_with_their_section() {
        let manifest =
            "[a]\nno = 1\n[workspace.dependencies]\n# some\nb = \"1\"\nc-d = { version = \"2\" }\n\n[e]\nf = 1\n";
        assert_eq!(workspace_dependencies(manifest).collect::<Vec<_>>(), ["b", "c-d"]);
    }

    #[test]
    fn a_dependency_named_only_in_a_comment_is_unused() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("lib.rs");
        fs::write(&source, "use used_here::Thing; // and idle::Thing\n").unwrap();
        let dependency = |name: &str| Dependency { name: name.to_owned(), stage: Stage::Normal, is_ours: false };
        let package = Package {
            name: "p".to_owned(),
            dependencies: vec![dependency("used-here"), dependency("idle")],
            targets: vec![Target { stage: Stage::Normal, source }],
            features: Vec::new(),
        };
        let manifest = "[workspace.dependencies]\nused-here = \"1\"\nspare = \"1\"\n";
        assert_eq!(
            unused(&[package], manifest).unwrap(),
            ["p: no source file uses idle", "Cargo.toml: no crate uses spare of [workspace.dependencies]"]
        );
    }
}
