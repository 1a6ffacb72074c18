//! The process keeps to the files that it needs: Landlock.
//!
//! What is not allowed here is refused by the kernel, whoever the process runs as, for good, for all threads that start afterwards and
//! for their children. Files and sockets that are open already are not affected, nor is connecting to sockets.
//!
//! A kernel allows a file by what it is, not by its name: one that is replaced by a rename is another. So folders are allowed,
//! by their path and, where that has links, by the path without them.

use crate::files;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use std::io;
use std::path::{Path, PathBuf};

/// The newest set of rights that is known here; a kernel that knows fewer enforces those.
const KNOWN: ABI = ABI::V5;

/// What libraries read: names and services, certificates, time zones, the C library's modules, the machine's figures.
const SYSTEM: &[&str] = &[
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sys",
    "/run/systemd/resolve",
    "/var/lib/ca-certificates",
    "/var/lib/sss",
    "/nix/store",
    "/gnu/store",
];
/// Files of the system that are replaced while processes run, and that are links on many systems.
const LINKED: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime"];
/// Variables of the environment that name what libraries read.
const VARIABLES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "TZDIR"];
/// Devices.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What is allowed beside the system's own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Files that are read: they and all of their folders.
    pub read: Vec<PathBuf>,
    /// Files that are written: they and all of their folders, which are made.
    pub written: Vec<PathBuf>,
    /// The same, of those whose folders are not made, such as databases.
    pub placed: Vec<PathBuf>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All rights are enforced.
    Whole,
    /// The kernel knows some of the rights, and enforces these.
    Partly,
    /// The kernel has no Landlock, or it is switched off.
    Absent,
}

/// Confines the process, which has one thread yet, to what is allowed. A folder must be there to be allowed; for one that is not and
/// cannot be made, the nearest folder above it that is there is allowed.
///
/// # Errors
/// When the kernel has Landlock and refuses to enforce it, or other threads run already, which would not be confined.
pub fn confine(access: &Access, settings: &files::Settings) -> io::Result<Outcome> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!("{threads} threads run already; only one would be confined")));
    }
    enforce(access, settings).map_err(io::Error::other)
}

fn enforce(access: &Access, settings: &files::Settings) -> Result<Outcome, landlock::RulesetError> {
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::RemoveFile
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::MakeSock;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?;
    for path in SYSTEM {
        rules = allow(rules, Path::new(path), reading)?;
    }
    for path in LINKED {
        rules = allow_folders(rules, Path::new(path), reading)?;
    }
    for path in VARIABLES.iter().filter_map(std::env::var_os) {
        rules = allow_folders(rules, Path::new(&path), reading)?;
        rules = allow(rules, Path::new(&path), reading)?;
    }
    for path in DEVICES {
        rules = allow(rules, Path::new(path), writing)?;
    }
    for path in &access.read {
        rules = allow_folders(rules, path, reading)?;
    }
    for path in &access.written {
        let _ = files::make_parents(path, settings);
        rules = allow_folders(rules, path, writing)?;
    }
    for path in &access.placed {
        rules = allow_folders(rules, path, writing)?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Outcome::Whole,
        RulesetStatus::PartiallyEnforced => Outcome::Partly,
        RulesetStatus::NotEnforced => Outcome::Absent,
    })
}

/// Allows the folder of a path, and that of the file which it leads to.
fn allow_folders(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rules = rules;
    for path in [std::fs::canonicalize(&absolute).unwrap_or_default(), absolute] {
        if let Some(folder) = path.parent() {
            rules = allow(rules, folder, rights)?;
        }
    }
    Ok(rules)
}

/// Allows what is below a folder, or the nearest one above that is there; or a file.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    // What is missing of the system's is not looked for above, and nothing as far as the root.
    let above = if SYSTEM.iter().any(|system| Path::new(system) == path) { 0 } else { usize::MAX };
    let above = path.ancestors().skip(1).take(above).filter(|path| path.parent().is_some());
    let there = std::iter::once(path).chain(above).find(|path| path.exists());
    rules.add_rules(path_beneath_rules(there, rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_confined_in_part() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let other = std::thread::spawn(move || assert!(held.recv().is_err()));
        let error = confine(&Access::default(), &files::Settings::default()).unwrap_err();
        assert!(error.to_string().contains("threads run already"), "{error}");
        drop(release);
        other.join().unwrap();
    }
}
