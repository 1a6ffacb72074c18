//! Project tasks: generated documents, and checks of the tree.
//!
//! `cargo run -p xtask -- documents` writes the documents that are generated from tables in the code; a test beside each
//! table fails when its document is stale. `cargo run -p xtask -- names` lists every name of every configuration key.
//! `cargo run -p xtask -- partitions` simulates exporters behind a Kafka topic, for docs/scale-out.md.
//!
//! The others are the checks of `.ci/run`; each prints a line for every problem, and fails if there is any:
//!
//! | command | what it checks |
//! |---|---|
//! | `arrows` | crates use only what the table in docs/ARCHITECTURE.md allows |
//! | `unused` | every dependency is used |
//! | `features` | each feature of the root package alone, none and all build without warnings |
//! | `counters FOLDER` | a run of the tests has incremented every counter |
//! | `instructions [--update]` | the core benchmarks take as many instructions as the committed baseline, within a tolerance |

#![forbid(unsafe_code)]

mod arrows;
mod counters;
mod features;
mod instructions;
mod partitions;
mod unused;
mod workspace;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// A document that is generated from a table.
struct Document {
    /// Path below the root of the repository.
    path: &'static str,
    render: fn() -> String,
}

/// Every generated document.
const DOCUMENTS: &[Document] = &[
    Document { path: "CONFIG-KEYS.md", render: config::render::config_keys },
    Document { path: "docs/metrics.md", render: metrics::document },
];

/// Folder of the documents with tables of map keys.
const MAPS: &str = "docs/maps";

/// Fills in the tables of keys between the markers `<!-- keys: MAP -->` and `<!-- end -->`.
fn with_keys(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line == "<!-- end -->" {
            inside = false;
        }
        if !inside {
            out += line;
            out.push('\n');
        }
        if let Some(name) = line.strip_prefix("<!-- keys: ").and_then(|rest| rest.strip_suffix(" -->")) {
            let pre_tag = [("pre_tag_map", maps::key::pre_tag::KEYS)];
            let tables = pre_tag.iter().chain(maps::key::others::TABLES);
            let (_, keys) = tables.into_iter().find(|(map, _)| *map == name).ok_or(format!("no map {name}"))?;
            out += "\n";
            out += &maps::key::markdown(keys);
            out += "\n";
            inside = true;
        }
    }
    if inside { Err("a table has no end marker".to_owned()) } else { Ok(out) }
}

/// Each document in [`MAPS`]: path, current text and generated text.
fn map_documents(root: &Path) -> io::Result<Vec<(std::path::PathBuf, String, String)>> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(root.join(MAPS))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let wanted = with_keys(&text).map_err(|what| io::Error::other(format!("{}: {what}", path.display())))?;
        documents.push((path, text, wanted));
    }
    Ok(documents)
}

const USAGE: &str = "usage: cargo run -p xtask -- \
    documents | names | partitions | arrows | unused | features | counters FOLDER | instructions [--update]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let problems = match &words[..] {
        ["documents"] => documents().map(|()| Vec::new()).map_err(|error| error.to_string()),
        ["names"] => {
            for key in config::keys::all() {
                key.row().names().for_each(|(_, name)| println!("{name}"));
            }
            Ok(Vec::new())
        }
        ["partitions"] => {
            print!("{}", partitions::report());
            Ok(Vec::new())
        }
        ["arrows"] => check_arrows(),
        ["unused"] => check_unused(),
        ["features"] => workspace::packages().and_then(|packages| features::check(&packages)),
        ["counters", folder] => {
            counters::uncounted(Path::new(folder)).map_err(|error| format!("{folder}: {error}"))
        }
        ["instructions"] => instructions::check(),
        ["instructions", "--update"] => instructions::update().map(|()| Vec::new()),
        _ => Err(USAGE.to_owned()),
    };
    match problems {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_arrows() -> Result<Vec<String>, String> {
    arrows::differences(&workspace::packages()?, &read(arrows::DOCUMENT)?)
}

fn check_unused() -> Result<Vec<String>, String> {
    unused::unused(&workspace::packages()?, &read("Cargo.toml")?).map_err(|error| error.to_string())
}

/// The text of a file below the root of the repository.
fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(workspace::root().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// Writes each document whose text has changed, and reports it.
fn documents() -> io::Result<()> {
    let root = workspace::root();
    for document in DOCUMENTS {
        let path = root.join(document.path);
        let text = (document.render)();
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            println!("{}: unchanged", document.path);
        } else {
            fs::write(&path, text)?;
            println!("{}: written", document.path);
        }
    }
    let statements =
        sql::schemas::files().into_iter().map(|file| (root.join("etc/sql").join(file.path), file.text));
    let columns = (root.join("docs/sql-columns.md"), sql::schemas::document());
    for (path, wanted) in statements.chain([columns]) {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::read_to_string(&path).is_ok_and(|old| old == wanted) {
            continue;
        }
        fs::write(&path, wanted)?;
        println!("{}: written", path.display());
    }
    for (path, text, wanted) in map_documents(&root)? {
        if text != wanted {
            fs::write(&path, wanted)?;
            println!("{}: written", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_keys_match_the_parser() {
        let root = workspace::root();
        let documents = map_documents(&root).unwrap();
        assert!(documents.len() > 3);
        for (path, text, wanted) in documents {
            assert!(text == wanted, "{} is stale: cargo run -p xtask -- documents", path.display());
        }
    }
}
