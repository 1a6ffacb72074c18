//! The plugin with its socket, seen by clients.

use super::testing::{schema, tags};
use super::*;
use crate::outlet::{self, Outlet};
use query::{Frame, Query, Request};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

/// Time in which a plugin ends whatever its clients do: two seconds on an idle machine, and in any case less than the
/// minute that a query may take.
const END: Duration = Duration::from_secs(30);

/// A plugin whose one worker is the test.
struct Rig {
    folder: tempfile::TempDir,
    outlet: Option<Outlet>,
    plugin: JoinHandle<()>,
    reader: stats::Reader,
}

impl Rig {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { path: folder.path().join("s"), ..Settings::default() };
        change(&mut settings);
        let opened = open(&settings).unwrap();
        let (mut outlets, inlet) = outlet::channel(1, 4);
        let counters = Counters::new();
        let reader = counters.reader();
        let empty = tags(0..0);
        let (schema, hash) = (Arc::clone(empty.schema()), empty.hash().clone());
        let plugin = thread::spawn(move || run(opened, schema, hash, inlet, counters));
        Self { folder, outlet: outlets.pop(), plugin, reader }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("s")).unwrap()
    }

    /// Asks, answers the plugin with these tags when it collects, and returns the answer.
    fn ask(&mut self, request: &Request, more: std::ops::Range<u64>) -> Result<String, String> {
        // Created first: the plugin does not wait forever.
        let mut table = Some(tags(more));
        let mut stream = self.connect();
        let _ = request.write(&mut stream);
        let answer = thread::spawn(move || read(&mut stream));
        while !answer.is_finished() {
            let outlet = self.outlet.as_mut().unwrap();
            if outlet.is_asked() {
                outlet.answer(table.take().unwrap_or_else(|| tags(0..0)));
            }
            thread::yield_now();
        }
        answer.join().unwrap()
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.reader.snapshot()[counter]
    }

    fn wait_for(&mut self, counter: Counter, count: u64) {
        let begun = Instant::now();
        while self.counted(counter) < count {
            assert!(begun.elapsed() < Duration::from_secs(120), "{counter:?}: {}", self.counted(counter));
            // A query that is refused at once wakes nobody; one that is answered publishes the counts.
            let _ = self.ask(&Request { query: Query::Status, ..Request::default() }, 0..0);
        }
    }

    /// Ends the plugin, and returns how long that took.
    fn end(mut self) -> Duration {
        let begun = Instant::now();
        self.outlet.take().unwrap().finish(tags(0..0));
        self.plugin.join().unwrap();
        begun.elapsed()
    }
}

/// Reads an answer. The error is the problem, or that the answer has no end.
fn read(stream: &mut UnixStream) -> Result<String, String> {
    let (mut text, mut frame) = (Vec::new(), Vec::new());
    loop {
        match Frame::read(stream, &mut frame) {
            Ok(Frame::Piece) => text.extend_from_slice(&frame),
            Ok(Frame::End) => return Ok(String::from_utf8(text).unwrap()),
            Ok(Frame::Error) => return Err(String::from_utf8(frame).unwrap()),
            Err(_) => return Err("no end".to_owned()),
        }
    }
}

fn counters(lines: std::ops::Range<u64>) -> Request {
    Request {
        query: Query::Counters { counter: Some(query::Counter::Packets), sum: false },
        columns: "tag".to_owned(),
        lines: lines.map(|tag| tag.to_string()).collect::<Vec<_>>().join("\n"),
        ..Request::default()
    }
}

fn all() -> Request {
    Request { format: query::Format::Json, ..Request::default() }
}

#[test]
fn a_query_of_many_lines_takes_the_time_of_lines_and_aggregates_not_of_their_product() {
    let mut rig = Rig::new(|settings| settings.max_lines = 100_000);
    assert_eq!(rig.ask(&counters(0..1), 0..100_000).unwrap(), "1\n");
    let begun = Instant::now();
    let answer = rig.ask(&counters(50_000..150_000), 0..0).unwrap();
    let taken = begun.elapsed();
    let (found, missing) =
        (answer.lines().filter(|line| *line == "1").count(), answer.lines().filter(|line| *line == "0").count());
    assert_eq!((found, missing), (50_000, 50_000));
    // 10 billion comparisons would take minutes.
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    let error = rig.ask(&counters(0..100_001), 0..0).unwrap_err();
    assert!(error.contains("imt_query_lines allows 100000"), "{error}");
    rig.wait_for(Counter::QueriesRefusedLines, 1);
    rig.end();
}

#[test]
fn stalled_clients_block_neither_collection_nor_others_nor_shutdown() {
    let mut rig = Rig::new(|_| ());
    rig.ask(&all(), 0..100_000).unwrap();
    // Each wants several megabytes and reads none of them.
    let stalled: Vec<UnixStream> = (0..10)
        .map(|number| {
            let mut stream = rig.connect();
            all().write(&mut stream).unwrap();
            // They use different versions of the table.
            rig.ask(&counters(0..1), number..number + 1).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    for round in 1..=5 {
        assert_eq!(rig.ask(&counters(99_999..100_000), 99_999..100_000).unwrap(), format!("{}\n", round + 1));
    }
    let taken = begun.elapsed();
    assert!(taken < END, "{taken:?}");
    let taken = rig.end();
    assert!(taken < END, "{taken:?}");
    // They notice that their answer is incomplete.
    for mut stream in stalled {
        assert!(read(&mut stream).is_err());
    }
}

#[test]
fn an_unfinished_query_does_not_delay_shutdown() {
    let mut rig = Rig::new(|_| ());
    rig.ask(&counters(0..1), 0..100_000).unwrap();
    let request = counters(0..100_000);
    // A client has some seconds for its request, so it comes as soon as the connection is made.
    let ask = |_| {
        let mut stream = rig.connect();
        request.write(&mut stream).unwrap();
        stream
    };
    let mut clients: Vec<UnixStream> = (0..8).map(ask).collect();
    // One of them never ends its request.
    clients.push(rig.connect());
    clients.last_mut().unwrap().write_all(b"pmq2").unwrap();
    let taken = rig.end();
    assert!(taken < END, "{taken:?}");
}

#[test]
fn clients_of_one_user_are_bounded_and_the_error_names_the_bound() {
    let mut rig = Rig::new(|settings| (settings.max_clients, settings.max_clients_user) = (10, 3));
    let stalled: Vec<UnixStream> = (0..3).map(|_| rig.connect()).collect();
    let error = rig.ask(&all(), 0..0).unwrap_err();
    assert!(error.contains("imt_clients_user_max is 3"), "{error}");
    drop(stalled);
    rig.wait_for(Counter::QueriesRefusedClients, 1);
    rig.wait_for(Counter::QueriesCutClient, 3);
    rig.end();
}

#[test]
fn a_query_has_a_time_limit() {
    let mut rig = Rig::new(|settings| settings.timeout = Duration::from_secs(6));
    rig.ask(&counters(0..1), 0..30_000).unwrap();
    let mut stalled = rig.connect();
    all().write(&mut stalled).unwrap();
    let mut silent = rig.connect();
    rig.wait_for(Counter::QueriesCutTime, 2);
    assert!(read(&mut stalled).is_err());
    assert_eq!(read(&mut silent).unwrap_err(), "the request took too long");
    rig.end();
}

#[test]
fn answers_of_slow_clients_are_cut_when_older_states_take_too_much_memory() {
    let mut rig = Rig::new(|settings| settings.max_bytes = 2 * tags(0..100_000).size());
    rig.ask(&all(), 0..100_000).unwrap();
    // Each uses a version of the table of its own, and reads nothing.
    let stalled: Vec<UnixStream> = (0..4)
        .map(|number| {
            let mut stream = rig.connect();
            all().write(&mut stream).unwrap();
            rig.ask(&counters(0..1), number..number + 1).unwrap();
            stream
        })
        .collect();
    rig.wait_for(Counter::QueriesCutMemory, 1);
    drop(stalled);
    rig.end();
}

#[test]
fn aggregates_that_a_client_did_not_receive_are_not_removed() {
    let mut rig = Rig::new(|settings| settings.timeout = Duration::from_secs(6));
    rig.ask(&counters(0..1), 0..30_000).unwrap();
    for request in [
        Request { reset: true, ..all() },
        Request { query: Query::Match, columns: "tag".to_owned(), lines: "*".to_owned(), reset: true, ..all() },
    ] {
        let before = rig.counted(Counter::QueriesCutTime);
        let mut stalled = rig.connect();
        request.write(&mut stalled).unwrap();
        rig.wait_for(Counter::QueriesCutTime, before + 1);
        // One more packet of each arrives meanwhile and afterwards.
        assert_eq!(rig.ask(&counters(7..8), 0..0).unwrap(), "1\n");
        // A client that reads everything removes everything.
        drop(stalled);
    }
    let shown =
        rig.ask(&Request { query: Query::Match, ..Request { reset: true, ..counters(0..10) } }, 0..5).unwrap();
    assert_eq!(shown.lines().filter(|line| line.contains("  ")).count(), 11);
    assert_eq!(rig.ask(&counters(4..11), 0..0).unwrap(), "0\n0\n0\n0\n0\n0\n1\n");
    rig.end();
}

#[test]
fn lines_match_like_a_comparison_with_each() {
    let schema = schema("src_host,dst_port,proto,tag");
    let mut table = Table::new(Arc::clone(&schema), RandomState::default(), 0);
    let at = |name: &str| {
        let column = schema.columns.iter().find(|column| column.json == name).unwrap();
        let flow::schema::At::Key(at) = column.at else { panic!("{name}") };
        at
    };
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..500 {
        let mut key = vec![0u8; schema.key_words * 8];
        let host = flow::address::octets(std::net::IpAddr::from([10, 0, 0, random.u8(0..4)]));
        key[at("ip_src")..][..16].copy_from_slice(&host);
        key[at("port_dst") + 1] = random.u8(0..4);
        key[at("ip_proto")] = *random.choice([&6, &17, &200]).unwrap();
        key[at("tag") + 7] = random.u8(0..4);
        let words: Vec<u64> = key.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        table.add(&words, &vec![1; schema.values.len()]);
    }
    let cell = |row: &aggregate::Aggregate<'_>, name: &str| match name {
        "src_host" => format!("10.0.0.{}", row.key[at("ip_src") + 15]),
        "dst_port" => row.key[at("port_dst") + 1].to_string(),
        "tag" => row.key[at("tag") + 7].to_string(),
        _ => match row.key[at("ip_proto")] {
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        },
    };
    let columns = ["src_host", "dst_port", "proto", "tag"];
    let asked: Vec<Vec<String>> = (0..300)
        .map(|_| {
            let value = |column: &&str| match (random.u8(0..3), *column) {
                (0, _) => "*".to_owned(),
                (_, "src_host") => format!("10.0.0.{}", random.u8(0..5)),
                (_, "proto") => (*random.choice(["TCP", "udp", "6", "200", "icmp"].iter()).unwrap()).to_owned(),
                _ => random.u8(0..5).to_string(),
            };
            columns.iter().map(value).collect()
        })
        .collect();
    let text = asked.iter().map(|line| line.join(",")).collect::<Vec<_>>().join("\n");
    let mut lines = lines::Lines::new(&schema, &encode::Style::default(), &columns.join(","), &text).unwrap();
    let mut found = vec![0; lines.len()];
    for row in table.iter() {
        lines.matches(row.key, row.values, table.strings(), |slot| found[slot as usize] += 1);
    }
    let is_same = |value: &str, shown: &str| {
        let value = if value == "6" { "tcp" } else { value };
        value == "*" || value.to_lowercase() == shown
    };
    for (line, slot) in asked.iter().zip(lines.slots()) {
        let is_meant = |row: &aggregate::Aggregate<'_>| {
            line.iter().zip(columns).all(|(value, column)| is_same(value, &cell(row, column)))
        };
        assert_eq!(found[slot.unwrap() as usize], table.iter().filter(is_meant).count(), "{line:?}");
    }
}
