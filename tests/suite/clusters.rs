//! Daemons that share ports: what each of them receives, and what becomes of it when one starts or ends.

use crate::support::{NOW, v5_of, web};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use testkit::bgp::Speaker;
use testkit::conditions::PATIENCE;
use testkit::output::sum;
use testkit::process::Signal;
use testkit::sockets::own_address;
use testkit::traffic::{Flow, Flows, Stream, Version, total};
use testkit::{Exporter, Process, Setup, eventually};

/// A daemon that listens for flows on an address that others have as well, and prints what exporters sent.
fn member(shared: SocketAddr, lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(&format!(
            "nfacctd_ip: {}\nnfacctd_port: {}\nprint_refresh_time: 86400\nplugins: print[p]\nprint_output: json
             aggregate: peer_src_ip, flows\nprint_output_file: {{dir}}/out.json",
            shared.ip(),
            shared.port()
        ))
        .more_config(lines)
}

fn running(setup: &Setup) -> Process {
    let process = setup.spawn();
    process.wait_for_log("waiting for NetFlow/IPFIX data");
    process
}

/// Exporters of this many addresses.
fn exporters(count: u8, shared: SocketAddr) -> Vec<Exporter> {
    let address = |number| format!("127.0.7.{number}").parse().expect("an address");
    (1..=count).map(|number| Exporter::new(address(number), shared)).collect()
}

/// Datagrams that each of the daemons has received.
fn received<const N: usize>(daemons: [&Process; N]) -> [u64; N] {
    daemons.map(|daemon| daemon.statistics().value("datagrams_received"))
}

/// Waits until all daemons together have received that many datagrams, and returns how many each has.
fn wait_for<const N: usize>(daemons: [&Process; N], count: u64) -> [u64; N] {
    eventually("all datagrams", || Some(received(daemons)).filter(|each| each.iter().sum::<u64>() >= count))
}

#[test]
fn exporters_of_a_daemon_that_dies_go_to_the_others() {
    const EXPORTERS: u8 = 40;
    let shared = own_address();
    let lines = |workers: u8| format!("cluster_name: flows\nnfacctd_workers: {workers}");
    let [first, second] = [1, 2].map(|workers| running(&member(shared, &lines(workers))));
    let exporters = exporters(EXPORTERS, shared);
    let send = || exporters.iter().for_each(|exporter| exporter.send(&v5_of(&[web(1, 1, 1, 10)])));
    let all = u64::from(EXPORTERS);
    send();
    let each = wait_for([&first, &second], all);
    assert!(each.iter().all(|count| *count > 0), "the kernel selects both: {each:?}");

    // One that starts takes exporters over; nothing is lost while it does.
    let setup = member(shared, &lines(1));
    let third = std::thread::scope(|scope| {
        let starting = scope.spawn(|| running(&setup));
        for _ in 0..5 {
            send();
        }
        starting.join().expect("it starts")
    });
    wait_for([&first, &second, &third], 6 * all);
    send();
    let before = wait_for([&first, &second, &third], 7 * all);
    assert_eq!(before.iter().sum::<u64>(), 7 * all);
    assert!(before[2] > 0, "{before:?}");

    first.signal(Signal::SIGKILL);
    first.wait();
    send();
    let after = wait_for([&second, &third], before[1] + before[2] + all);
    assert_eq!(after[0] + after[1], before[1] + before[2] + all);
    [second, third].into_iter().for_each(|daemon| _ = daemon.stop());
}

/// Restarts each of two daemons while exporters send: none of their datagrams may be lost.
fn restart_under_load(shared: SocketAddr, lines: impl Fn(u8) -> String) {
    const EXPORTERS: u8 = 16;
    let setup = |id| member(shared, &format!("nfacctd_workers: 1\nnfacctd_pipe_size: 4194304\n{}", lines(id)));
    let mut daemons: Vec<Process> = [0, 1].map(|id| running(&setup(id))).into();
    let exporters = exporters(EXPORTERS, shared);
    let is_done = AtomicBool::new(false);
    let deadline = Instant::now() + PATIENCE;
    let (sent, mut rows) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !is_done.load(Ordering::Relaxed) && Instant::now() < deadline {
                exporters.iter().for_each(|exporter| exporter.send(&v5_of(&[web(1, 1, 1, 10)])));
                sent += u64::from(EXPORTERS);
                // A pace that the daemons keep up with on a busy machine.
                std::thread::park_timeout(Duration::from_millis(2));
            }
            sent
        });
        let mut rows = Vec::new();
        for id in [0, 1] {
            let daemon = daemons.remove(0);
            let before = daemon.statistics().value("datagrams_received");
            daemon.wait_for_datagrams(before + 200);
            rows.extend(daemon.stop().json("out.json"));
            daemons.push(running(&setup(id)));
        }
        let before = received([&daemons[0], &daemons[1]]);
        for (daemon, before) in daemons.iter().zip(before) {
            daemon.wait_for_datagrams(before + 200);
        }
        is_done.store(true, Ordering::Relaxed);
        (sender.join().expect("it sends"), rows)
    });
    rows.extend(daemons.into_iter().flat_map(|daemon| daemon.stop().json("out.json")));
    assert_eq!(sum(&rows, "flows"), sent);
}

#[test]
fn restarts_of_daemons_lose_nothing() {
    restart_under_load(own_address(), |_| "cluster_name: restarts".to_owned());
}

#[test]
fn restarts_of_daemons_with_a_program_lose_nothing() {
    let Some(cluster) = Selected::new(2, 1) else { return };
    restart_under_load(own_address(), |id| cluster.lines(id));
}

#[test]
fn data_that_precede_their_template_in_another_daemon_are_kept_for_it() {
    const EXPORTERS: u8 = 12;
    let shared = own_address();
    let [first, second] =
        [(); 2].map(|()| running(&member(shared, "cluster_name: templates\nnfacctd_workers: 1")));
    let exporters = exporters(EXPORTERS, shared);
    let flows: Vec<Flow> = Flows::new(7).ipv4().take(20).collect();
    let mut streams: Vec<Stream> = exporters.iter().map(|_| Stream::new(Version::V9, 1, NOW)).collect();
    let mut sent = 0;
    let mut send = |repeats: bool| {
        for (exporter, stream) in exporters.iter().zip(&mut streams) {
            if repeats {
                stream.repeat_templates();
            }
            let datagrams = stream.datagrams(&flows);
            sent += datagrams.len() as u64;
            exporter.send_all(datagrams);
        }
        sent
    };
    let all = send(true);
    let [_, before] = wait_for([&first, &second], all);
    let ended = first.stop();
    let again = send(false) - all;
    let statistics = second.wait_for_datagrams(before + again);
    assert!(statistics.value("sets_pending") > 0, "{}", statistics.lines.join("\n"));
    let last = send(true) - all - again;
    second.wait_for_datagrams(before + again + last).assert_all_accounted();
    let rows = [ended.json("out.json"), second.stop().json("out.json")].concat();
    assert_eq!(sum(&rows, "flows"), 3 * u64::from(EXPORTERS) * total(&flows).flows);
}

/// A pmbgpd on that address.
fn pmbgpd(shared: SocketAddr, lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config(&format!(
            "bgp_daemon_ip: {}\nbgp_daemon_port: {}\nbgp_daemon_as: 64512\nbgp_daemon_id: 10.255.0.1
             bgp_daemon_max_peers: 100\nbgp_daemon_msglog_file: {{dir}}/log.json",
            shared.ip(),
            shared.port()
        ))
        .more_config(lines)
}

/// Peers whose sessions a daemon has logged.
fn peers(text: &str) -> BTreeSet<String> {
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let opened = events.filter(|event| event["event_type"] == "log_init");
    opened.filter_map(|event| Some(event["peer_ip_src"].as_str()?.to_owned())).collect()
}

#[test]
fn peers_of_a_daemon_that_dies_connect_to_the_others() {
    let shared = own_address();
    let daemons = [(); 2].map(|()| {
        let process = pmbgpd(shared, "cluster_name: sessions").spawn();
        process.wait_for_log("waiting for BGP data");
        process
    });
    let alone = pmbgpd(shared, "").run();
    assert_eq!(alone.code(), Some(1));
    assert!(alone.log.contains("only daemons that all set cluster_name can share"), "{}", alone.log);

    let source = |number: u32| format!("127.0.7.{number}");
    let _sessions: Vec<Speaker> =
        (1..=16).map(|number| Speaker::simple(&source(number), 65_000 + number, shared)).collect();
    let [first, second] = eventually("all sessions", || {
        let each = daemons.each_ref().map(|daemon| peers(&daemon.text("log.json")));
        Some(each).filter(|[first, second]| first.len() + second.len() == 16)
    });
    assert!(first.is_disjoint(&second) && !first.is_empty() && !second.is_empty(), "{first:?} {second:?}");

    let [dies, stays] = daemons;
    dies.signal(Signal::SIGKILL);
    dies.wait();
    let _again: Vec<Speaker> = (1..=16)
        .filter(|number| first.contains(&source(*number)))
        .map(|number| Speaker::simple(&source(number), 65_000 + number, shared))
        .collect();
    eventually("their sessions", || (peers(&stays.text("log.json")).len() == 16).then_some(()));
    stays.stop();
}

#[test]
fn telemetry_shares_its_ports() {
    let [tcp, udp, notif] = [(); 3].map(|()| own_address());
    let setup = |lines: &str| {
        Setup::new(env!("CARGO_BIN_EXE_pmtelemetryd"))
            .config(&format!(
                "telemetry_daemon_ip: {}\ntelemetry_daemon_port_tcp: {}\ntelemetry_daemon_decoder: json
                 telemetry_daemon_udp_notif_ip: {}\ntelemetry_daemon_udp_notif_port: {}
                 telemetry_daemon_msglog_file: {{dir}}/log.json",
                tcp.ip(),
                tcp.port(),
                notif.ip(),
                notif.port()
            ))
            .more_config(lines)
    };
    let only_udp = |lines: &str| {
        Setup::new(env!("CARGO_BIN_EXE_pmtelemetryd"))
            .config(&format!(
                "telemetry_daemon_ip: {}\ntelemetry_daemon_port_udp: {}\ntelemetry_daemon_decoder: json
                 telemetry_daemon_msglog_file: {{dir}}/log.json",
                udp.ip(),
                udp.port()
            ))
            .more_config(lines)
    };
    for setup in [&setup as &dyn Fn(&str) -> Setup, &only_udp] {
        let daemons = [(); 2].map(|()| {
            let process = setup("cluster_name: telemetry").spawn();
            process.wait_for_log("waiting for telemetry data");
            process
        });
        let alone = setup("").run();
        assert_eq!(alone.code(), Some(1));
        assert!(alone.log.contains("only daemons that all set cluster_name can share"), "{}", alone.log);
        daemons.into_iter().for_each(|daemon| _ = daemon.stop());
    }
}

/// A cluster with a program, and its folder of maps, which is removed at the end.
struct Selected {
    name: String,
    folder: tempfile::TempDir,
}

impl Selected {
    /// Compiles `etc/ebpf/by-router.c`; `None`, with the reason in the output, if that or eBPF is not possible here.
    fn new(daemons: u8, workers: u8) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let is_required = std::env::var("PMACCT_TEST_SERVERS").is_ok_and(|value| value == "required");
        let folder = tempfile::tempdir().expect("a folder");
        let skipped = |why: &str| {
            assert!(!is_required, "{why}");
            eprintln!("skipped: {why}");
        };
        // Most systems mount it at boot; containers often do not.
        let is_mounted = || {
            let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
            mounts.lines().any(|line| line.split(' ').nth(1) == Some("/sys/fs/bpf"))
        };
        let mount = || Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]).output();
        if !is_mounted() && mount().is_err() | !is_mounted() {
            skipped("no BPF file system is mounted, and mounting it needs privileges");
            return None;
        }
        let cluster = Self { name: format!("test-{}-{number}", std::process::id()), folder };
        match cluster.compile(daemons, workers, &[]) {
            Err(why) => {
                skipped(&why);
                None
            }
            Ok(_) => Some(cluster),
        }
    }

    /// Compiles the program, with parts of its text replaced.
    fn compile(&self, daemons: u8, workers: u8, replaced: &[(&str, &str)]) -> Result<(), String> {
        let source = self.folder.path().join("by-router.c");
        let original = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/ebpf/by-router.c");
        let mut text = std::fs::read_to_string(original).expect("the program is there");
        for (part, other) in replaced {
            assert!(text.contains(part), "{part}");
            text = text.replace(part, other);
        }
        std::fs::write(&source, text).expect("the folder can be written");
        let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
        let compiled = Command::new("clang")
            .args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-I", &headers])
            .args([format!("-DDAEMONS={daemons}"), format!("-DWORKERS={workers}")])
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(self.program())
            .output()
            .map_err(|error| format!("clang: {error}"))?;
        let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
        if compiled.status.success() { Ok(()) } else { Err(said) }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("by-router.o")
    }

    /// Lines of a member.
    fn lines(&self, id: u8) -> String {
        let (name, program) = (&self.name, self.program());
        format!("cluster_name: {name}\ncluster_id: {id}\nnfacctd_rp_ebpf_prog: {}", program.display())
    }
}

impl Drop for Selected {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new("/sys/fs/bpf/pmacct").join(&self.name));
    }
}

/// Which daemon's output has an exporter.
fn owners(outputs: &[Vec<Value>]) -> BTreeMap<String, BTreeSet<usize>> {
    let mut owners: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (number, rows) in outputs.iter().enumerate() {
        for row in rows {
            owners.entry(row["peer_ip_src"].as_str().unwrap_or_default().to_owned()).or_default().insert(number);
        }
    }
    owners
}

#[test]
fn a_program_brings_flows_and_sessions_of_a_router_to_one_daemon() {
    const ROUTERS: u8 = 24;
    let Some(cluster) = Selected::new(2, 2) else { return };
    let (shared, bgp) = (own_address(), own_address());
    let setup = |id| {
        let lines = format!(
            "nfacctd_workers: 2\nbgp_daemon: true\nbgp_daemon_ip: {}\nbgp_daemon_port: {}\nbgp_daemon_max_peers: 100
             bgp_daemon_rp_ebpf_prog: {}\nbgp_daemon_msglog_file: {{dir}}/log.json",
            bgp.ip(),
            bgp.port(),
            cluster.program().display()
        );
        member(shared, &cluster.lines(id)).more_config(&lines)
    };
    let daemons = [0, 1].map(|id| running(&setup(id)));
    let source = |number: u8| format!("127.0.7.{number}");
    // Each router has a session, and sends flows from two ports.
    let _sessions: Vec<Speaker> =
        (1..=ROUTERS).map(|number| Speaker::simple(&source(number), 65_000 + u32::from(number), bgp)).collect();
    let [left, right] = [exporters(ROUTERS, shared), exporters(ROUTERS, shared)];
    let send = || left.iter().chain(&right).for_each(|exporter| exporter.send(&v5_of(&[web(1, 1, 1, 10)])));
    send();
    let all = 2 * u64::from(ROUTERS);
    wait_for(daemons.each_ref(), all);
    let sessions = eventually("all sessions", || {
        let each = daemons.each_ref().map(|daemon| peers(&daemon.text("log.json")));
        Some(each).filter(|[first, second]| first.len() + second.len() == usize::from(ROUTERS))
    });
    let used = daemons.each_ref().map(|daemon| {
        let report = daemon.statistics();
        ["worker=0", "worker=1"].map(|worker| report.value_of(worker, "datagrams_received"))
    });
    assert!(used.iter().flatten().all(|count| *count > 0), "each worker has exporters: {used:?}");

    // The exporters of one that dies go to the other, and come back with it.
    let [first, second] = daemons;
    let before = received([&second])[0];
    first.signal(Signal::SIGKILL);
    first.wait();
    send();
    second.wait_for_datagrams(before + all);
    let restarted = running(&setup(0));
    let taken = setup(1).run();
    assert_eq!(taken.code(), Some(1));
    assert!(taken.log.contains("another daemon of the cluster has place 1 (cluster_id: 1;"), "{}", taken.log);
    send();
    let counts = wait_for([&restarted, &second], before + 2 * all);
    assert_eq!(counts[0] + counts[1], before + 2 * all);
    assert_eq!(counts[0], all - before, "the exporters that it had before");

    let outputs = [restarted.stop().json("out.json"), second.stop().json("out.json")];
    let owners = owners(&outputs);
    assert_eq!(owners.len(), usize::from(ROUTERS));
    for (router, daemons) in owners {
        let has_first = daemons.contains(&0);
        assert_eq!(sessions.each_ref().map(|peers| peers.contains(&router)), [has_first, !has_first], "{router}");
    }
}

#[test]
fn errors_of_programs_say_what_is_wrong() {
    let Some(cluster) = Selected::new(2, 1) else { return };
    let shared = own_address();
    let failed = |setup: &Setup, what: &str| {
        let finished = setup.run();
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        let said = |line: &str| line.contains("nfacctd_rp_ebpf_prog: ") && line.contains(what);
        assert!(finished.log.lines().any(said), "no {what:?} in {}", finished.log);
    };
    let member = |lines: &str| member(shared, &format!("nfacctd_workers: 1\n{lines}"));
    failed(&member(&cluster.lines(2)), "place 2 is too high, as the map of the program has only 2");
    let program = |path: &str| format!("cluster_name: {}\nnfacctd_rp_ebpf_prog: {path}", cluster.name);
    failed(&member(&program("/nonexistent.o")), "cannot read it: No such file or directory");
    failed(&member(&program("/etc/passwd")), "not an object file of eBPF programs");
    let dotted = "cluster_name: a.b\nnfacctd_rp_ebpf_prog: x.o";
    let finished = member(dotted).run();
    assert_eq!(finished.code(), Some(1));
    assert!(finished.log.contains("cluster_name: 'a.b' is not the name of a folder of maps"), "{}", finished.log);

    let compile = |daemons, replaced: &[(&str, &str)]| {
        cluster.compile(daemons, 1, replaced).expect("clang compiles it");
        member(&cluster.lines(0))
    };
    failed(&compile(3, &[]), "was created for a program with a different map");
    failed(&compile(2, &[("_selector", "other")]), "it has no program '_selector' in section 'sk_reuseport'");
    failed(&compile(2, &[("udp_balancing_targets", "other")]), "it has no map 'udp_balancing_targets'");
    failed(&compile(2, &[("hash = *secret", "hash = secret[1]")]), "the kernel rejects the program: ");
    // As programs for pmacct have it: another name of the section, and fields that are looked up in the types of the kernel.
    const LOOKED_UP: &str =
        "#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
    #include <linux/bpf.h>
        #pragma clang attribute pop";
    let section = ("\"sk_reuseport\"", "\"sk_reuseport/selector\"");
    running(&compile(2, &[section, ("#include <linux/bpf.h>", LOOKED_UP)])).stop();
}

#[test]
fn a_program_needs_privileges() {
    let Some(cluster) = Selected::new(2, 1) else { return };
    let setup = member(own_address(), &cluster.lines(0));
    std::fs::write(setup.config_path(), "").expect("the folder can be written");
    drop(running(&setup).stop());
    let config = setup.config_path();
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-bpf,-net_admin,-sys_admin", "--inh-caps", "-bpf,-net_admin,-sys_admin"])
        .arg(env!("CARGO_BIN_EXE_nfacctd"))
        .arg("-f")
        .arg(config)
        .output()
        .expect("setpriv is part of util-linux");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("nfacctd_rp_ebpf_prog: ") && log.contains("privileges are missing: CAP_BPF"), "{log}");
}

#[test]
fn the_documented_configurations_are_valid() {
    let Some(cluster) = Selected::new(2, 1) else { return };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clusters.md");
    let blocks = crate::maps::blocks(&std::fs::read_to_string(path).expect("the document is there"));
    let mut checked = 0;
    for (_, block) in blocks {
        let Some((name, _)) = block.strip_prefix("! ").and_then(|rest| rest.split_once('\n')) else { continue };
        let block = block.replace("/etc/pmacct/", &format!("{}/", cluster.folder.path().display()));
        let block = block.replace("-2-workers", "");
        let finished =
            Setup::new(env!("CARGO_BIN_EXE_nfacctd")).file(name, &block).arguments(["-f", name, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.log);
        assert!(!finished.log.contains("WARN"), "{name}: {}", finished.log);
        checked += 1;
    }
    assert_eq!(checked, 3);
}
