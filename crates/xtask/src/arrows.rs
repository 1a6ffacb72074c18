//! Dependencies between crates: compares the manifests with the table in docs/ARCHITECTURE.md.
//!
//! The table has a row for each crate: its name, a description, and the crates that it may use. `all above` in the last
//! column stands for the crates of all rows above. Development dependencies are ignored: tests may use any crate.

use crate::workspace::{Package, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// The document with the table, below the root.
pub(crate) const DOCUMENT: &str = "docs/ARCHITECTURE.md";
/// The title row of the table, without blanks.
const TITLE: &str = "|crate|whatitis|mayuse|";
const ALL_ABOVE: &str = "all above";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    uses: BTreeSet<String>,
    /// True if not every crate in `uses` has to be used.
    is_open: bool,
}

/// One line for each difference between manifests and document.
pub(crate) fn differences(packages: &[Package], document: &str) -> Result<Vec<String>, String> {
    let table = table(document)?;
    let mut lines = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(row) = table.get(name) else {
            lines.push(format!("{name}: the table has no row for this crate"));
            continue;
        };
        let ours = package.dependencies.iter().filter(|used| used.is_ours && used.stage != Stage::Test);
        let used: BTreeSet<String> = ours.map(|used| used.name.clone()).collect();
        for surplus in used.difference(&row.uses) {
            lines.push(format!("{name}: uses {surplus}, which its row does not allow"));
        }
        for unused in row.uses.difference(&used).filter(|_| !row.is_open) {
            lines.push(format!("{name}: does not use {unused}, which its row lists"));
        }
    }
    for name in table.keys().filter(|name| packages.iter().all(|package| package.name != **name)) {
        lines.push(format!("{name}: the table has a row for it, but the workspace has no such crate"));
    }
    Ok(lines)
}

fn table(document: &str) -> Result<BTreeMap<String, Row>, String> {
    let is_title = |line: &&str| line.replace(char::is_whitespace, "") == TITLE;
    let mut lines = document.lines().skip_while(|line| !is_title(line));
    lines.next().ok_or(format!("{DOCUMENT}: no table `crate | what it is | may use`"))?;
    let mut table: BTreeMap<String, Row> = BTreeMap::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let &[name, _, uses] = &cells[..] else { return Err(format!("{DOCUMENT}: not three cells: {line}")) };
        let [name] = &quoted(name)[..] else { return Err(format!("{DOCUMENT}: not one crate: {line}")) };
        let is_open = uses.contains(ALL_ABOVE);
        let mut used: BTreeSet<String> = quoted(uses).into_iter().collect();
        if is_open {
            used.extend(table.keys().cloned());
        } else if used.is_empty() && !uses.is_empty() {
            return Err(format!("{DOCUMENT}: neither crates nor `{ALL_ABOVE}`: {line}"));
        }
        if table.insert(name.clone(), Row { uses: used, is_open }).is_some() {
            return Err(format!("{DOCUMENT}: two rows for {name}"));
        }
    }
    Ok(table)
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const TABLE: &str = "# Crates\n\n| crate | what it is | may use |\n|---|---|---|\n\
                         | `a` | first | |\n| `b` | second | `a` |\n| `c` | last | all above |\n\nMore.\n";

    fn package(name: &str, uses: &[&str]) -> Package {
        let dependency =
            |name: &&str| Dependency { name: (*name).to_owned(), stage: Stage::Normal, is_ours: true };
        Package {
            name: name.to_owned(),
            dependencies: uses.iter().map(dependency).collect(),
            targets: Vec::new(),
            features: Vec::new(),
        }
    }

    #[test]
    fn manifests_that_match_the_table_have_no_differences() {
        let packages = [package("a", &[]), package("b", &["a"]), package("c", &["b"])];
        assert_eq!(differences(&packages, TABLE), Ok(vec![]));
    }

    #[test]
    fn each_difference_is_a_line() {
        let packages = [package("a", &["b"]), package("b", &[]), package("d", &[])];
        let lines = differences(&packages, TABLE).unwrap();
        assert_eq!(
            lines,
            [
                "a: uses b, which its row does not allow",
                "b: does not use a, which its row lists",
                "d: the table has no row for this crate",
                "c: the table has a row for it, but the workspace has no such crate",
            ]
        );
    }

    #[test]
    fn development_dependencies_are_ignored() {
        let mut a = package("a", &["c"]);
        a.dependencies[0].stage = Stage::Test;
        let packages = [a, package("b", &["a"]), package("c", &[])];
        assert_eq!(differences(&packages, TABLE), Ok(vec![]));
    }

    #[test]
    fn a_document_without_the_table_is_an_error() {
        assert!(differences(&[], "# Crates\n").is_err());
    }
}
