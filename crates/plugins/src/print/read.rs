//! Reads [`Settings`] from the configuration.

use super::settings::{Output, PER_CACHE_ENTRY, Settings};
use crate::preprocess;
use crate::sink;
use crate::trigger::Trigger;
use aggregate::time_bin::{Roundoff, Width};
use config::keys::core::PLUGIN_QUEUE_MEMORY;
use config::keys::encoding::{AVRO_BUFFER_SIZE, AVRO_SCHEMA_FILE};
use config::keys::output::{
    PRINT_LATEST_FILE, PRINT_OUTPUT_FILE, PRINT_OUTPUT_FILE_APPEND, PRINT_OUTPUT_LOCK_FILE,
    PRINT_WRITE_EMPTY_FILE, WRITER_ID_STRING,
};
use config::keys::print::{
    PRINT_CACHE_ENTRIES, PRINT_HISTORY, PRINT_HISTORY_ROUNDOFF, PRINT_MARKERS, PRINT_MAX_FILES, PRINT_OUTPUT,
    PRINT_REFRESH_TIME, PRINT_STARTUP_DELAY, PrintOutput,
};
use config::{Diagnostics, Plugin};
use encode::names::Template;
use std::time::Duration;

/// Seconds of a month, for the variable that shows the length of bins as a number of seconds.
const MONTH: u64 = 30 * 86_400;

impl Settings {
    /// Reads the settings of a print plugin. Diagnostics that prevent its start are fatal.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let output = output(plugin, problems);
        let markers = plugin.get(&PRINT_MARKERS);
        if markers && !output.has_markers() {
            let what = "print_markers: Avro and Parquet files contain only rows. Ignored.".to_owned();
            problems.warn(plugin.blame(&PRINT_MARKERS), what, None);
        }
        let history = match sink::width(plugin.get(&PRINT_HISTORY)) {
            None => 0,
            Some(Width::Seconds(seconds)) => u64::from(seconds),
            Some(Width::Months(months)) => u64::from(months) * MONTH,
        };
        let entries = usize::try_from(plugin.get(&PRINT_CACHE_ENTRIES)).unwrap_or(usize::MAX);
        Self {
            name: plugin.name.clone(),
            writer_id: plugin.get(&WRITER_ID_STRING),
            output,
            file: file(plugin, problems),
            latest: latest(plugin),
            append: plugin.get(&PRINT_OUTPUT_FILE_APPEND),
            lock_file: plugin.get(&PRINT_OUTPUT_LOCK_FILE),
            markers,
            write_empty_file: plugin.get(&PRINT_WRITE_EMPTY_FILE),
            schema_file: plugin.get(&AVRO_SCHEMA_FILE),
            avro_block: usize::try_from(plugin.get(&AVRO_BUFFER_SIZE)).unwrap_or(usize::MAX),
            style: sink::style(plugin),
            files: sink::files(plugin, problems),
            refresh: seconds(plugin.get(&PRINT_REFRESH_TIME)),
            startup_delay: seconds(plugin.get(&PRINT_STARTUP_DELAY)),
            roundoff: Roundoff::parse(&plugin.get(&PRINT_HISTORY_ROUNDOFF).unwrap_or_default()),
            history,
            preprocess: preprocess::Settings::read(plugin, problems),
            trigger: Trigger::read(plugin),
            max_aggregates: entries.saturating_mul(PER_CACHE_ENTRY),
            max_bytes: usize::try_from(plugin.get(&PLUGIN_QUEUE_MEMORY)).unwrap_or(usize::MAX),
            max_files: plugin.get(&PRINT_MAX_FILES),
        }
    }
}

/// The format of the output, if it is possible for its target.
fn output(plugin: &Plugin, problems: &mut Diagnostics) -> Output {
    let to_file = plugin.get(&PRINT_OUTPUT_FILE).is_some();
    match plugin.get(&PRINT_OUTPUT) {
        PrintOutput::Formatted => Output::Formatted,
        PrintOutput::EventFormatted => Output::EventFormatted,
        PrintOutput::Csv => Output::Csv,
        PrintOutput::EventCsv => Output::EventCsv,
        PrintOutput::Json => Output::Json,
        PrintOutput::Avro if to_file => Output::Avro,
        PrintOutput::Avro => {
            // As in the C implementation: a series of binary files is useless on a terminal or a pipe.
            let what = "print_output: avro needs print_output_file. Using avro_json.".to_owned();
            problems.warn(plugin.blame(&PRINT_OUTPUT), what, None);
            Output::AvroJson
        }
        PrintOutput::AvroJson => Output::AvroJson,
        PrintOutput::Parquet => parquet(plugin, problems, to_file),
        PrintOutput::Custom => {
            let what = "print_output: custom needs code of the C implementation and is not supported.".to_owned();
            let hint =
                "Use json, csv, formatted, avro, avro_json or parquet; print_trigger_exec can convert files.";
            problems.fatal(plugin.blame(&PRINT_OUTPUT), what, Some(hint.to_owned()));
            Output::Json
        }
    }
}

#[cfg(feature = "parquet")]
fn parquet(plugin: &Plugin, problems: &mut Diagnostics, to_file: bool) -> Output {
    if !to_file {
        let what =
            "print_output: parquet needs print_output_file, since its index is at the end of the file.".to_owned();
        let hint = "Set print_output_file, or use json.".to_owned();
        problems.fatal(plugin.blame(&PRINT_OUTPUT), what, Some(hint));
    }
    if plugin.get(&PRINT_OUTPUT_FILE_APPEND) {
        let what = "print_output_file_append: a Parquet file cannot be appended to.".to_owned();
        let hint = "Give each flush or each bin a file of its own: print_output_file with %Y%m%d-%H%M.".to_owned();
        problems.fatal(plugin.blame(&PRINT_OUTPUT_FILE_APPEND), what, Some(hint));
    }
    Output::Parquet
}

#[cfg(not(feature = "parquet"))]
fn parquet(plugin: &Plugin, problems: &mut Diagnostics, _: bool) -> Output {
    let what = "print_output: this program was built without parquet.".to_owned();
    let hint = "Build with the feature parquet, or use avro.".to_owned();
    problems.fatal(plugin.blame(&PRINT_OUTPUT), what, Some(hint));
    Output::Json
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn file(plugin: &Plugin, problems: &mut Diagnostics) -> Option<Template> {
    let path = plugin.get(&PRINT_OUTPUT_FILE)?;
    match Template::parse(&path.to_string_lossy()) {
        Ok(template) => Some(template),
        Err(error) => {
            let what = format!("print_output_file, {error}");
            let hint = Some("Use only the letters d H m M s S w W Y z.".to_owned());
            problems.fatal(plugin.blame(&PRINT_OUTPUT_FILE), what, hint);
            None
        }
    }
}

/// The name of a link cannot show the time: it would be one of many, and not the latest. The key's own check rejects such a
/// name.
fn latest(plugin: &Plugin) -> Option<Template> {
    let path = plugin.get(&PRINT_LATEST_FILE)?;
    Template::parse(&path.to_string_lossy()).ok().filter(|template| !template.has_time())
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Daemon, Severity};

    fn read(lines: &str) -> (Settings, Vec<(Severity, String)>) {
        let text = format!("plugins: print[a]\naggregate[a]: src_host\n{lines}\n");
        let (config, mut problems) = config::parse_bytes(Daemon::Nfacctd, "c", text.as_bytes());
        let settings = Settings::read(&config.plugins()[0], &mut problems);
        let worth_a_word = problems.iter().filter(|problem| problem.severity > Severity::Debug);
        (settings, worth_a_word.map(|problem| (problem.severity, problem.to_string())).collect())
    }

    #[test]
    fn settings_are_read() {
        let (settings, problems) = read(
            "print_output: event_csv\nprint_output_separator: \\t\nprint_output_file: /x/%H-$tag\n\
             print_latest_file: /x/latest-$tag\nprint_output_file_append: true\nprint_markers: true\n\
             print_refresh_time: 10\nprint_startup_delay: 3\nprint_history: 5m\nprint_history_roundoff: mh\n\
             print_cache_entries: 7\nprint_trigger_exec: /bin/t a b\nprint_num_protos: true\nfiles_umask: 027\n\
             timestamps_utc: true\ntimestamps_rfc3339: true\ntcpflags_encode_as_array: true\n\
             print_output_lock_file: /x/lock\nprint_write_empty_file: true",
        );
        assert_eq!(problems, []);
        assert_eq!((settings.name.as_str(), settings.output), ("a", Output::EventCsv));
        assert_eq!(settings.file, Template::parse("/x/%H-$tag").ok());
        assert_eq!(settings.latest, Template::parse("/x/latest-$tag").ok());
        assert!(settings.append && settings.markers && settings.write_empty_file && settings.lock_file.is_some());
        assert_eq!((settings.refresh, settings.startup_delay, settings.history), (10, 3, 300));
        assert_eq!((settings.roundoff, settings.max_aggregates), (Roundoff::parse("mh"), 70));
        assert_eq!(settings.trigger, Trigger::parse("/bin/t a b", false, Duration::from_secs(3600)));
        let style = &settings.style;
        assert!(style.num_protos && style.rfc3339 && style.tcpflags_as_array && !style.since_epoch);
        assert_eq!(style.separator, '\t');
        assert_eq!(settings.files.umask, runtime::privileges::Umask::new(0o027));
    }

    #[test]
    fn an_empty_configuration_gives_the_defaults() {
        let (settings, problems) = read("");
        let defaults = Settings::default();
        assert_eq!(problems, []);
        assert_eq!((settings.output, settings.refresh), (defaults.output, defaults.refresh));
        assert_eq!((settings.max_aggregates, settings.writer_id), (defaults.max_aggregates, defaults.writer_id));
        assert!(settings.file.is_none() && settings.trigger.is_none());
    }

    #[test]
    fn invalid_settings_are_reported() {
        let (settings, problems) = read("print_output_file: /x/%j");
        assert!(settings.file.is_none());
        let (severity, text) = &problems[0];
        assert_eq!(*severity, Severity::Fatal);
        assert!(text.contains("[c:3] print_output_file, %j not supported."), "{text}");
        let (settings, problems) = read("print_latest_file: /x/%H");
        assert!(settings.latest.is_none());
        assert_eq!(problems.len(), 1);
        let (settings, problems) = read("files_uid: no-such-user");
        assert_eq!(settings.files.uid, None);
        assert!(problems[0].1.contains("no-such-user"), "{}", problems[0].1);
    }
    #[test]
    fn formats_match_their_targets() {
        let (settings, problems) = read("print_output: AVRO\nprint_output_file: /x/a\navro_schema_file: /x/s");
        assert_eq!((settings.output, problems), (Output::Avro, Vec::new()));
        assert_eq!(settings.schema_file.as_deref(), Some(std::path::Path::new("/x/s")));
        assert_eq!(settings.avro_block, Settings::default().avro_block);
        let (settings, problems) = read("print_output: avro\navro_buffer_size: 100");
        assert_eq!((settings.output, settings.avro_block), (Output::AvroJson, 100));
        assert!(problems[0].1.contains("needs print_output_file"), "{}", problems[0].1);
        let (settings, problems) = read("print_output: avro_json\nprint_markers: true");
        assert_eq!((settings.output, settings.markers, problems), (Output::AvroJson, true, Vec::new()));
        let (_, problems) = read("print_output: avro_bin\nprint_output_file: /x/a\nprint_markers: true");
        assert!(problems[0].1.contains("only rows"), "{}", problems[0].1);
        let (_, problems) = read("print_output: custom");
        assert_eq!(problems[0].0, Severity::Fatal);
    }

    #[test]
    #[cfg(feature = "parquet")]
    fn parquet_needs_files_of_its_own() {
        let (settings, problems) = read("print_output: parquet\nprint_output_file: /x/a");
        assert_eq!((settings.output, problems), (Output::Parquet, Vec::new()));
        let (_, problems) = read("print_output: parquet");
        assert!(problems[0].0 == Severity::Fatal && problems[0].1.contains("needs print_output_file"));
        let (_, problems) = read("print_output: parquet\nprint_output_file: /x/a\nprint_output_file_append: true");
        assert_eq!(problems[0].0, Severity::Fatal);
        assert!(problems[0].1.contains("[c:5] print_output_file_append"), "{}", problems[0].1);
    }
}
