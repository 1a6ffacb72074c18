//! Feature matrix: the root package must build without warnings with each feature alone, none, and all.

use crate::workspace::{self, Package};
use std::process::Command;
use std::time::Instant;

/// The package whose features these are.
const PACKAGE: &str = "pmacct";
/// Features that need an uncommon C library, with its pkg-config conditions.
const NEEDS_LIBRARY: &[(&str, &[&str])] = &[("ndpi", &["libndpi >= 4.2", "libndpi < 4.3"])];

/// Checks all feature sets; one line for each that fails.
pub(crate) fn check(packages: &[Package]) -> Result<Vec<String>, String> {
    let package = packages.iter().find(|package| package.name == PACKAGE).ok_or("no root package")?;
    let mut features: Vec<&str> =
        package.features.iter().map(String::as_str).filter(|f| *f != "default").collect();
    for (feature, _) in NEEDS_LIBRARY.iter().filter(|(_, conditions)| !has_library(conditions)) {
        println!("{feature}: skipped, as its C library is not installed");
        features.retain(|other| other != feature);
    }
    let all = features.join(",");
    let sets = ["", &all].into_iter().chain(features.iter().copied());
    let mut failures = Vec::new();
    for set in sets {
        let name = if set.is_empty() { "no feature" } else { set };
        let start = Instant::now();
        match builds(set) {
            Ok(()) => println!("{name}: builds ({} s)", start.elapsed().as_secs()),
            Err(messages) => failures.push(format!("{name}: does not build without warnings:\n{messages}")),
        }
    }
    Ok(failures)
}

/// Checks the programs with these comma-separated features. Cargo repeats the warnings of earlier checks, so
/// a second run fails like the first one.
fn builds(features: &str) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["check", "--quiet", "--locked", "--bins", "--no-default-features", "--package", PACKAGE]);
    command.args(["--features", features]).current_dir(workspace::root());
    let output = command.output().map_err(|error| error.to_string())?;
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_warned = messages.lines().any(|line| line.starts_with("warning"));
    if output.status.success() && !is_warned { Ok(()) } else { Err(messages) }
}

fn has_library(conditions: &[&str]) -> bool {
    Command::new("pkg-config").args(conditions).status().is_ok_and(|status| status.success())
}
