//! Malicious senders: the cost of one of them is bounded, counted and logged.

use crate::clients::collector;
use crate::sflow::{self, sfacctd};
use crate::support::{clock, nfacctd, printing, start, template};
use netflow::encode::{Message, field};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};
use testkit::conditions::pause;
use testkit::output::sum;
use testkit::{Process, eventually};

/// A message of `records` records with different ports, whose start times `start` gives.
fn flows(export: u32, records: u16, start: impl Fn(u16) -> u32) -> Vec<u8> {
    let fields = vec![field(7, 2), field(150, 4), field(2, 4), field(1, 4)];
    Message::ipfix(1, 0, export)
        .templates(&[&template(1, 256, fields)])
        .records(256, records.into(), |w| {
            (0..records).for_each(|port| _ = w.u16(port).u32(start(port)).u32(1).u32(100));
        })
        .finish()
}

/// A pseudo-random permutation.
fn scatter(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761).rotate_left(16).wrapping_mul(2_246_822_519)
}

fn files(process: &testkit::Finished) -> Vec<String> {
    process.setup().files().into_iter().filter(|name| name.contains("bin-")).collect()
}

const BY_BIN: &str = "plugins: print[p]
    aggregate[p]: src_port, timestamp_start
    print_history[p]: 1m
    print_output[p]: json
    print_output_file[p]: {dir}/bin-%s.json";

#[test]
fn random_start_times_do_not_create_time_bins() {
    let process = start(&nfacctd(BY_BIN));
    let export = clock();
    let exporter = process.exporter("127.0.1.1");
    exporter.send_all((0..40).map(|n| flows(export, 50, |port| scatter(n * 50 + u32::from(port)) | 1)));
    let report = process.wait_for_datagrams(40);
    report.assert_all_accounted();
    assert!(report.value("flow_times_outside") > 1950, "{}", report.lines.join("\n"));
    let line = process.wait_for_log("nfacctd_time_max_age");
    assert!(line.starts_with("WARN") && line.contains("127.0.1.1"), "{line}");
    let finished = process.stop();
    let files = files(&finished);
    assert!(files.len() < 10, "{files:?}");
    // Nothing is lost, and the times in the output are those of the records.
    let rows: Vec<_> = files.iter().flat_map(|file| finished.json(file)).collect();
    assert_eq!(sum(&rows, "packets"), 2000);
    let outside =
        rows.iter().filter(|row| !row["timestamp_start"].as_str().is_some_and(|at| at.starts_with("202")));
    assert!(outside.count() > 1000);
}

#[test]
fn plausible_and_replayed_times_choose_their_time_bins() {
    let process = start(&nfacctd(BY_BIN));
    let (export, exporter) = (clock(), process.exporter("127.0.1.1"));
    exporter.send(&flows(export, 10, |port| export - 3600 * u32::from(port)));
    let then = 1_600_000_000;
    exporter.send(&flows(then, 10, |port| then - 3600 * u32::from(port)));
    process.wait_for_datagrams(2);
    let report = process.statistics();
    assert_eq!(report.value("flow_times_outside"), 0);
    assert_eq!(files(&process.stop()).len(), 20);
    // Any time, if so configured.
    let process = start(&nfacctd(BY_BIN).more_config("nfacctd_time_max_age: 0\nnfacctd_time_max_ahead: 0"));
    process.exporter("127.0.1.1").send(&flows(export, 50, |port| scatter(u32::from(port)) | 1));
    process.wait_for_datagrams(1);
    assert_eq!(files(&process.stop()).len(), 50);
}

#[test]
fn files_and_tables_of_a_flush_are_bounded() {
    let lines = "nfacctd_time_max_age: 0\nnfacctd_time_max_ahead: 0\nprint_max_files: 20";
    let process = start(&nfacctd(BY_BIN).more_config(lines));
    process.exporter("127.0.1.1").send(&flows(clock(), 200, |port| scatter(u32::from(port)) | 1));
    process.wait_for_datagrams(1);
    let finished = process.stop();
    let files = files(&finished);
    assert_eq!(files.len(), 21);
    let rows: Vec<_> = files.iter().flat_map(|file| finished.json(file)).collect();
    assert_eq!(sum(&rows, "packets"), 200);
    let line = finished.log.lines().find(|line| line.contains("aggregates_redirected")).unwrap_or_default();
    assert!(line.starts_with("WARN") && line.contains("180 more") && line.contains("print_max_files"), "{line}");
}

#[test]
fn one_flow_is_spread_over_a_bounded_number_of_bins() {
    let lines = "nfacctd_pro_rating: true\nprint_history[p]: 1m\nnfacctd_pro_rating_max_bins: 100";
    for (minutes, rows) in [(90, 91), (1440, 1), (40_000, 1)] {
        let process = crate::support::start(&printing("src_port").more_config(lines));
        let export = clock();
        let start = (export - 3000) / 60 * 60 + 30;
        let fields = vec![field(7, 2), field(150, 4), field(151, 4), field(2, 4), field(1, 4)];
        let message = Message::ipfix(1, 0, export)
            .templates(&[&template(1, 256, fields)])
            .data(256, |w| _ = w.u16(7).u32(start).u32(start + minutes * 60).u32(1_000_000).u32(100_000_000));
        process.exporter("127.0.1.1").send(&message.finish());
        let report = process.wait_for_datagrams(1);
        assert_eq!(report.value("records_not_spread"), u64::from(rows == 1));
        let found = process.stop().json("out.json");
        assert_eq!((found.len(), sum(&found, "packets")), (rows, 1_000_000), "{minutes}");
    }
}

/// Sends datagrams until stopped, whether or not they are received.
fn flood<'s>(
    scope: &'s Scope<'s, '_>,
    from: &'static str,
    to: SocketAddr,
    datagram: Vec<u8>,
    stop: &'s AtomicBool,
) {
    scope.spawn(move || {
        let socket = UdpSocket::bind((from, 0)).expect("an address of this machine");
        while !stop.load(Ordering::Relaxed) {
            let _ = socket.send_to(&datagram, to);
        }
    });
}

/// Sets its flag when dropped, even if the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until the daemon logs that an exporter is limited.
fn wait_for_limit_of(process: &Process, exporter: &str) {
    // The log uses the daemon's own name of the key.
    let line = process.wait_for_log("facctd_exporter_share");
    assert!(line.starts_with("WARN") && line.contains(exporter), "{line}");
    let report = process.statistics();
    assert!(report.value("datagrams_rejected[over_budget]") > 0);
    report.assert_all_accounted();
}

#[test]
fn an_exporter_cannot_take_more_than_its_share_while_others_wait() {
    let netflow =
        printing("src_port, timestamp_start").more_config("nfacctd_workers: 1\nnfacctd_exporter_share: 50");
    let dear = flows(clock(), 4000, u32::from);
    let cheap = flows(clock(), 1, |_| clock());
    let sflow = sfacctd("src_port", "nfacctd_workers: 1\nsfacctd_exporter_share: 50");
    let frame = [7; 116];
    let samples = |count| {
        let mut datagram = sflow::datagram(1);
        for _ in 0..count {
            datagram.flow(&sflow::head(1), &[sflow::header(&frame)]).expect("there is room");
        }
        datagram.finish()
    };
    for (setup, dear, cheap) in [(netflow, dear, cheap), (sflow, samples(300), samples(1))] {
        let stop = AtomicBool::new(false);
        let process = setup.start();
        process.wait_for_log("waiting for");
        std::thread::scope(|scope| {
            let _stops = Stops(&stop);
            flood(scope, "127.0.1.2", setup.address(), dear, &stop);
            let stop = &stop;
            let good = process.exporter("127.0.1.3");
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    good.send(&cheap);
                    pause(Duration::from_millis(1));
                }
            });
            wait_for_limit_of(&process, "127.0.1.2");
        });
        process.stop();
    }
}

/// A collector with one worker and enough plugins to be slower than any sender.
fn slow(lines: &str) -> testkit::Setup {
    let names: Vec<String> = (0..8).map(|number| format!("print[p{number}]")).collect();
    nfacctd(&format!(
        "nfacctd_workers: 1
         plugins: {}
         aggregate: src_port, timestamp_start
         print_output_file: {{dir}}/out.txt
         {lines}",
        names.join(", ")
    ))
}

#[test]
fn a_single_exporter_is_never_limited() {
    let setup = slow("nfacctd_exporter_share: 1");
    let process = start(&setup);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        flood(scope, "127.0.1.2", setup.address(), flows(clock(), 90, |_| 7), &stop);
        process.wait_for_log("kernel_drops");
        let decoded = process.statistics().value("datagrams_decoded");
        let more = || process.statistics().value("datagrams_decoded") > decoded + 2_000;
        eventually("more datagrams", || more().then_some(()));
        assert_eq!(process.statistics().value("datagrams_rejected[over_budget]"), 0);
    });
    process.stop();
}

#[test]
fn a_flood_does_not_delay_shutdown() {
    let setup = slow("");
    // On a busy machine senders pause, and the daemon may drain its socket: then the test is repeated.
    let is_cut = (0..10).any(|_| {
        let (finished, took) = ended_under_flood(&setup);
        // Two seconds, plus a margin for a busy machine.
        assert!(took < Duration::from_secs(60), "{took:?}");
        let line = finished.log.lines().find(|line| line.contains("datagrams_rejected[shutdown]"));
        assert!(line.is_none_or(|line| line.starts_with("WARN")), "{}", finished.log);
        line.is_some()
    });
    assert!(is_cut, "no run found unread datagrams at shutdown");
}

/// Stops a daemon while four senders send as fast as they can, and returns how long that took.
fn ended_under_flood(setup: &testkit::Setup) -> (testkit::Finished, Duration) {
    let process = start(setup);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        for from in ["127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5"] {
            flood(scope, from, setup.address(), flows(clock(), 90, |_| 7), &stop);
        }
        let line = process.wait_for_log("kernel_drops");
        assert!(line.starts_with("WARN") && line.contains("nfacctd_pipe_size"), "{line}");
        let asked = Instant::now();
        (process.stop(), asked.elapsed())
    })
}

#[test]
fn sequence_gaps_are_logged_with_the_missing_count() {
    const FEW: &str = "NOTICE";
    const MANY: &str = "WARN";
    let ipfix = |sequence| {
        Message::ipfix(7, sequence, clock())
            .templates(&[&template(7, 256, vec![field(7, 2), field(2, 4), field(1, 4)])])
            .data(256, |w| _ = w.u16(7).u32(1).u32(100))
            .finish()
    };
    let frame = [7; 116];
    let sample = |sequence| {
        let mut datagram = sflow::datagram(sequence);
        datagram.flow(&sflow::head(1), &[sflow::header(&frame)]).expect("there is room");
        datagram.finish()
    };
    let cases = [
        (printing("src_port"), [ipfix(1), ipfix(102)], FEW, "127.0.1.1 domain 7: 100 in 1 gaps"),
        (printing("src_port"), [ipfix(1), ipfix(5002)], MANY, "127.0.1.1 domain 7: 5000 in 1 gaps"),
        (sfacctd("src_port", ""), [sample(1), sample(102)], FEW, "10.99.0.1 domain 7: 100 in 1 gaps"),
        (sfacctd("src_port", ""), [sample(1), sample(5002)], MANY, "10.99.0.1 domain 7: 5000 in 1 gaps"),
    ];
    for (setup, datagrams, level, expected) in cases {
        let process = setup.start();
        process.wait_for_log("waiting for");
        process.exporter("127.0.1.1").send_all(&datagrams);
        let line = process.wait_for_log("sequence numbers jumped");
        assert!(line.starts_with(level) && line.contains(expected), "{line}");
        process.stop();
        // The lines can be disabled.
        let setup = setup.more_config("nfacctd_disable_sanity_checks: true");
        let process = setup.start();
        process.wait_for_log("waiting for");
        process.exporter("127.0.1.1").send_all(&datagrams);
        let report = process.wait_for_datagrams(2);
        assert_eq!(report.value("sequence_gaps"), 1);
        let finished = process.stop();
        assert!(!finished.log.contains("sequence numbers jumped"), "{}", finished.log);
    }
}

#[test]
fn dropped_aggregates_are_logged_completely() {
    const ROUNDS: u16 = 4;
    let lines =
        "sql_host: 127.0.0.1\nsql_port: 1\nsql_table: acct\nplugin_write_timeout: 1\nplugin_queue_memory: 65536";
    let process = start(&collector("pgsql", lines));
    let exporter = process.exporter("127.0.1.1");
    let handed = || process.statistics().value_of("plugin=s/", "aggregates_handed");
    for round in 0..ROUNDS {
        // Each round fills the queue.
        exporter.send(&flows(clock(), 4000, |_| clock()));
        eventually("a flush", || (handed() >= 4000 * (u64::from(round) + 1)).then_some(()));
    }
    let finished = process.stop();
    let lines = finished.log.lines().filter(|line| line.starts_with("ERROR") && line.contains("dropped: "));
    let sums = lines.filter_map(|line| line.split("aggregates=").nth(1)?.split(' ').next()?.parse::<u64>().ok());
    assert_eq!(sums.sum::<u64>(), 4000 * u64::from(ROUNDS), "{}", finished.log);
}
