//! The plugin with tables of the tests: through the channel, in a thread, and purge by purge.

use super::*;
use crate::outlet;
use crate::trigger::Trigger;
use encode::Style;
use encode::names::Template;
use flow::row::{FieldSet, Layout};
use flow::schema::{At, Options, Selection};
use foldhash::fast::RandomState;
use stats::{Counter, Reader, Scope, Snapshot};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Flush times: 2023-11-14 22:13:20 UTC and later.
const NOW: u64 = 1_700_000_000;

/// A plugin's folder, schema, settings and counters.
struct Rig {
    folder: TempDir,
    schema: Arc<Schema>,
    state: RandomState,
    settings: Settings,
}

impl Rig {
    /// A plugin that writes JSON of these primitives to that file in its folder.
    fn new(words: &str, file: &str) -> Self {
        Self::with(words, file, Options::default())
    }

    fn with(words: &str, file: &str, options: Options) -> Self {
        let selection = Selection::parse(words.split(','), &[]).unwrap();
        let mut fields = FieldSet::default();
        selection.require(&options, &mut fields);
        let schema = Arc::new(Schema::new(&selection, &[], &Layout::new(&fields, &[]), &options));
        let folder = TempDir::new().unwrap();
        let mut rig = Self { folder, schema, state: RandomState::default(), settings: Settings::default() };
        rig.settings.name = "a".to_owned();
        rig.settings.output = Output::Json;
        rig.settings.refresh = 86_400;
        rig.settings.file = Some(rig.template(file));
        rig
    }

    fn template(&self, file: &str) -> Template {
        Template::parse(&format!("{}/{file}", self.folder.path().display())).unwrap()
    }

    /// A table whose rows have these numbers in a column, ten packets and a thousand bytes each.
    fn table(&self, column: &str, numbers: impl IntoIterator<Item = u64>) -> Table {
        self.binned(column, numbers.into_iter().map(|number| (number, 0)))
    }

    /// The same with the start of each row's bin.
    fn binned(&self, column: &str, rows: impl IntoIterator<Item = (u64, u64)>) -> Table {
        let mut table = Table::new(Arc::clone(&self.schema), self.state.clone(), 0);
        let column = self.schema.columns.iter().find(|c| c.json == column).unwrap();
        let At::Key(at) = column.at else { panic!("not in the key") };
        let size = column.kind.size();
        for (number, bin) in rows {
            let mut key = vec![0u8; self.schema.key_words * 8];
            key[at..at + size].copy_from_slice(&number.to_be_bytes()[8 - size..]);
            if let Some(at) = self.schema.bin {
                key[at..at + 8].copy_from_slice(&bin.to_be_bytes());
            }
            let key: Vec<u64> =
                key.chunks_exact(8).map(|word| u64::from_ne_bytes(*word.first_chunk().unwrap())).collect();
            table.add(&key, &[10, 1000, 1][..self.schema.values.len()]);
        }
        table
    }

    /// A plugin, to be called purge by purge, and its counters.
    fn plugin(&self) -> (Plugin<'_>, Reader) {
        let counters = Counters::new();
        let reader = counters.reader();
        (Plugin::new(&self.settings, &self.schema, counters).unwrap(), reader)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// Names of all files, temporary ones too.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, base: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, base, found);
                } else {
                    found.insert(path.strip_prefix(base).unwrap().display().to_string());
                }
            }
        }
        let mut found = BTreeSet::new();
        walk(self.folder.path(), self.folder.path(), &mut found);
        found.into_iter().collect()
    }
}

/// The values of `port_src` in the rows of a JSON file.
fn ports(text: &str) -> Vec<u64> {
    let mut ports: Vec<u64> = (text.lines())
        .filter_map(|line| line.split_once("\"port_src\": ")?.1.split_once(',')?.0.parse().ok())
        .collect();
    ports.sort_unstable();
    ports
}

fn closes(reader: &Reader) -> Snapshot {
    let snapshot = reader.snapshot();
    assert!(stats::check(&snapshot, Scope::Plugin).is_empty(), "{:?}", stats::lines(&snapshot, Scope::Plugin));
    snapshot
}

fn eventually<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out");
        let _ = crossbeam_channel::never::<()>().recv_timeout(Duration::from_millis(5));
    }
}

#[test]
fn the_last_tables_of_workers_are_written_at_the_end() {
    let rig = Rig::new("src_port", "a.json");
    let (mut outlets, inlet) = outlet::channel(2, 4);
    let counters = Counters::new();
    let reader = counters.reader();
    std::thread::scope(|scope| {
        scope.spawn(|| run(&rig.settings, &rig.schema, inlet, counters));
        let second = outlets.pop().unwrap();
        let first = outlets.pop().unwrap();
        first.offer(rig.table("port_src", 0..3)).ok().unwrap();
        first.finish(rig.table("port_src", 3..5));
        second.finish(rig.table("port_src", 4..6));
    });
    let text = rig.read("a.json");
    let counts: u64 = text.lines().map(|line| if line.contains("\"packets\": 20") { 2 } else { 1 }).sum();
    assert_eq!(counts, 7, "{text}");
    assert_eq!(ports(&text).into_iter().collect::<BTreeSet<_>>().len(), 6);
    assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 0);
    assert_eq!(rig.files(), ["a.json"]);
}

#[test]
fn a_refresh_asks_the_workers() {
    let mut rig = Rig::new("src_port", "a.json");
    rig.settings.refresh = 1;
    let (mut outlets, inlet) = outlet::channel(1, 1);
    let mut outlet = outlets.pop().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| run(&rig.settings, &rig.schema, inlet, Counters::new()));
        eventually(|| outlet.is_asked().then_some(()));
        outlet.answer(rig.table("port_src", [7]));
        let text = eventually(|| fs::read_to_string(rig.path("a.json")).ok());
        assert_eq!(text, "{\"event_type\": \"purge\", \"port_src\": 7, \"packets\": 10, \"bytes\": 1000}\n");
        // A period without rows leaves the file as it is.
        outlet.finish(rig.table("port_src", []));
    });
    assert_eq!(ports(&rig.read("a.json")), [7]);
}

#[test]
fn a_purge_replaces_the_file_or_appends_to_it() {
    for append in [false, true] {
        let mut rig = Rig::new("src_port", "d/e/a.csv");
        rig.settings.output = Output::Csv;
        rig.settings.append = append;
        let (mut plugin, _) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", [1])), NOW, false);
        plugin.purge(Some(rig.table("port_src", [2])), NOW + 60, true);
        let expected = match append {
            false => "SRC_PORT,PACKETS,BYTES\n2,10,1000\n",
            true => "SRC_PORT,PACKETS,BYTES\n1,10,1000\n2,10,1000\n",
        };
        assert_eq!(rig.read("d/e/a.csv"), expected);
    }
}

#[test]
fn early_tables_are_in_the_file_of_their_period() {
    let mut rig = Rig::new("src_port", "a.csv");
    rig.settings.output = Output::Csv;
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("port_src", [1]), NOW, NOW + 60);
    plugin.early(rig.table("port_src", [2]), NOW + 1, NOW + 60);
    assert!(!rig.path("a.csv").exists(), "the file is not whole yet");
    assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 2);
    plugin.purge(Some(rig.table("port_src", [3])), NOW + 60, false);
    assert_eq!(rig.read("a.csv"), "SRC_PORT,PACKETS,BYTES\n1,10,1000\n2,10,1000\n3,10,1000\n");
    // Early tables alone make a file as well.
    plugin.early(rig.table("port_src", [4]), NOW + 70, NOW + 120);
    plugin.purge(None, NOW + 120, true);
    assert_eq!(rig.read("a.csv"), "SRC_PORT,PACKETS,BYTES\n4,10,1000\n");
    assert_eq!(closes(&reader)[Counter::AggregatesWritten], 4);
    assert_eq!(rig.files(), ["a.csv"]);
}

#[test]
fn early_tables_carry_the_name_of_their_period() {
    let rig = Rig::new("src_port", "%H%M%S.json");
    let (mut plugin, _) = rig.plugin();
    plugin.early(rig.table("port_src", [1]), NOW, NOW + 60);
    plugin.purge(Some(rig.table("port_src", [2])), NOW + 61, false);
    plugin.purge(Some(rig.table("port_src", [3])), NOW + 121, false);
    assert_eq!(rig.files(), ["221420.json", "221521.json"]);
    assert_eq!(ports(&rig.read("221420.json")), [1, 2]);
}

#[test]
fn early_tables_that_are_appended_come_at_once() {
    let mut rig = Rig::new("src_port", "a.csv");
    rig.settings.output = Output::Csv;
    rig.settings.append = true;
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("port_src", [1]), NOW, NOW + 60);
    assert_eq!(rig.read("a.csv"), "SRC_PORT,PACKETS,BYTES\n1,10,1000\n");
    plugin.purge(Some(rig.table("port_src", [2])), NOW + 60, true);
    assert_eq!(rig.read("a.csv"), "SRC_PORT,PACKETS,BYTES\n1,10,1000\n2,10,1000\n");
    assert_eq!(closes(&reader)[Counter::AggregatesWritten], 2);
}

#[test]
fn each_bin_has_its_file_and_the_link_leads_to_the_newest() {
    let mut rig = Rig::with("src_port", "%Y-%m-%d/%H%M.json", Options { bins: true, ..Options::default() });
    rig.settings.latest = Some(rig.template("latest.json"));
    let (mut plugin, _) = rig.plugin();
    let rows = [(1, 1_699_999_800), (2, 1_699_999_200), (3, 1_699_999_800)];
    plugin.purge(Some(rig.binned("port_src", rows)), NOW, false);
    assert_eq!(rig.files(), ["2023-11-14/2200.json", "2023-11-14/2210.json", "latest.json"]);
    assert_eq!(ports(&rig.read("2023-11-14/2210.json")), [1, 3]);
    assert_eq!(ports(&rig.read("latest.json")), [1, 3]);
    assert!(rig.read("latest.json").contains("\"stamp_inserted\": \"2023-11-14 22:10:00\""));
    assert!(fs::read_link(rig.path("latest.json")).unwrap().is_absolute());
    // A late, older bin does not move the link back.
    plugin.purge(Some(rig.binned("port_src", [(4, 1_699_999_500)])), NOW + 60, false);
    assert_eq!(ports(&rig.read("latest.json")), [1, 3]);
}

#[test]
fn bins_of_one_name_share_a_file() {
    let rig = Rig::with("src_port", "%H.json", Options { bins: true, ..Options::default() });
    let (mut plugin, _) = rig.plugin();
    let rows = [(1, 1_699_999_200), (2, 1_699_999_200 - 86_400), (3, 1_699_999_200 + 3600)];
    plugin.purge(Some(rig.binned("port_src", rows)), NOW, false);
    assert_eq!(ports(&rig.read("22.json")), [1, 2]);
    assert_eq!(ports(&rig.read("23.json")), [3]);
}

#[test]
fn bins_beyond_the_bound_of_files_go_to_the_file_of_the_flush() {
    let mut rig = Rig::with("src_port", "%s.json", Options { bins: true, ..Options::default() });
    rig.settings.max_files = 5;
    let (mut plugin, reader) = rig.plugin();
    // An early table, and the one at the period's end: the bound applies to the period.
    plugin.early(rig.binned("port_src", (0..40).map(|n| (n, 1000 + n))), NOW, NOW);
    plugin.purge(Some(rig.binned("port_src", (40..80).map(|n| (n, 1000 + n)))), NOW, true);
    let named = format!("{NOW}.json");
    assert_eq!(rig.files(), ["1000.json", "1001.json", "1002.json", "1003.json", "1004.json", &named]);
    assert_eq!(ports(&rig.read(&named)), (5..80).collect::<Vec<_>>());
    // The rows still have their own bin times.
    assert!(rig.read(&named).contains("\"stamp_inserted\": \"1970-01-01 00:17:00\""));
    let snapshot = closes(&reader);
    assert_eq!(snapshot[Counter::AggregatesRedirected], 75);
    assert_eq!(snapshot[Counter::AggregatesWritten], 80);
}

#[test]
fn twice_the_bound_of_files_is_the_end_and_the_rest_is_counted() {
    let mut rig = Rig::new("tag,src_port", "t-$tag.json");
    rig.settings.max_files = 5;
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("tag", 0..7), NOW, NOW + 60);
    plugin.purge(Some(rig.table("tag", 0..40)), NOW + 60, true);
    assert_eq!(rig.files().len(), 10);
    let snapshot = closes(&reader);
    assert_eq!(snapshot[Counter::AggregatesWritten], 7 + 10);
    assert_eq!(
        (snapshot[Counter::AggregatesDroppedNames], snapshot[Counter::AggregatesDroppedPackets]),
        (30, 300)
    );
    assert_eq!(snapshot[Counter::AggregatesRedirected], 0);
}

#[test]
fn each_tag_has_its_file_however_many_there_are() {
    let rig = Rig::new("tag,src_port", "t-$tag.json");
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("tag", 0..600), NOW, NOW + 60);
    plugin.early(rig.table("tag", 590..610), NOW, NOW + 60);
    plugin.purge(Some(rig.table("tag", [5, 700])), NOW + 60, true);
    assert_eq!(rig.files().len(), 611);
    assert_eq!(rig.read("t-5.json").lines().count(), 2);
    assert_eq!(rig.read("t-700.json").lines().count(), 1);
    let snapshot = closes(&reader);
    assert_eq!(snapshot[Counter::AggregatesWaiting], 0);
    assert_eq!(snapshot.family("aggregates_dropped_total"), 0);
}

#[test]
fn markers_stand_around_the_rows() {
    let pid = std::process::id();
    for (output, expected) in [
        (Output::Csv, format!("--START ({pid})--\nSRC_PORT,PACKETS,BYTES\n1,10,1000\n--END ({pid})--\n")),
        (Output::EventCsv, format!("--START ({pid})--\nSRC_PORT\n1\n--END ({pid})--\n")),
        (
            Output::Json,
            format!(
                "{{\"event_type\": \"purge_init\", \"writer_id\": \"a/{pid}\"}}\n\
                 {{\"event_type\": \"purge\", \"port_src\": 1, \"packets\": 10, \"bytes\": 1000}}\n\
                 {{\"event_type\": \"purge_close\", \"writer_id\": \"a/{pid}\", \"purged_entries\": 1, \
                 \"total_entries\": 1, \"duration\": 0}}\n"
            ),
        ),
    ] {
        let mut rig = Rig::new("src_port", "a");
        (rig.settings.output, rig.settings.markers) = (output, true);
        let (mut plugin, _) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", [1])), NOW, true);
        assert_eq!(rig.read("a"), expected);
    }
}

#[test]
fn a_purge_without_rows_makes_a_file_only_when_asked() {
    for (write_empty_file, tagged, expected) in
        [(false, false, vec![]), (true, false, vec!["a-20231114".to_owned()]), (true, true, vec![])]
    {
        let mut rig = Rig::new("src_port,tag", if tagged { "a-$tag" } else { "a-%Y%m%d" });
        (rig.settings.output, rig.settings.write_empty_file) = (Output::Csv, write_empty_file);
        let (mut plugin, _) = rig.plugin();
        plugin.purge(None, NOW, false);
        plugin.purge(Some(rig.table("port_src", [])), NOW, true);
        assert_eq!(rig.files(), expected);
        assert!(expected.iter().all(|file| rig.read(file) == "TAG,SRC_PORT,PACKETS,BYTES\n"));
    }
}

#[test]
fn a_file_without_rows_has_the_title_that_a_file_with_rows_has() {
    for output in [Output::Csv, Output::EventCsv, Output::Formatted, Output::EventFormatted, Output::Json] {
        for (markers, append) in [(false, false), (true, false), (false, true)] {
            let before_rows = |purge: fn(&mut Plugin<'_>, &Rig)| {
                let mut rig = Rig::new("src_host,src_port", "a");
                (rig.settings.output, rig.settings.markers) = (output, markers);
                (rig.settings.append, rig.settings.write_empty_file) = (append, true);
                let (mut plugin, _) = rig.plugin();
                purge(&mut plugin, &rig);
                rig.read("a")
            };
            let with = before_rows(|plugin, rig| plugin.purge(Some(rig.table("port_src", [1])), NOW, false));
            let without = before_rows(|plugin, _| plugin.purge(None, NOW, false));
            let titles =
                |text: &str| text.lines().filter(|line| line.contains("SRC_IP")).collect::<Vec<_>>().join("");
            assert_eq!(titles(&without), titles(&with), "{output:?}");
            assert_eq!(titles(&with).is_empty(), output == Output::Json);
            // Appended rows have no second title.
            let twice = before_rows(|plugin, rig| {
                plugin.purge(None, NOW, false);
                plugin.purge(Some(rig.table("port_src", [1])), NOW, false);
                plugin.purge(None, NOW, false);
            });
            if append {
                assert_eq!(twice, with);
            }
        }
    }
}

#[test]
fn failed_writes_are_retried() {
    let rig = Rig::new("src_port", "d/a.json");
    fs::write(rig.path("d"), "in the way").unwrap();
    let (mut plugin, reader) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", [1, 2])), NOW, false);
    plugin.early(rig.table("port_src", [2, 3]), NOW + 30, NOW + 60);
    let snapshot = closes(&reader);
    assert_eq!((snapshot[Counter::AggregatesWaiting], snapshot[Counter::WriteErrors]), (3, 2));
    fs::remove_file(rig.path("d")).unwrap();
    plugin.purge(Some(rig.table("port_src", [3, 4])), NOW + 60, false);
    assert_eq!(ports(&rig.read("d/a.json")), [1, 2, 3, 4]);
    assert!(rig.read("d/a.json").contains("\"port_src\": 3, \"packets\": 20"));
    let snapshot = closes(&reader);
    assert_eq!((snapshot[Counter::AggregatesWaiting], snapshot[Counter::AggregatesWritten]), (0, 4));
    assert_eq!(snapshot[Counter::WriteRetries], 2);
}

#[test]
fn one_file_that_fails_keeps_its_rows_only() {
    let rig = Rig::new("tag,src_port", "$tag/a.json");
    fs::write(rig.path("2"), "in the way").unwrap();
    let (mut plugin, reader) = rig.plugin();
    plugin.purge(Some(rig.table("tag", [1, 2, 3])), NOW, false);
    assert_eq!(rig.files(), ["1/a.json", "2", "3/a.json"]);
    assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 1);
    fs::remove_file(rig.path("2")).unwrap();
    fs::remove_file(rig.path("1/a.json")).unwrap();
    plugin.purge(None, NOW + 60, false);
    assert_eq!(rig.files(), ["2/a.json", "3/a.json"]);
}

#[test]
fn the_oldest_are_dropped_at_the_bound_and_all_at_the_end() {
    let mut rig = Rig::new("src_port", "d/a.json");
    rig.settings.max_aggregates = 3;
    fs::write(rig.path("d"), "in the way").unwrap();
    let (mut plugin, reader) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", [1, 2])), NOW, false);
    plugin.purge(Some(rig.table("port_src", [3, 4, 5])), NOW + 60, false);
    let snapshot = closes(&reader);
    assert_eq!(snapshot[Counter::AggregatesDroppedRetries], 2);
    assert_eq!(
        (snapshot[Counter::AggregatesDroppedPackets], snapshot[Counter::AggregatesDroppedBytes]),
        (20, 2000)
    );
    plugin.purge(None, NOW + 120, true);
    let snapshot = closes(&reader);
    assert_eq!((snapshot[Counter::AggregatesDroppedShutdown], snapshot[Counter::AggregatesWaiting]), (3, 0));
}

#[test]
fn waiting_rows_are_bounded_by_memory_too() {
    let mut rig = Rig::new("src_port", "d/a.json");
    rig.settings.max_bytes = rig.table("port_src", 0..3000).size();
    fs::write(rig.path("d"), "in the way").unwrap();
    let (mut plugin, reader) = rig.plugin();
    for round in 0..10 {
        plugin.purge(Some(rig.table("port_src", round * 1000..(round + 1) * 1000)), NOW + 60 * round, false);
    }
    let snapshot = closes(&reader);
    let (waiting, dropped) = (snapshot[Counter::AggregatesWaiting], snapshot[Counter::AggregatesDroppedRetries]);
    assert!((1000..=3000).contains(&waiting) && waiting + dropped == 10_000, "{waiting} {dropped}");
}

#[test]
fn a_full_disk_is_a_counted_error() {
    let mut rig = Rig::new("src_port", "a");
    rig.settings.file = Some(Template::parse("/dev/full").unwrap());
    let (mut plugin, reader) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", 0..9)), NOW, false);
    let snapshot = closes(&reader);
    assert_eq!((snapshot[Counter::AggregatesWaiting], snapshot[Counter::WriteErrors]), (9, 1));
}

#[test]
fn a_failed_addition_leaves_no_half_rows() {
    let mut rig = Rig::new("src_port", "a");
    rig.settings.append = true;
    rig.settings.file = Some(Template::parse("/dev/full").unwrap());
    let (mut plugin, reader) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", 0..9)), NOW, false);
    assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 9);
}

#[test]
fn rows_of_early_tables_are_dropped_with_their_file() {
    let rig = Rig::new("src_port", "a.json");
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("port_src", 0..9), NOW, NOW + 60);
    assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 9);
    fs::create_dir_all(rig.path("a.json/in the way")).unwrap();
    plugin.purge(Some(rig.table("port_src", [1, 2])), NOW + 60, false);
    let snapshot = closes(&reader);
    assert_eq!((snapshot[Counter::AggregatesDroppedRefused], snapshot[Counter::AggregatesWaiting]), (9, 2));
    assert_eq!(snapshot[Counter::AggregatesDroppedPackets], 90);
    fs::remove_dir_all(rig.path("a.json")).unwrap();
    plugin.purge(None, NOW + 120, false);
    assert_eq!(ports(&rig.read("a.json")), [1, 2]);
}

#[test]
fn files_beyond_those_that_may_be_open_have_their_markers_once() {
    let mut rig = Rig::new("tag,src_port", "t-$tag.csv");
    (rig.settings.output, rig.settings.markers) = (Output::Csv, true);
    let (mut plugin, _) = rig.plugin();
    plugin.early(rig.table("tag", 0..400), NOW, NOW + 60);
    plugin.early(rig.table("tag", 0..400), NOW, NOW + 60);
    plugin.purge(Some(rig.table("tag", 0..9)), NOW + 60, false);
    let pid = std::process::id();
    for tag in 0..400 {
        let row = format!("{tag},0,10,1000\n").repeat(if tag < 9 { 3 } else { 2 });
        let expected = format!("--START ({pid})--\nTAG,SRC_PORT,PACKETS,BYTES\n{row}--END ({pid})--\n");
        assert_eq!(rig.read(&format!("t-{tag}.csv")), expected);
    }
    // The next period begins with new files.
    plugin.purge(Some(rig.table("tag", [0])), NOW + 120, false);
    assert_eq!(rig.read("t-0.csv").lines().count(), 4);
}

/// The test runs itself: the process that it starts writes to its standard output, and ends.
#[test]
fn rows_go_to_standard_output_under_a_lock() {
    const FOLDER: &str = "PRINT_TEST_FOLDER";
    let mut rig = Rig::new("src_port", "");
    (rig.settings.output, rig.settings.file) = (Output::Csv, None);
    if let Some(folder) = std::env::var_os(FOLDER) {
        rig.settings.lock_file = Some(Path::new(&folder).join("lock"));
        let (mut plugin, reader) = rig.plugin();
        plugin.early(rig.table("port_src", [1]), NOW, NOW + 60);
        plugin.purge(Some(rig.table("port_src", [2])), NOW + 60, true);
        assert_eq!(closes(&reader)[Counter::AggregatesWritten], 2);
        return;
    }
    let test = "print::tests::rows_go_to_standard_output_under_a_lock";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, rig.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let title = "SRC_PORT,PACKETS,BYTES\n";
    assert!(text.contains(&format!("{title}1,10,1000\n{title}2,10,1000\n")), "{text}");
    assert_eq!(rig.files(), ["lock"]);
}

#[test]
fn a_named_pipe_is_written_as_it_is() {
    let rig = Rig::new("src_port", "pipe");
    let made = std::process::Command::new("mkfifo").arg(rig.path("pipe")).status();
    assert!(made.unwrap().success());
    let (mut plugin, _) = rig.plugin();
    let text = std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read_to_string(rig.path("pipe")).unwrap());
        // A pipe without reader is an error, and the rows wait for the next purge.
        eventually(|| {
            plugin.purge(Some(rig.table("port_src", [1])), NOW, false);
            plugin.waiting.is_none().then_some(())
        });
        reader.join().unwrap()
    });
    assert_eq!(ports(&text), [1]);
    assert_eq!(rig.files(), ["pipe"]);
}

#[test]
fn a_trigger_gets_its_arguments_and_the_purges_figures() {
    let mut rig = Rig::with("src_port", "a.json", Options { bins: true, ..Options::default() });
    let (script, result) = (rig.path("trigger.sh"), rig.path("result"));
    let text = "echo \"$@ $EFFECTIVE_ELEM_NUMBER/$TOTAL_ELEM_NUMBER $SQL_HISTORY_BASETIME $PRINT_OUTPUT_FILE\"";
    fs::write(&script, format!("{text} > {}.new; mv {0}.new {0}", result.display())).unwrap();
    rig.settings.history = 300;
    rig.settings.trigger =
        Trigger::parse(&format!("/bin/sh {} one two", script.display()), false, Duration::from_secs(60));
    let (mut plugin, _) = rig.plugin();
    plugin.purge(Some(rig.binned("port_src", [(1, 1_699_999_200), (2, 1_699_999_800)])), NOW, false);
    let said = eventually(|| fs::read_to_string(&result).ok());
    assert_eq!(said.trim(), format!("one two 2/2 1699999800 {}", rig.path("a.json").display()));
    eventually(|| {
        plugin.triggers.reap();
        plugin.triggers.is_idle().then_some(())
    });
    fs::remove_file(&result).unwrap();
    plugin.purge(Some(rig.binned("port_src", [(3, 1_699_999_200)])), NOW, true);
    let said = eventually(|| fs::read_to_string(&result).ok());
    assert_eq!(said.trim(), format!("one two 1/1 1699999200 {}", rig.path("a.json").display()));
}

#[test]
fn the_trigger_of_the_last_purge_waits_for_the_one_before() {
    let mut rig = Rig::new("src_port", "a.json");
    let (script, gate, result) = (rig.path("trigger.sh"), rig.path("gate"), rig.path("result"));
    let text = "echo $TOTAL_ELEM_NUMBER >> RESULT; if [ $TOTAL_ELEM_NUMBER = 1 ]; then read line < GATE; fi";
    let text = text.replace("RESULT", &result.display().to_string()).replace("GATE", &gate.display().to_string());
    fs::write(&script, text).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    rig.settings.trigger =
        Trigger::parse(&format!("/bin/sh {}", script.display()), false, Duration::from_secs(60));
    let (mut plugin, _) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", [1])), NOW, false);
    eventually(|| fs::read_to_string(&result).ok().filter(|text| text == "1\n"));
    // While the first one runs it is not started again; the last one is, once the first has ended.
    plugin.purge(Some(rig.table("port_src", [1, 2])), NOW, false);
    let opener = std::thread::spawn(move || fs::write(&gate, "\n").unwrap());
    plugin.purge(Some(rig.table("port_src", [1, 2, 3])), NOW, true);
    opener.join().unwrap();
    eventually(|| fs::read_to_string(&result).ok().filter(|text| text == "1\n3\n"));
}

#[test]
fn formatted_output_rejects_columns_without_width() {
    let mut rig = Rig::new("src_host,label,as_path", "a");
    assert!(rig.settings.unsupported(&rig.schema).is_empty());
    rig.settings.output = Output::Formatted;
    assert_eq!(rig.settings.unsupported(&rig.schema), ["label", "as_path"]);
}

#[test]
fn files_have_the_mask_and_times_the_zone_of_the_settings() {
    use std::os::unix::fs::PermissionsExt;
    let mut rig = Rig::new("src_port", "%H.json");
    rig.settings.files.umask = runtime::privileges::Umask::new(0o027);
    rig.settings.style = Style { zone: jiff::tz::TimeZone::get("Europe/Rome").unwrap(), ..Style::default() };
    let (mut plugin, _) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", [1])), NOW, true);
    assert_eq!(fs::metadata(rig.path("23.json")).unwrap().permissions().mode() & 0o777, 0o640);
}

/// The rows of an Avro file, as another implementation reads them: the ports.
fn avro_ports(bytes: &[u8]) -> Vec<u64> {
    let rows = apache_avro::Reader::new(bytes).unwrap();
    let mut ports: Vec<u64> = rows
        .map(|row| match row.unwrap() {
            apache_avro::types::Value::Record(fields) => {
                match fields.iter().find(|(name, _)| name == "port_src").unwrap() {
                    (_, apache_avro::types::Value::Long(port)) => port.cast_unsigned(),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        })
        .collect();
    ports.sort_unstable();
    ports
}

/// A plugin that writes Avro.
fn avro(words: &str, file: &str, append: bool) -> Rig {
    let mut rig = Rig::new(words, file);
    (rig.settings.output, rig.settings.append, rig.settings.avro_block) = (Output::Avro, append, 64);
    rig
}

#[test]
fn avro_files_are_whole_with_early_tables_and_many_blocks() {
    let rig = avro("src_port", "a.avro", false);
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("port_src", 0..100), NOW, NOW + 60);
    plugin.early(rig.table("port_src", 100..150), NOW, NOW + 60);
    plugin.purge(Some(rig.table("port_src", 150..200)), NOW + 60, false);
    let bytes = fs::read(rig.path("a.avro")).unwrap();
    assert_eq!(avro_ports(&bytes), (0..200).collect::<Vec<_>>());
    assert!(bytes.len() > 200 * 8 + 200 / 8 * 16, "blocks have their size: {}", bytes.len());
    assert_eq!(closes(&reader)[Counter::AggregatesWritten], 200);
    plugin.purge(Some(rig.table("port_src", [7])), NOW + 120, true);
    assert_eq!(avro_ports(&fs::read(rig.path("a.avro")).unwrap()), [7]);
}

#[test]
fn blocks_are_added_to_avro_files_of_the_same_schema() {
    let rig = avro("src_port", "a.avro", true);
    for port in 1..4 {
        // Each iteration is a separate run of the program.
        let (mut plugin, _) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", [port])), NOW, true);
    }
    assert_eq!(avro_ports(&fs::read(rig.path("a.avro")).unwrap()), [1, 2, 3]);
}

#[test]
fn half_a_block_is_cut_off_before_more_are_added() {
    let rig = avro("src_port", "a.avro", true);
    rig.plugin().0.purge(Some(rig.table("port_src", [1])), NOW, true);
    let whole = fs::read(rig.path("a.avro")).unwrap();
    rig.plugin().0.purge(Some(rig.table("port_src", [2])), NOW, true);
    let both = fs::read(rig.path("a.avro")).unwrap();
    for length in whole.len() + 1..both.len() {
        fs::write(rig.path("a.avro"), &both[..length]).unwrap();
        rig.plugin().0.purge(Some(rig.table("port_src", [3])), NOW, true);
        assert_eq!(avro_ports(&fs::read(rig.path("a.avro")).unwrap()), [1, 3], "{length}");
    }
}

#[test]
fn files_with_other_rows_stay_as_they_are_and_ours_wait() {
    let other = avro("src_port,tag", "a.avro", true);
    other.plugin().0.purge(Some(other.table("port_src", [1])), NOW, true);
    for bytes in [fs::read(other.path("a.avro")).unwrap(), b"{\"json\": 1}\n".to_vec()] {
        let rig = avro("src_port", "a.avro", true);
        fs::write(rig.path("a.avro"), &bytes).unwrap();
        let (mut plugin, reader) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", [2])), NOW, false);
        assert_eq!(fs::read(rig.path("a.avro")).unwrap(), bytes);
        let snapshot = closes(&reader);
        assert_eq!((snapshot[Counter::AggregatesWaiting], snapshot[Counter::WriteErrors]), (1, 1));
        fs::remove_file(rig.path("a.avro")).unwrap();
        plugin.purge(None, NOW + 60, true);
        assert_eq!(avro_ports(&fs::read(rig.path("a.avro")).unwrap()), [2]);
    }
}

#[test]
fn avro_files_beyond_those_that_may_be_open_are_whole() {
    let rig = avro("tag,src_port", "t-$tag.avro", false);
    let (mut plugin, reader) = rig.plugin();
    plugin.early(rig.table("tag", 0..200), NOW, NOW + 60);
    plugin.early(rig.table("tag", 0..200), NOW, NOW + 60);
    plugin.purge(Some(rig.table("tag", 0..9)), NOW + 60, true);
    for tag in 0..200 {
        let bytes = fs::read(rig.path(&format!("t-{tag}.avro"))).unwrap();
        assert_eq!(avro_ports(&bytes).len(), if tag < 9 { 3 } else { 2 });
    }
    assert_eq!(closes(&reader)[Counter::AggregatesWritten], 409);
}

#[test]
fn the_schema_has_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt;
    for output in [Output::Avro, Output::AvroJson] {
        let mut rig = avro("src_port", "a", false);
        rig.settings.output = output;
        rig.settings.files.umask = runtime::privileges::Umask::new(0o077);
        rig.settings.schema_file = Some(rig.path("s/schema"));
        let (outlets, inlet) = outlet::channel(1, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| run(&rig.settings, &rig.schema, inlet, Counters::new()));
            outlets.into_iter().for_each(|outlet| outlet.finish(rig.table("port_src", [])));
        });
        let schema = rig.read("s/schema");
        apache_avro::Schema::parse_str(&schema).unwrap();
        assert!(schema.starts_with("{\"type\":\"record\"") && schema.ends_with("]}"), "{schema}");
        assert_eq!(fs::metadata(rig.path("s/schema")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(rig.files(), ["s/schema"]);
    }
}

#[test]
fn avro_has_a_form_of_json() {
    let mut rig = avro("src_port", "a", false);
    (rig.settings.output, rig.settings.markers) = (Output::AvroJson, true);
    let (mut plugin, _) = rig.plugin();
    plugin.purge(Some(rig.table("port_src", [7])), NOW, true);
    let text = rig.read("a");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("purge_init") && lines[2].contains("purge_close"), "{text}");
    assert_eq!(
        lines[1],
        "{\"port_src\": 7, \"packets\": {\"long\": 10}, \"flows\": null, \"bytes\": {\"long\": 1000}}"
    );
}

#[test]
fn an_empty_avro_file_has_its_schema() {
    let mut rig = avro("src_port", "a", false);
    rig.settings.write_empty_file = true;
    rig.plugin().0.purge(None, NOW, true);
    assert_eq!(avro_ports(&fs::read(rig.path("a")).unwrap()), Vec::<u64>::new());
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;
    use ::parquet::file::reader::FileReader;
    use ::parquet::file::serialized_reader::SerializedFileReader;
    use ::parquet::record::Field;

    fn rig(words: &str, file: &str) -> Rig {
        let mut rig = Rig::new(words, file);
        rig.settings.output = Output::Parquet;
        rig
    }

    /// The values of that column in the rows of a file.
    fn numbers(path: &Path, column: &str) -> Vec<u64> {
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        let number =
            |row: ::parquet::record::Row| match row.get_column_iter().find(|(name, _)| *name == column).unwrap().1
            {
                Field::UShort(number) => u64::from(*number),
                Field::ULong(number) => *number,
                other => panic!("{other:?}"),
            };
        let mut numbers: Vec<u64> = reader.get_row_iter(None).unwrap().map(|row| number(row.unwrap())).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn files_are_whole_with_early_tables() {
        let rig = rig("src_port", "a.parquet");
        let (mut plugin, reader) = rig.plugin();
        plugin.early(rig.table("port_src", 0..1000), NOW, NOW + 60);
        assert!(!rig.path("a.parquet").exists(), "the file is not whole yet");
        plugin.purge(Some(rig.table("port_src", 1000..1500)), NOW + 60, false);
        assert_eq!(numbers(&rig.path("a.parquet"), "port_src"), (0..1500).collect::<Vec<_>>());
        assert_eq!(numbers(&rig.path("a.parquet"), "bytes"), vec![1000; 1500]);
        plugin.early(rig.table("port_src", [4]), NOW + 70, NOW + 120);
        plugin.purge(None, NOW + 120, true);
        assert_eq!(numbers(&rig.path("a.parquet"), "port_src"), [4]);
        assert_eq!(closes(&reader)[Counter::AggregatesWritten], 1501);
        assert_eq!(rig.files(), ["a.parquet"]);
    }

    #[test]
    fn each_tag_has_its_file_however_many_there_are() {
        let rig = rig("tag,src_port", "t-$tag.parquet");
        let (mut plugin, reader) = rig.plugin();
        plugin.early(rig.table("tag", 0..200), NOW, NOW + 60);
        plugin.early(rig.table("tag", 0..200), NOW, NOW + 60);
        plugin.purge(Some(rig.table("tag", 0..9)), NOW + 60, true);
        for tag in 0..200 {
            let found = numbers(&rig.path(&format!("t-{tag}.parquet")), "tag");
            assert_eq!(found, vec![tag; if tag < 9 { 3 } else { 2 }]);
        }
        assert_eq!(closes(&reader)[Counter::AggregatesWritten], 409);
        assert_eq!(rig.files().len(), 200);
    }

    #[test]
    fn failed_writes_are_retried() {
        let rig = rig("src_port", "d/a");
        fs::write(rig.path("d"), "in the way").unwrap();
        let (mut plugin, reader) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", [1, 2])), NOW, false);
        assert_eq!(closes(&reader)[Counter::AggregatesWaiting], 2);
        fs::remove_file(rig.path("d")).unwrap();
        plugin.purge(Some(rig.table("port_src", [3])), NOW + 60, true);
        assert_eq!(numbers(&rig.path("d/a"), "port_src"), [1, 2, 3]);
    }

    #[test]
    fn a_full_disk_is_a_counted_error() {
        let mut rig = rig("src_port", "a");
        rig.settings.file = Some(Template::parse("/dev/full").unwrap());
        let (mut plugin, reader) = rig.plugin();
        plugin.purge(Some(rig.table("port_src", 0..9)), NOW, false);
        let snapshot = closes(&reader);
        assert_eq!((snapshot[Counter::AggregatesWaiting], snapshot[Counter::WriteErrors]), (9, 1));
    }

    #[test]
    fn an_empty_file_has_its_columns() {
        let mut rig = rig("src_port", "a");
        rig.settings.write_empty_file = true;
        rig.plugin().0.purge(None, NOW, true);
        assert_eq!(numbers(&rig.path("a"), "port_src"), Vec::<u64>::new());
    }
}
