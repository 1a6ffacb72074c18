//! Confinement: Landlock, and the systemd units.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]

use crate::support::{NOW, nfacctd, start, template, v5_of, web};
use netflow::encode::{Message, field};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use testkit::process::Signal;
use testkit::{Process, eventually};

const CONFINED: &str = "access is restricted to the files that the configuration needs";

/// True if the kernel has Landlock; reports the skipped test otherwise.
fn is_confined(process: &Process) -> bool {
    let line = process.wait_for_log("Landlock: ");
    let is_there = !line.contains("this kernel does not support it");
    if !is_there {
        eprintln!("skipped: {line}");
    }
    assert!(!is_there || line.contains(CONFINED), "{line}");
    is_there
}

/// Reloads maps, and waits for that line.
fn reload(process: &Process, line: &str) {
    let before = process.log().matches(line).count();
    process.signal(Signal::SIGUSR2);
    eventually(line, || (process.log().matches(line).count() > before).then_some(()));
}

fn swap(link: &Path, target: &Path) {
    let aside = link.with_extension("aside");
    symlink(target, &aside).unwrap();
    fs::rename(aside, link).unwrap();
}

#[test]
fn a_confined_daemon_works_and_cannot_read_other_files() {
    // Not in /tmp, which stays accessible for the temporary files of SQLite.
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(outside.path().join("map"), "set_tag=2 ip=0.0.0.0/0\n").unwrap();
    let setup = nfacctd(
        "landlock: true
         nfacctd_workers: 2
         pidfile: {dir}/run/pid
         nfacctd_templates_file: {dir}/state/templates
         pre_tag_map: {dir}/maps/map
         plugins: print[p], sqlite3[s], pgsql[w], memory[m]
         aggregate: tag, src_port
         print_output[p]: json
         print_output_file[p]: {dir}/flows/%Y/out.json
         print_latest_file[p]: {dir}/flows/latest
         print_history[p]: 1d
         sql_db[s]: {dir}/db/acct.db
         sql_table[s]: acct
         sql_table_schema[s]: {dir}/maps/acct.sql
         sql_optimize_clauses: true
         sql_refresh_time[s]: 1
         sql_refresh_time[w]: 1
         sql_host[w]: 127.0.0.1
         sql_port[w]: 1
         sql_table[w]: acct
         plugin_write_timeout[w]: 1
         plugin_spool_dir[w]: {dir}/spool
         imt_path[m]: {dir}/run/m.sock",
    );
    for folder in ["maps", "db"] {
        fs::create_dir(setup.path(folder)).unwrap();
    }
    fs::write(setup.path("maps/1"), "set_tag=1 ip=0.0.0.0/0\n").unwrap();
    symlink("1", setup.path("maps/map")).unwrap();
    let table = "CREATE TABLE IF NOT EXISTS acct (agent_id INT, src_port INT, packets INT, bytes INT, stamp_inserted TEXT, stamp_updated TEXT)";
    fs::write(setup.path("maps/acct.sql"), table).unwrap();
    rusqlite::Connection::open(setup.path("db/acct.db")).unwrap().execute_batch(table).unwrap();
    let process = start(&setup);
    if !is_confined(&process) {
        return;
    }
    for task in fs::read_dir(format!("/proc/{}/task", process.id())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
    // A map that is replaced by a rename, and one that links to a file outside the allowed ones.
    fs::write(setup.path("maps/2"), "set_tag=3 ip=0.0.0.0/0\n").unwrap();
    swap(&setup.path("maps/map"), Path::new("2"));
    reload(&process, "maps, lists and networks: reloaded");
    swap(&setup.path("maps/map"), &outside.path().join("map"));
    reload(&process, "nothing was reloaded");
    assert!(process.log().contains("Permission denied"), "{}", process.log());
    swap(&setup.path("maps/map"), Path::new("2"));
    reload(&process, "maps, lists and networks: reloaded");

    let template = template(1, 256, vec![field(7, 2)]);
    let exporter = process.exporter("127.0.1.1");
    exporter.send(&Message::ipfix(1, 0, NOW).templates(&[&template]).finish());
    exporter.send(&v5_of(&[web(1, 7, 1, 1), web(1, 8, 1, 1)]));
    process.wait_for_datagrams(2);
    eventually("the database", || {
        let database = rusqlite::Connection::open(setup.path("db/acct.db")).unwrap();
        database
            .query_row("SELECT COUNT(*) FROM acct WHERE agent_id = 3", [], |row| row.get(0))
            .ok()
            .filter(|count: &i64| *count == 2)
    });
    eventually("the spool", || {
        let files = fs::read_dir(setup.path("spool/w-pgsql")).ok()?.filter_map(Result::ok);
        files.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(".batch")).then_some(())
    });
    eventually("the templates", || process.text("state/templates").contains("127.0.1.1").then_some(()));
    assert!(setup.path("run/m.sock").exists());
    let finished = process.stop();
    let latest = fs::read_to_string(setup.path("flows/latest")).unwrap();
    assert_eq!(latest.lines().filter(|line| line.contains("\"tag\": 3")).count(), 2, "{latest}\n{}", finished.log);
    assert!(!setup.path("run/pid").exists() && !setup.path("run/m.sock").exists());
}

#[test]
fn a_confined_daemon_reopens_its_log() {
    let setup = nfacctd("landlock: true\nplugins: print[p]\naggregate[p]: src_port\nlogfile: {dir}/logs/log");
    let process = setup.start();
    eventually("the log", || process.text("logs/log").contains("waiting for NetFlow").then_some(()));
    if process.text("logs/log").contains("this kernel does not support it") {
        return;
    }
    assert!(process.text("logs/log").contains(CONFINED));
    fs::rename(setup.path("logs/log"), setup.path("logs/log.1")).unwrap();
    process.signal(Signal::SIGHUP);
    eventually("a new log file", || setup.path("logs/log").exists().then_some(()));
    process.stop();
}

#[test]
fn triggers_disable_confinement() {
    let elsewhere = tempfile::tempdir().unwrap();
    let trigger = elsewhere.path().join("trigger");
    fs::write(&trigger, format!("#!/bin/sh\necho done > {}/done\n", elsewhere.path().display())).unwrap();
    fs::set_permissions(&trigger, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let setup = nfacctd(&format!(
        "landlock: true\nplugins: print[p]\naggregate[p]: src_port\nprint_output_file[p]: {{dir}}/out\n\
         print_refresh_time: 1\nprint_trigger_exec[p]: {}",
        trigger.display()
    ));
    let process = start(&setup);
    let line = process.wait_for_log("Landlock: ");
    assert!(line.contains("not used, because it would also confine the trigger of plugin 'p'"), "{line}");
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 7, 1, 1)]));
    eventually("the trigger", || elsewhere.path().join("done").exists().then_some(()));
    process.stop();
}

/// Compares the scores in docs/running.md with `systemd-analyze security`, if it is installed.
#[test]
fn units_have_the_documented_hardening_scores() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/running.md")).unwrap();
    for name in ["nfacctd", "sfacctd", "pmacctd", "uacctd", "pmbgpd", "pmbmpd", "pmtelemetryd"] {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{name}.service` |"))).unwrap();
        let documented: f64 = row.split('|').nth(2).unwrap().trim().parse().unwrap();
        let unit = root.join(format!("etc/systemd/{name}.service"));
        let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(unit).output()
        else {
            eprintln!("skipped: systemd-analyze is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some((_, score)) = text.split_once(&format!("Overall exposure level for {name}.service: ")) else {
            eprintln!("skipped: this systemd-analyze inspects running units only");
            return;
        };
        let score: f64 = score.split_whitespace().next().unwrap().parse().unwrap();
        // Versions of systemd weigh a few settings differently.
        assert!((score - documented).abs() < 0.35, "{name}: {score}, documented is {documented}\n{text}");
    }
}
