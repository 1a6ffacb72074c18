//! Attacks by local users on the files that a daemon writes: symbolic links in shared folders, pid files, folders that the
//! daemon's user cannot write to.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]

use crate::support::{nfacctd, printing, start, v5_of, web};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::PathBuf;
use testkit::process::Signal;
use testkit::{Setup, eventually};

const NOBODY: u32 = 65534;
const SECRET: &str = "contents of the link's target";

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A world-writable folder with a symbolic link of another user for each name. Each links to a separate file, which contains
/// [`SECRET`].
fn plant(setup: &Setup, names: &[&str]) -> Vec<PathBuf> {
    let shared = setup.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let victims = setup.path("victims");
    fs::create_dir(&victims).unwrap();
    let plant = |name: &&str| {
        let victim = victims.join(name);
        fs::write(&victim, SECRET).unwrap();
        symlink(&victim, shared.join(name)).unwrap();
        if is_root() {
            lchown(shared.join(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        victim
    };
    names.iter().map(plant).collect()
}

#[test]
fn no_file_is_written_through_a_planted_symlink() {
    let setup = nfacctd(
        "plugins: print[p], print[q], print[a]
         aggregate: src_port
         print_output[p]: json
         pidfile: {dir}/shared/pid
         nfacctd_templates_file: {dir}/shared/templates
         print_output_file[p]: {dir}/shared/out.json
         print_latest_file[p]: {dir}/shared/latest
         logfile: {dir}/shared/log
         print_output[q]: avro
         avro_schema_file[q]: {dir}/shared/schema
         print_output_file[q]: {dir}/shared/out.avro
         print_output[a]: json
         print_output_file_append[a]: true
         print_output_file[a]: {dir}/shared/added.json",
    );
    let victims =
        plant(&setup, &["pid", "templates", "out.json", "latest", "log", "schema", "out.avro", "added.json"]);
    let process = setup.start();
    // Log lines that cannot be written to the file go to standard error.
    process.wait_for_log("waiting for NetFlow/IPFIX data");
    let error = process.wait_for_log("log file cannot be opened");
    assert!(error.contains("symbolic link") && error.contains("files_follow_links"), "{error}");
    assert_eq!(process.text("shared/pid").trim(), process.id().to_string());
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 7, 1, 1)]));
    process.signal(Signal::SIGHUP);
    let finished = process.stop();
    assert_eq!(finished.json("shared/out.json").len(), 1, "{}", finished.log);
    for victim in victims {
        assert_eq!(fs::read_to_string(&victim).unwrap(), SECRET, "{}", victim.display());
    }
    for name in ["out.json", "out.avro", "templates"] {
        assert!(!setup.path("shared").join(name).is_symlink(), "{name}: {}", finished.log);
    }
    assert!(finished.log.contains("added.json is a symbolic link"), "{}", finished.log);
}

#[test]
fn a_database_is_not_opened_through_a_planted_symlink() {
    let setup = nfacctd(
        "plugins: sqlite3[s]\naggregate[s]: src_port\nsql_table[s]: acct\nsql_optimize_clauses[s]: true\nsql_db[s]: {dir}/shared/db",
    );
    let victims = plant(&setup, &["db"]);
    fs::write(&victims[0], "").unwrap();
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    assert!(finished.log.contains("db is a symbolic link"), "{}", finished.log);
    assert_eq!(fs::metadata(&victims[0]).unwrap().len(), 0);
}

#[test]
fn files_follow_links_follows_symlinks() {
    let setup = printing("src_port").more_config(
        "print_output_file[p]: {dir}/shared/out.json\nfiles_follow_links: true\nlogfile: {dir}/shared/log",
    );
    let victims = plant(&setup, &["out.json", "log"]);
    let process = setup.start();
    eventually("the log", || fs::read_to_string(&victims[1]).unwrap().contains("waiting for").then_some(()));
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 7, 1, 1)]));
    process.stop();
    assert!(setup.path("shared/out.json").is_symlink());
    assert!(fs::read_to_string(&victims[0]).unwrap().contains("port_src"));
}

#[test]
fn a_second_daemon_with_the_same_pid_file_is_rejected() {
    let first = start(&printing("src_host").more_config("pidfile: {dir}/pid"));
    let pid = first.setup().path("pid");
    let second = printing("src_host").more_config(&format!("pidfile: {}", pid.display())).run();
    assert_eq!(second.code(), Some(1));
    let expected = format!("{}: in use by process {} (nfacctd)", pid.display(), first.id());
    assert!(second.log.contains(&expected), "{}", second.log);
    assert_eq!(first.text("pid").trim(), first.id().to_string());
    // A dry run reports the same as a start, and does not touch the file.
    let trial =
        printing("src_host").more_config(&format!("pidfile: {}", pid.display())).arguments(["-T", "setup"]);
    assert_eq!(trial.run().code(), Some(1));
    assert_eq!(first.text("pid").trim(), first.id().to_string());
    // The pid file of a killed daemon does not prevent a start.
    first.signal(Signal::SIGKILL);
    let setup = first.wait().setup().clone();
    assert!(pid.exists());
    start(&setup).stop();
    assert!(!pid.exists());
}

#[test]
fn an_unprivileged_daemon_clears_its_pid_file_and_keeps_its_log() {
    if !is_root() {
        eprintln!("skipped: only root can drop privileges");
        return;
    }
    let setup = nfacctd(
        "plugins: print[p]\naggregate[p]: src_host\npidfile: {dir}/pid\nlogfile: {dir}/log\nrun_as_user: nobody",
    );
    for _ in 0..2 {
        let process = setup.start();
        eventually("the log", || process.text("log").contains("waiting for NetFlow").then_some(()));
        assert_eq!(process.text("pid").trim(), process.id().to_string());
        fs::rename(setup.path("log"), setup.path("log.1")).unwrap();
        process.signal(Signal::SIGHUP);
        eventually("a line about it", || {
            process.text("log.1").contains("log file cannot be opened").then_some(())
        });
        process.signal(Signal::SIGUSR1);
        eventually("statistics", || process.text("log.1").contains("---").then_some(()));
        process.stop();
        assert!(!setup.path("log").exists());
        // The pid is removed, since another process may have it by now.
        assert_eq!(fs::read_to_string(setup.path("pid")).unwrap(), "");
        let log = fs::read_to_string(setup.path("log.1")).unwrap();
        assert!(log.contains("pid file is emptied"), "{log}");
    }
}
