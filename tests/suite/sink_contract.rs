//! The compliance test of the contract in `plugins::sink`, run against every sink.
//!
//! A sink implements [`SinkUnderTest`]; [`check`] then runs a daemon with it through normal operation, an outage of its
//! store, shutdown during an outage, and a kill. It verifies:
//!
//! * at any time, everything handed to the sink is written, dropped for a counted reason, or queued;
//! * the written data equal the sent data, without duplicates by the sink's documented key;
//! * the daemon exits in bounded time, whatever the store does, and logs what is lost;
//! * a kill loses no more than documented.

use crate::clients::{RECORDS, Traffic, expected, round};
use crate::support::start;
use std::time::{Duration, Instant};
use testkit::process::Signal;
use testkit::{Process, Setup, eventually};

/// Longest shutdown of a daemon with `plugin_exit_timeout: 1`, on a busy machine.
const END: Duration = Duration::from_secs(10);

/// What a sink keeps when the daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing.
    Nothing,
    /// Everything written.
    Written,
    /// With `plugin_spool_dir`: also everything queued.
    Handed,
}

/// A kind of sink with its own store, which the test controls.
pub(crate) trait SinkUnderTest {
    /// A collector that aggregates by source address and port, with a plugin named `s` that writes each second to an empty part of the store.
    fn fresh(&mut self) -> Setup;

    /// Everything written since [`Self::fresh`], summed by key, without duplicates by the documented key. `process` is the daemon
    /// if it runs.
    fn written(&mut self, process: Option<&Process>) -> Traffic;

    /// What the sink keeps after a kill.
    fn kept(&self) -> Kept;

    /// Makes the store fail. Returns false for sinks without a store.
    fn fail(&mut self) -> bool;

    /// Restores the store. `process` is the daemon if it runs.
    fn repair(&mut self, process: Option<&Process>);

    /// Makes the sink collect tables, unless it does so by itself.
    fn collect(&self, _process: &Process) {}

    /// True if a restarted store cannot tell which unconfirmed batches it committed: batches in flight may be
    /// written again.
    fn repeats_unanswered(&self) -> bool {
        false
    }
}

/// Runs all checks.
pub(crate) fn check(mut sink: impl SinkUnderTest) {
    everything_is_written_once(&mut sink);
    an_outage_costs_nothing(&mut sink);
    shutdown_takes_bounded_time(&mut sink);
    a_kill_costs_what_is_documented(&mut sink);
}

/// The counters of the sink.
#[derive(Clone, Copy, Debug)]
struct Figures {
    handed: u64,
    written: u64,
    waiting: u64,
    errors: u64,
}

/// Reads the counters, and checks that they are consistent.
#[track_caller]
fn figures(sink: &dyn SinkUnderTest, process: &Process) -> Figures {
    sink.collect(process);
    let mut report = process.statistics();
    report.assert_all_accounted();
    report.lines.retain(|line| line.contains("plugin=s/"));
    let value = |key: &str| report.value(key);
    let (handed, written, waiting) =
        (value("aggregates_handed"), value("aggregates_written"), value("aggregates_waiting"));
    // By reason; there are no other reasons.
    let dropped = report.family("aggregates_dropped[") + value("aggregates_filtered");
    assert_eq!(handed, written + dropped + waiting, "{}", report.lines.join("\n"));
    Figures { handed, written, waiting, errors: value("write_errors") }
}

/// Sends a round and waits until it was handed to the sink.
#[track_caller]
fn hand(sink: &dyn SinkUnderTest, process: &Process, number: u32) {
    let before = figures(sink, process).handed;
    process.exporter("127.0.1.1").send(&round(number));
    eventually("a round to be handed to the sink", || (figures(sink, process).handed > before).then_some(()));
}

/// Waits until nothing is queued.
#[track_caller]
fn settle(sink: &dyn SinkUnderTest, process: &Process) {
    eventually("all to be written", || {
        Some(figures(sink, process)).filter(|figures| figures.written > 0 && figures.waiting == 0)
    });
}

fn everything_is_written_once(sink: &mut dyn SinkUnderTest) {
    let process = start(&sink.fresh());
    for number in 1..=3 {
        hand(sink, &process, number);
    }
    settle(sink, &process);
    assert_eq!(sink.written(Some(&process)), expected(3), "{}", process.log());
    let finished = process.stop();
    if sink.kept() != Kept::Nothing {
        assert_eq!(sink.written(None), expected(3), "shutdown writes nothing twice\n{}", finished.log);
    }
}

fn an_outage_costs_nothing(sink: &mut dyn SinkUnderTest) {
    let process = start(&sink.fresh());
    hand(sink, &process, 1);
    hand(sink, &process, 2);
    if sink.repeats_unanswered() {
        settle(sink, &process);
    }
    if !sink.fail() {
        return;
    }
    let before = figures(sink, &process).errors;
    process.exporter("127.0.1.1").send(&round(3));
    eventually("a failed attempt with a queued round", || {
        let figures = figures(sink, &process);
        (figures.errors > before && figures.waiting >= u64::from(RECORDS)).then_some(())
    });
    process.exporter("127.0.1.1").send(&round(4));
    process.wait_for_datagrams(4);
    sink.repair(Some(&process));
    settle(sink, &process);
    hand(sink, &process, 5);
    settle(sink, &process);
    let finished = process.stop();
    assert_eq!(sink.written(None), expected(5), "{}", finished.log);
}

fn shutdown_takes_bounded_time(sink: &mut dyn SinkUnderTest) {
    let process = start(&sink.fresh().more_config("plugin_exit_timeout: 1"));
    hand(sink, &process, 1);
    settle(sink, &process);
    let fails = sink.fail();
    if fails {
        hand(sink, &process, 2);
    }
    let began = Instant::now();
    let finished = process.stop_with(Signal::SIGTERM);
    let took = began.elapsed();
    assert!(took < END, "{took:?}\n{}", finished.log);
    let lines: Vec<&str> = finished.log.lines().filter(|line| line.contains("dropped: ")).collect();
    if !fails {
        assert_eq!(lines, [""; 0]);
        return;
    }
    sink.repair(None);
    let written = sink.written(None);
    assert_eq!(written, expected(1), "{}", finished.log);
    let lost = |key: &str| lines.iter().map(|line| field(line, key)).sum::<u64>();
    let sent: (u64, u64) = expected(2).values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let stored: (u64, u64) = written.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(lost("aggregates="), u64::from(RECORDS), "{lines:?}");
    assert_eq!((stored.0 + lost("packets="), stored.1 + lost("bytes=")), sent, "{lines:?}");
}

/// The number after `key` in a line of the log, or 0.
fn field(line: &str, key: &str) -> u64 {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.parse().ok()).unwrap_or(0)
}

fn a_kill_costs_what_is_documented(sink: &mut dyn SinkUnderTest) {
    let mut setup = sink.fresh();
    if sink.kept() == Kept::Handed {
        setup = setup.more_config("plugin_spool_dir: {dir}/spool\nplugin_write_timeout: 2");
    }
    let process = start(&setup);
    hand(sink, &process, 1);
    settle(sink, &process);
    let kept = match sink.kept() {
        Kept::Handed => {
            eventually("an empty spool", || (spooled(&setup) == 0).then_some(()));
            assert!(sink.fail(), "what has no store needs no spool");
            process.exporter("127.0.1.1").send(&round(2));
            eventually("a round on disk", || (spooled(&setup) > 0).then_some(()));
            drop(process);
            sink.repair(None);
            expected(2)
        }
        Kept::Written => {
            drop(process);
            expected(1)
        }
        Kept::Nothing => {
            drop(process);
            Traffic::new()
        }
    };
    let process = start(&setup);
    if sink.kept() == Kept::Handed {
        process.wait_for_log("found in the spool");
        settle(sink, &process);
    }
    assert_eq!(sink.written(Some(&process)), kept, "{}", process.log());
    // The next run continues.
    hand(sink, &process, 1);
    settle(sink, &process);
    let mut more = kept;
    for (key, sum) in expected(1) {
        let known = more.entry(key).or_default();
        *known = (known.0 + sum.0, known.1 + sum.1);
    }
    assert_eq!(sink.written(Some(&process)), more, "{}", process.log());
    process.stop();
}

/// Write batches in the spool of plugin `s`.
fn spooled(setup: &Setup) -> usize {
    let plugins = std::fs::read_dir(setup.path("spool")).into_iter().flatten().filter_map(Result::ok);
    let files =
        plugins.filter_map(|plugin| std::fs::read_dir(plugin.path()).ok()).flatten().filter_map(Result::ok);
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "batch")).count()
}
