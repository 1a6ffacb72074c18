//! Chores of the project.
//!
//! `cargo run -p xtask -- documents` writes the documents that follow from the tables in the code; a test beside each
//! table fails when its document is stale. `cargo run -p xtask -- names` lists every name of every configuration key.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// A document and the text that its table makes of it.
struct Document {
    /// Path below the root of the repository.
    path: &'static str,
    render: fn() -> String,
}

/// Every generated document.
const DOCUMENTS: &[Document] = &[Document { path: "CONFIG-KEYS.md", render: config::render::config_keys }];

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("documents") => match documents() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::FAILURE
            }
        },
        Some("names") => {
            for key in config::keys::all() {
                key.row().names().for_each(|(_, name)| println!("{name}"));
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: cargo run -p xtask -- documents | names");
            ExitCode::FAILURE
        }
    }
}

/// Writes each document whose text has changed, and says so.
fn documents() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for document in DOCUMENTS {
        let path = root.join(document.path);
        let text = (document.render)();
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            println!("{}: as it was", document.path);
        } else {
            fs::write(&path, text)?;
            println!("{}: written", document.path);
        }
    }
    Ok(())
}
