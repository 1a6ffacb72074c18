//! The manifests of the workspace, from `cargo metadata`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// When a dependency is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Normal,
    Build,
    Test,
}

/// A dependency in a manifest.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The name that sources use, with dashes as in the manifest.
    pub(crate) name: String,
    pub(crate) stage: Stage,
    /// True for a crate of this workspace.
    pub(crate) is_ours: bool,
}

/// A library, program, test, benchmark or build script.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) stage: Stage,
    /// Its root source file.
    pub(crate) source: PathBuf,
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: Vec<String>,
}

/// All members.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--no-deps", "--locked"]).current_dir(root());
    let output = command.output().map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    Ok(list(&metadata["packages"]).map(package).collect())
}

fn package(value: &Value) -> Package {
    Package {
        name: text(&value["name"]),
        dependencies: list(&value["dependencies"]).map(dependency).collect(),
        targets: list(&value["targets"]).map(target).collect(),
        features: value["features"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let name = if value["rename"].is_null() { &value["name"] } else { &value["rename"] };
    let stage = match value["kind"].as_str() {
        Some("dev") => Stage::Test,
        Some("build") => Stage::Build,
        _ => Stage::Normal,
    };
    Dependency { name: text(name), stage, is_ours: value["path"].is_string() }
}

fn target(value: &Value) -> Target {
    let stage = match value["kind"][0].as_str() {
        Some("custom-build") => Stage::Build,
        Some("test" | "bench" | "example") => Stage::Test,
        _ => Stage::Normal,
    };
    Target { stage, source: PathBuf::from(text(&value["src_path"])) }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
