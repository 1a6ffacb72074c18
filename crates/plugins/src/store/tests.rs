use super::*;
use crate::outlet;
use delivery::worker::Limits;
use delivery::{Receipt, messages};
use flow::row::{FieldSet, Layout};
use flow::schema::{Options, Selection};
use foldhash::fast::RandomState;
use jiff::tz::TimeZone;
use std::sync::{Arc, Mutex};

/// Limits of a shutdown that hardly waits.
const SHORT: Limits = Limits { total: Some(Duration::from_millis(50)), stalled: Duration::from_millis(50) };

/// Makes a message of each aggregate, three in a batch.
struct Numbers;

impl Encoder for Numbers {
    fn encode(&mut self, table: &Table, _: u64, emit: Emit<'_>) {
        let mut builder = messages::Builder::new("text/plain", None);
        for row in table.iter() {
            let topic = builder.topic("t").unwrap();
            let sum = crate::sink::sum_of_one(row.values);
            builder.push(messages::Message { topic, key: None, payload: &row.key[..8], sum });
            if builder.count() == 3 {
                flush(&mut builder, emit);
            }
        }
        flush(&mut builder, emit);
    }
}

fn flush(builder: &mut messages::Builder, emit: Emit<'_>) {
    if builder.count() > 0 {
        let (count, sum) = (builder.count(), builder.sum());
        emit(builder.take(), count, sum);
    }
}

/// A scripted store.
#[derive(Clone, Default)]
struct Fake {
    state: Arc<Mutex<FakeState>>,
}

#[derive(Default)]
struct FakeState {
    /// Attempts that fail.
    down: u32,
    /// It rejects items with this many packets.
    rejects: Option<u64>,
    opens: Option<StoreError>,
    got: Vec<u64>,
    /// The position of the worker that was confirmed.
    confirmed: u64,
}

impl Backend for Fake {
    fn open(&mut self) -> Result<(), StoreError> {
        self.state.lock().unwrap().opens.clone().map_or(Ok(()), Err)
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let mut state = self.state.lock().unwrap();
        let messages = messages::Messages::read(&batch.body).unwrap();
        for (number, message) in (0..).zip(messages.iter()) {
            if receipt.has(number) {
                continue;
            }
            if number == 1 && state.down > 0 {
                state.down -= 1;
                return Err(StoreError::Down("gone".to_owned()));
            }
            if state.rejects == Some(message.sum.packets) {
                receipt.refuse(number, message.sum, || "too many".to_owned());
                continue;
            }
            receipt.confirm(number);
            state.got.push(message.sum.packets);
        }
        Ok(())
    }
}

fn settings() -> Settings {
    Settings {
        name: "a".to_owned(),
        kind: "fake",
        zone: TimeZone::UTC,
        refresh: 3600,
        startup_delay: 0,
        roundoff: Roundoff::default(),
        history: 0,
        preprocess: crate::preprocess::Settings::default(),
        trigger: None,
        trigger_every: None,
        inserts_only: false,
        variables: Vec::new(),
        schema_file: None,
        announce_every: None,
        files: runtime::files::Settings::default(),
        max_bytes: 1 << 20,
        spool: None,
        exit: Limits::within(Duration::from_secs(20)),
    }
}

/// The position of the worker at its end.
const POSITION: u64 = 7;

/// Runs a plugin over one table with aggregates of 1, 2, … packets, and returns what was counted.
fn run_over(settings: &Settings, count: u64, fake: &Fake) -> Result<stats::Snapshot, String> {
    let selection = Selection::parse(["tag"], &[]).unwrap();
    let mut fields = FieldSet::default();
    selection.require(&Options::default(), &mut fields);
    let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &Options::default()));
    let mut table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
    for number in 1..=count {
        let mut key = vec![0; schema.key_words];
        key[0] = number;
        table.add(&key, &[number, 100]);
    }
    let opened = Opened::new(settings, Box::new(Numbers), Box::new(fake.clone()))?;
    let (mut outlets, inlet) = outlet::channel(1, 2);
    let mut outlet = outlets.pop().unwrap();
    let progress = outlet.progress();
    outlet.reach(POSITION);
    outlet.finish(table);
    let counters = Counters::new();
    let reader = counters.reader();
    let mut worker = None;
    let (sender, failure) = std::sync::mpsc::channel();
    let fail = move |what| sender.send(what).unwrap();
    run(settings, &schema, opened, inlet, counters, |work| worker = Some(std::thread::spawn(work)), fail);
    worker.unwrap().join().unwrap();
    assert!(progress.has_ended());
    fake.state.lock().unwrap().confirmed = progress.position();
    let snapshot = reader.snapshot();
    let broken: Vec<_> = stats::check(&snapshot, stats::Scope::Plugin)
        .into_iter()
        .filter(|line| format!("{line:?}").contains("Handed"))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
    failure.try_recv().map_or(Ok(snapshot), Err)
}

#[test]
fn everything_arrives_once_although_the_store_fails_meanwhile() {
    let fake = Fake::default();
    fake.state.lock().unwrap().down = 1;
    let counted = run_over(&settings(), 10, &fake).unwrap();
    assert_eq!(fake.state.lock().unwrap().got, (1..=10).collect::<Vec<_>>());
    use stats::Counter::*;
    assert_eq!((counted[AggregatesHanded], counted[AggregatesWritten], counted[WriteErrors]), (10, 10, 1));
    assert_eq!(fake.state.lock().unwrap().confirmed, POSITION);
}

#[test]
fn aggregates_rejected_by_the_store_are_counted_with_their_packets() {
    let fake = Fake::default();
    fake.state.lock().unwrap().rejects = Some(5);
    let counted = run_over(&settings(), 10, &fake).unwrap();
    use stats::Counter::*;
    assert_eq!(
        (counted[AggregatesWritten], counted[AggregatesDroppedRefused], counted[AggregatesDroppedPackets]),
        (9, 1, 5)
    );
}

#[test]
fn unwritten_aggregates_are_dropped_at_the_end_or_stay_in_the_spool() {
    use stats::Counter::*;
    let fake = Fake::default();
    fake.state.lock().unwrap().down = u32::MAX;
    let mut settings = Settings { exit: SHORT, ..settings() };
    let counted = run_over(&settings, 10, &fake).unwrap();
    // The first aggregate of the first batch was confirmed, but its batch was not.
    assert_eq!((counted[AggregatesDroppedShutdown], counted[AggregatesWaiting]), (10, 0));
    assert_eq!(fake.state.lock().unwrap().confirmed, 0, "an input that can be read again must not go on");

    let folder = tempfile::tempdir().unwrap();
    settings.spool = Some(SpoolSettings { folder: folder.path().to_owned(), max_bytes: 1 << 20 });
    let counted = run_over(&settings, 10, &fake).unwrap();
    assert_eq!((counted[AggregatesDroppedShutdown], counted[AggregatesWaiting]), (0, 10));
    assert_eq!(fake.state.lock().unwrap().confirmed, POSITION);

    let fake = Fake::default();
    let counted = run_over(&settings, 2, &fake).unwrap();
    assert_eq!((counted[AggregatesHanded], counted[AggregatesWritten]), (12, 12));
    assert_eq!(fake.state.lock().unwrap().got, (1..=10).chain(1..=2).collect::<Vec<_>>());
}

#[test]
fn at_the_bound_the_oldest_are_dropped() {
    use stats::Counter::*;
    let fake = Fake::default();
    fake.state.lock().unwrap().down = u32::MAX;
    let settings = Settings { exit: SHORT, max_bytes: 1000, ..settings() };
    let counted = run_over(&settings, 100, &fake).unwrap();
    assert!(counted[AggregatesDroppedRetries] > 80, "{}", counted[AggregatesDroppedRetries]);
    assert_eq!(counted[AggregatesDroppedRetries] + counted[AggregatesDroppedShutdown], 100);
    assert_eq!(counted[AggregatesDroppedPackets], 5050);
}

#[test]
fn a_store_that_rejects_the_settings_prevents_the_start() {
    let fake = Fake::default();
    let no = StoreError::Configuration { key: "sql_passwd", what: "access denied".to_owned() };
    fake.state.lock().unwrap().opens = Some(no);
    assert_eq!(run_over(&settings(), 1, &fake).unwrap_err(), "sql_passwd[a]: access denied");
    // A store that is only down does not.
    fake.state.lock().unwrap().opens = Some(StoreError::Down("failure".to_owned()));
    let settings = Settings { exit: SHORT, ..settings() };
    assert!(run_over(&settings, 1, &fake).is_ok());
}
