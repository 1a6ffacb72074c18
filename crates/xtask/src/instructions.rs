//! Instruction counts of the core benchmarks, measured by valgrind and compared with a committed baseline.
//!
//! Times on a shared machine are unreliable; instruction counts hardly vary between runs. They do depend on the
//! compiler: if its version is not the baseline's, differences are printed but do not fail the check.
//!
//! Each case runs with two numbers of passes, so that the difference excludes its start and its first pass, which
//! fills the table. The program is built for the baseline of its architecture: valgrind does not support every
//! instruction of new processors.

use crate::workspace;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cases and their instruction counts, relative to the root.
const BASELINE: &str = "benches/instructions.tsv";
/// Allowed deviation from the baseline, in thousandths. Random hash seeds cause a few of them.
const TOLERANCE: u64 = 30;
/// Passes of the two runs.
const PASSES: [u64; 2] = [1, 3];
/// Cores that perform these passes in each run.
const CORES: u64 = 5;

/// Instructions per pass by case, and the compiler.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    compiler: String,
    cases: BTreeMap<String, u64>,
}

/// Compares with the baseline: one line for each case outside the tolerance.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let Some(counted) = count()? else { return Ok(Vec::new()) };
    let text = fs::read_to_string(workspace::root().join(BASELINE)).map_err(|error| error.to_string())?;
    let baseline = parse(&text).ok_or(format!("{BASELINE}: invalid format"))?;
    let lines = compare(&counted, &baseline);
    if counted.compiler != baseline.compiler {
        println!(
            "compiled by {}, the baseline by {}: differences are not errors",
            counted.compiler, baseline.compiler
        );
        lines.iter().for_each(|line| println!("{line}"));
        return Ok(Vec::new());
    }
    Ok(lines)
}

/// Rewrites the baseline.
pub(crate) fn update() -> Result<(), String> {
    let Some(counted) = count()? else { return Err("nothing was counted".to_owned()) };
    fs::write(workspace::root().join(BASELINE), render(&counted)).map_err(|error| error.to_string())
}

fn compare(counted: &Counts, baseline: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    for (case, now) in &counted.cases {
        let Some(before) = baseline.cases.get(case) else {
            lines.push(format!("{case}: not in {BASELINE}: run `cargo run -p xtask -- instructions --update`"));
            continue;
        };
        println!("{case}: {now} instructions per pass, {before} in the baseline");
        let difference = now.abs_diff(*before).saturating_mul(1000) / (*before).max(1);
        if difference > TOLERANCE {
            let sign = if now > before { '+' } else { '-' };
            let (whole, tenth) = (difference / 10, difference % 10);
            lines.push(format!(
                "{case}: {sign}{whole}.{tenth} % instructions: {now}, {before} in {BASELINE}; if this is intended, run \
                 `cargo run -p xtask -- instructions --update`"
            ));
        }
    }
    for case in baseline.cases.keys().filter(|case| !counted.cases.contains_key(*case)) {
        lines.push(format!("{case}: in {BASELINE}, but there is no such case"));
    }
    lines
}

fn parse(text: &str) -> Option<Counts> {
    let mut lines = text.lines();
    let compiler = lines.next()?.strip_prefix("# ")?.to_owned();
    let case = |line: &str| {
        let (name, count) = line.split_once('\t')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    Some(Counts { compiler, cases: lines.map(case).collect::<Option<_>>()? })
}

fn render(counts: &Counts) -> String {
    let mut text = format!("# {}\n", counts.compiler);
    for (case, count) in &counts.cases {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{case}\t{count}");
    }
    text
}

/// Counts all cases; `None` without valgrind.
fn count() -> Result<Option<Counts>, String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, as valgrind is not installed");
        return Ok(None);
    }
    let program = build()?;
    let version = run(Command::new("rustc").arg("--version"))?.0;
    let compiler = format!("{} on {}", version.trim(), std::env::consts::ARCH);
    let mut cases = BTreeMap::new();
    for case in run(&mut Command::new(&program))?.0.lines() {
        let [few, many] = PASSES.map(|passes| collected(&program, case, passes));
        let passes = CORES * (PASSES[1] - PASSES[0]);
        cases.insert(case.to_owned(), many?.saturating_sub(few?) / passes);
    }
    Ok(Some(Counts { compiler, cases }))
}

/// Builds the program with the cases in a separate target folder: its flags differ from those of other builds.
fn build() -> Result<PathBuf, String> {
    let root = workspace::root();
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = root.join(folder).join("instructions");
    let flags = if cfg!(target_arch = "x86_64") { "-C target-cpu=x86-64-v2" } else { "" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--locked", "--package", "benchkit", "--target-dir"]);
    run(command.arg(&folder).env("RUSTFLAGS", flags).current_dir(root))?;
    Ok(folder.join("release/run-case"))
}

/// The instructions that callgrind counts for `passes` passes of a case.
fn collected(program: &Path, case: &str, passes: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let output = run(command.args([case, &passes.to_string()]))?.1;
    let count = output.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.ok_or(format!("no instruction count in the output of valgrind:\n{output}"))
}

/// Standard output and standard error of a command that succeeds.
fn run(command: &mut Command) -> Result<(String, String), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() { Ok((out, err)) } else { Err(format!("{command:?}: {}\n{err}", output.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cases: &[(&str, u64)]) -> Counts {
        let cases = cases.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { compiler: "rustc 1".to_owned(), cases }
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let written = counts(&[("a/b", 17), ("c", 2)]);
        assert_eq!(parse(&render(&written)), Some(written));
        assert_eq!(parse("a\t1\n"), None);
    }

    #[test]
    fn only_cases_outside_the_tolerance_are_listed() {
        let baseline = counts(&[("same", 1000), ("slower", 1000), ("faster", 1000), ("gone", 1)]);
        let now = counts(&[("same", 1029), ("slower", 1031), ("faster", 960), ("new", 5)]);
        let lines = compare(&now, &baseline);
        let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(names, ["faster", "new", "slower", "gone"]);
        assert!(lines[2].contains("+3.1 %"), "{}", lines[2]);
    }
}
