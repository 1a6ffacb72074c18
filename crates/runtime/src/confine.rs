//! Confines the process to the files that it needs, by Landlock.
//!
//! The kernel denies all other access for good, whichever user the process runs as, to all threads that start afterwards and to
//! their children. Files and sockets that are already open are not affected, nor are connections to sockets.
//!
//! The kernel allows a file by its inode, not by its name: a file that is replaced by a rename is another one. So folders are
//! allowed, by their path and, if it has links, also by the path without them.

use crate::files;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use std::io;
use std::path::{Path, PathBuf};

/// The newest set of rights that is used; an older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V5;

/// Files that libraries read: names and services, certificates, time zones, the C library's modules, information about the machine.
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
/// Environment variables that name files that libraries read.
const VARIABLES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "TZDIR"];
/// Devices.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Files that are allowed in addition to the system's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Files that are read: they and all of their folders.
    pub read: Vec<PathBuf>,
    /// Files that are written: they and all of their folders, which are created.
    pub written: Vec<PathBuf>,
    /// Files that are written, as above, but whose folders are not created, as for databases.
    pub written_in_existing: Vec<PathBuf>,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All rights are enforced.
    Whole,
    /// The kernel knows some of the rights, and enforces these.
    Partly,
    /// The kernel has no Landlock, or it is switched off.
    Absent,
}

/// Confines the process, which must have a single thread, to these files. A folder must exist to be allowed; for one that does not
/// and cannot be created, its nearest existing parent is allowed.
///
/// # Errors
/// When the kernel fails to enforce Landlock, or when other threads are already running, which would not be confined.
pub fn confine(access: &Access, settings: &files::Settings) -> io::Result<Outcome> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!(
            "{threads} threads are already running; only one would be confined"
        )));
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
        .handle_access(AccessFs::from_all(NEWEST))?
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
    for path in &access.written_in_existing {
        rules = allow_folders(rules, path, writing)?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Outcome::Whole,
        RulesetStatus::PartiallyEnforced => Outcome::Partly,
        RulesetStatus::NotEnforced => Outcome::Absent,
    })
}

/// Allows the folder of a path, and that of the file to which its links lead.
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

/// Allows a file, or everything below a folder or its nearest existing parent.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    // No parent of a missing system folder is allowed, and never the root folder.
    let above = if SYSTEM.iter().any(|system| Path::new(system) == path) { 0 } else { usize::MAX };
    let above = path.ancestors().skip(1).take(above).filter(|path| path.parent().is_some());
    let there = std::iter::once(path).chain(above).find(|path| path.exists());
    rules.add_rules(path_beneath_rules(there, rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_confined_partially() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let other = std::thread::spawn(move || assert!(held.recv().is_err()));
        let error = confine(&Access::default(), &files::Settings::default()).unwrap_err();
        assert!(error.to_string().contains("threads are already running"), "{error}");
        drop(release);
        other.join().unwrap();
    }
}
