//! Logs that are held back.

use super::*;
use crate::Log;
use crate::broker;
use crate::log::tests::{TestEvent, settings};
use proptest::prelude::*;
use std::path::Path;

fn held(path: &Path, max_events: Option<u64>, max_age: Duration) -> (Settings, Hold) {
    let hold = Hold { gate: Arc::default(), max_age, max_events, figures: Arc::default() };
    (Settings { hold: Some(hold.clone()), ..settings(path) }, hold)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn dropped(hold: &Hold) -> Vec<(&'static str, u64)> {
    hold.figures.dropped().filter(|(_, count)| *count > 0).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn events_wait_until_the_gate_opens_and_go_out_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut settings, hold) = held(&folder.path().join("$peer_src_ip"), None, HOUR);
    settings.sequence = crate::Sequence::default();
    let (mut log, _) = Log::open(&settings);
    let path = folder.path().join("a");
    let texts = || read(&path).lines().map(|line| line.to_owned()).collect::<Vec<_>>();
    let line = |seq: u8, text: &str| format!("{{\"seq\": {seq}, \"text\": \"{text}\"}}");
    hold.gate.set(Passage::Closed);
    log.add(&TestEvent::of("a", "1"));
    log.add(&TestEvent::of("b", "2"));
    log.flush();
    assert_eq!((hold.figures.events(), texts().len()), (2, 0));
    assert!(hold.figures.bytes() > 40);
    hold.gate.set(Passage::Open);
    // Until the end of the batch, events are still kept: none overtakes another.
    log.add(&TestEvent::of("a", "3"));
    log.flush();
    assert_eq!(texts(), [line(0, "1"), line(2, "3")]);
    assert_eq!(read(&folder.path().join("b")), line(1, "2") + "\n");
    log.add(&TestEvent::of("a", "4"));
    log.flush();
    assert_eq!((texts().len(), hold.figures.released(), hold.figures.events()), (3, 3, 0));
    hold.gate.set(Passage::Closed);
    log.flush();
    log.add(&TestEvent::of("a", "5"));
    log.flush();
    assert_eq!((texts().len(), hold.figures.events()), (3, 1));
    // Another daemon has written it.
    assert_eq!(log.end(), 0);
    assert_eq!((texts().len(), dropped(&hold)), (3, vec![("end", 1)]));
}

#[test]
fn what_was_never_decided_is_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (settings, hold) = held(&path, None, Duration::ZERO);
    let (mut log, _) = Log::open(&settings);
    log.add(&TestEvent::of("", "1"));
    log.flush();
    assert_eq!((read(&path), hold.figures.events()), (String::new(), 1));
    assert_eq!(log.end(), 0);
    assert_eq!((read(&path).lines().count(), hold.figures.released()), (1, 1));
}

#[test]
fn the_newest_events_are_kept_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let fill = |settings: &Settings, hold: &Hold| {
        let (mut log, _) = Log::open(settings);
        hold.gate.set(Passage::Closed);
        for number in 0..100 {
            log.add(&TestEvent::of("", &number.to_string()));
        }
        log.flush();
        log
    };
    let (settings, hold) = held(&path, Some(3), HOUR);
    let mut log = fill(&settings, &hold);
    assert_eq!((hold.figures.events(), dropped(&hold)), (3, vec![("count", 97)]));
    hold.gate.set(Passage::Open);
    log.flush();
    let expected: Vec<String> =
        (97..100).map(|number| format!("{{\"seq\": {number}, \"text\": \"{number}\"}}")).collect();
    assert_eq!(read(&path).lines().collect::<Vec<_>>(), expected);

    let (mut settings, hold) = held(&path, None, HOUR);
    settings.max_bytes = 2000;
    fill(&settings, &hold);
    let kept = hold.figures.events();
    assert!((5..20).contains(&kept) && hold.figures.bytes() <= 1000, "{kept}");
    assert_eq!(dropped(&hold), [("memory", 100 - kept)]);

    let (settings, hold) = held(&path, None, Duration::ZERO);
    fill(&settings, &hold);
    assert_eq!((hold.figures.events(), hold.figures.bytes(), dropped(&hold)), (0, 0, vec![("age", 100)]));
}

#[test]
fn records_in_avro_keep_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (mut settings, hold) = held(&path, None, HOUR);
    settings.encoding = Encoding::Avro;
    let (mut log, _) = Log::open(&settings);
    for text in ["a", "-", "B"] {
        log.add(&TestEvent::of("", text));
    }
    log.flush();
    assert!(!path.exists());
    hold.gate.set(Passage::Open);
    assert_eq!(log.end(), 0);
    let bytes = std::fs::read(&path).unwrap();
    // Two records in one block, each after the branch of its schema.
    let block = [&[4, 28, 0], b"avro a".as_slice(), &[2], b"avro B"].concat();
    assert!(bytes.windows(block.len()).any(|part| part == block), "{bytes:?}");
    assert_eq!(hold.figures.released(), 2);
}

#[test]
fn topics_and_keys_of_brokers_are_those_of_the_event() {
    let folder = tempfile::tempdir().unwrap();
    let (mut settings, hold) = held(&folder.path().join("log"), None, HOUR);
    settings.file = None;
    settings.exit = delivery::worker::Limits::new(Duration::from_secs(20), false);
    let (feed, delivery, got) = broker::tests::feed(&settings, "t.$peer_src_ip");
    let mut queue = Queue::new(&settings, &hold);
    // The settings name no broker.
    queue.variables = Box::new(["peer_src_ip"]);
    let mut feed = Some(feed);
    let thread = std::thread::spawn(move || delivery.run(|what| panic!("{what}")));
    let head = Head { sequence: 0, timestamp: "", micros: 0, writer_id: "" };
    queue.keep(&TestEvent::of("::1", ""), &head, b"{\"x\": 1}");
    queue.end(|kept| feed.as_mut().unwrap().push(kept, &head, kept.text()));
    assert_eq!(feed.take().unwrap().end(), 0);
    thread.join().unwrap();
    let got = got.lock().unwrap().clone();
    assert_eq!(got, [("t.--1".to_owned(), Some("k---1".to_owned()), "{\"x\": 1}".to_owned())]);
}

proptest! {
    /// Without limits, each event is written once and in order, however the gate is moved; with one, the newest of each wait are.
    #[test]
    fn the_gate_neither_loses_nor_repeats_nor_reorders_events(
        steps in proptest::collection::vec((0..4u8, 0..5u8), 0..40),
        max in proptest::option::of(1..6u64),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (settings, hold) = held(&path, max, HOUR);
        let (mut log, _) = Log::open(&settings);
        let (mut expected, mut kept, mut is_holding, mut number) = (Vec::new(), Vec::new(), true, 0);
        for (passage, count) in steps {
            match passage {
                0 => hold.gate.set(Passage::Open),
                1 => hold.gate.set(Passage::Closed),
                _ => {}
            }
            for _ in 0..count {
                log.add(&TestEvent::of("", &number.to_string()));
                if is_holding { kept.push(number) } else { expected.push(number) }
                number += 1;
            }
            kept.drain(..kept.len().saturating_sub(max.map_or(usize::MAX, |max| max as usize)));
            log.flush();
            is_holding = !hold.gate.is_open();
            if !is_holding {
                expected.append(&mut kept);
            }
            prop_assert_eq!(hold.figures.events(), kept.len() as u64);
        }
        if hold.gate.passage() != Passage::Closed {
            expected.append(&mut kept);
        }
        prop_assert_eq!(log.end(), 0);
        let written: Vec<u32> = read(&path).lines().map(|line| {
            line.rsplit_once(": \"").unwrap().1.trim_end_matches("\"}").parse().unwrap()
        }).collect();
        prop_assert_eq!(written, expected);
    }
}
