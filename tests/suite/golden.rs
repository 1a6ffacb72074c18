//! Every output byte for byte: one run over generated flows, compared with the files in `tests/golden`.
//!
//! After an intended change, `UPDATE_GOLDEN=1 cargo test --test suite golden` rewrites the files; review them as a diff.
//! Rows are sorted, since their order is undefined. Values that differ from run to run (insertion times) are replaced.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use crate::support::{NOW, nfacctd, start};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use testkit::traffic::{Flow, Flows, Stream, Version};
use testkit::{Process, Setup};

/// The aggregation key.
const AGGREGATE: &str = "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, src_as, dst_as, src_mask, \
                         dst_mask, in_iface, out_iface, peer_src_ip, export_proto_version, timestamp_start, \
                         timestamp_end, flows";
/// The text formats of the print plugin.
const TEXTS: &[&str] = &["formatted", "csv", "json", "event_formatted", "event_csv", "avro_json"];
/// Columns of the SQLite table with their documented types, between those of the insertion times.
const COLUMNS: &str = "ip_src CHAR(45), ip_dst CHAR(45), src_port INT(4), dst_port INT(4), ip_proto CHAR(6), \
                       tos INT(4), tcp_flags INT(4), as_src INT(8), as_dst INT(8), mask_src INT(2), mask_dst INT(2), \
                       iface_in INT(8), iface_out INT(8), peer_ip_src CHAR(45), export_proto_version INT(4), \
                       timestamp_start DATETIME, timestamp_start_residual INT, timestamp_end DATETIME, \
                       timestamp_end_residual INT, flows INT, packets INT, bytes BIGINT, \
                       stamp_inserted DATETIME, stamp_updated DATETIME";

/// Compares a text with its golden file.
#[track_caller]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty()) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let both = golden.lines().zip(text.lines()).enumerate().find(|(_, (golden, text))| golden != text);
    let first = both.map_or(String::new(), |(number, (golden, text))| {
        format!("line {}:\n  golden: {golden}\n  now:    {text}\n", number + 1)
    });
    assert!(
        golden == text,
        "tests/golden/{name} has {} lines, the output {}\n{first}if the change is meant, run with UPDATE_GOLDEN=1",
        golden.lines().count(),
        text.lines().count()
    );
}

/// The text with its rows sorted, after `titles` title lines.
fn sorted(text: &str, titles: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let titles = titles.min(lines.len());
    lines[titles..].sort_unstable();
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// The number of title lines of a format.
fn titles(format: &str) -> usize {
    usize::from(format.ends_with("formatted") || format.ends_with("csv"))
}

/// A collector with all outputs that are written at shutdown.
fn collector() -> Setup {
    let formats = TEXTS.iter().copied().chain(cfg!(feature = "parquet").then_some("parquet")).chain(["avro"]);
    let mut plugins = "plugins: memory[m]".to_owned();
    let mut lines = format!("aggregate: {AGGREGATE}\ntimestamps_utc: true\nimt_path[m]: {{dir}}/m.sock\n");
    for format in formats {
        let _ = write!(plugins, ", print[{format}]");
        let _ = writeln!(lines, "print_output[{format}]: {format}\nprint_output_file[{format}]: {{dir}}/{format}");
    }
    if cfg!(feature = "sql") {
        plugins += ", sqlite3[s]";
        lines += "sql_db[s]: {dir}/acct.db\nsql_table[s]: acct\nsql_optimize_clauses[s]: true\n\
                  sql_refresh_time[s]: 86400\nsql_history[s]: 1d\n";
    }
    nfacctd(&(plugins + "\navro_schema_file[avro]: {dir}/schema.json\n" + &lines))
}

/// Sends flows of each version from one address, and waits until all are counted.
fn send(process: &Process) {
    let exporter = process.exporter("127.0.1.1");
    let mut datagrams = 0;
    for (version, seed) in [(Version::V5, 1), (Version::V9, 2), (Version::Ipfix, 3)] {
        let flows: Vec<Flow> = Flows::new(seed).take(8).collect();
        let all = Stream::new(version, 1, NOW).datagrams(&flows);
        datagrams += all.len() as u64;
        exporter.send_all(all);
    }
    process.wait_for_datagrams(datagrams);
}

/// The client's output for the memory table.
fn shown(process: &Process, format: &str) -> String {
    let socket = process.setup().path("m.sock");
    let client = Setup::new(env!("CARGO_BIN_EXE_pmacct"));
    let finished = client.arguments(["-p", &socket.to_string_lossy(), "-s", "-O", format]).run();
    assert!(finished.status.success(), "{}", finished.log);
    finished.stdout
}

/// The schema and the records of an Avro file.
fn avro(file: &Path) -> String {
    let reader = apache_avro::Reader::new(fs::File::open(file).unwrap()).unwrap();
    let mut text = serde_json::to_string_pretty(reader.writer_schema()).unwrap() + "\n";
    let value =
        |record: Result<apache_avro::types::Value, _>| serde_json::Value::try_from(record.unwrap()).unwrap();
    let mut rows: Vec<String> = reader.map(|record| value(record).to_string()).collect();
    rows.sort_unstable();
    rows.iter().for_each(|row| text += &format!("{row}\n"));
    text
}

/// The schema and the rows of a Parquet file.
#[cfg(feature = "parquet")]
fn parquet(file: &Path) -> String {
    use ::parquet::file::reader::FileReader;
    use ::parquet::schema::printer::print_schema;

    let reader =
        ::parquet::file::serialized_reader::SerializedFileReader::new(fs::File::open(file).unwrap()).unwrap();
    let mut schema = Vec::new();
    print_schema(&mut schema, reader.metadata().file_metadata().schema());
    let mut rows: Vec<String> =
        reader.get_row_iter(None).unwrap().map(|row| format!("{}\n", row.unwrap())).collect();
    rows.sort_unstable();
    String::from_utf8(schema).unwrap() + &rows.concat()
}

/// The rows of the SQLite table, with values as `quote` renders them.
#[cfg(feature = "sql")]
fn sqlite(file: &Path) -> String {
    let database = rusqlite::Connection::open(file).unwrap();
    let names: Vec<&str> = COLUMNS.split(", ").filter_map(|column| column.split(' ').next()).collect();
    let shown: Vec<String> = names
        .iter()
        .map(|name| match *name {
            // The insertion time differs in each run, but must be present.
            "stamp_inserted" | "stamp_updated" => format!("typeof(datetime({name}))"),
            name => format!("quote({name})"),
        })
        .collect();
    let query = format!("SELECT {} FROM acct ORDER BY 1", shown.join(" || ',' || "));
    let mut statement = database.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.fold(names.join(",") + "\n", |text, row| text + &row.unwrap() + "\n")
}

#[test]
fn outputs_equal_the_golden_files() {
    let setup = collector();
    #[cfg(feature = "sql")]
    {
        let made = format!("CREATE TABLE acct ({COLUMNS})");
        rusqlite::Connection::open(setup.path("acct.db")).unwrap().execute_batch(&made).unwrap();
    }
    let process = start(&setup);
    send(&process);
    for format in ["formatted", "csv", "json"] {
        // The last lines of a formatted answer hold its number of entries, which sorting would move.
        let text = shown(&process, format);
        let (rows, total) =
            text.split_once("\n\nFor a total").map_or((&*text, None), |(rows, rest)| (rows, Some(rest)));
        let end = total.map_or(String::new(), |rest| format!("\nFor a total{rest}"));
        assert_golden(&format!("memory.{format}"), &(sorted(rows, titles(format)) + &end));
    }
    let finished = process.stop();
    for format in TEXTS {
        assert_golden(&format!("print.{format}"), &sorted(&finished.text(format), titles(format)));
    }
    assert_golden("print.avro", &avro(&setup.path("avro")));
    assert_golden("avro_schema.json", &finished.text("schema.json"));
    #[cfg(feature = "parquet")]
    assert_golden("print.parquet", &parquet(&setup.path("parquet")));
    #[cfg(feature = "sql")]
    assert_golden("sqlite", &sqlite(&setup.path("acct.db")));
}
