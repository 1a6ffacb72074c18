//! From configuration to [`Settings`].

use super::settings::{Output, PER_CACHE_ENTRY, Settings};
use crate::preprocess;
use crate::sink;
use crate::trigger::Trigger;
use aggregate::time_bin::{Roundoff, Width};
use config::keys::output::{
    PRINT_LATEST_FILE, PRINT_OUTPUT_FILE, PRINT_OUTPUT_FILE_APPEND, PRINT_OUTPUT_LOCK_FILE,
    PRINT_WRITE_EMPTY_FILE, WRITER_ID_STRING,
};
use config::keys::print::{
    PRINT_CACHE_ENTRIES, PRINT_HISTORY, PRINT_HISTORY_ROUNDOFF, PRINT_MARKERS, PRINT_OUTPUT, PRINT_REFRESH_TIME,
    PRINT_STARTUP_DELAY, PRINT_TRIGGER_EXEC, PRINT_TRIGGER_EXEC_ASYNC, PrintOutput,
};
use config::{Plugin, Problems};
use encode::names::Template;
use std::time::Duration;

/// Seconds of a month, for the variable that shows the length of bins as a number of seconds.
const MONTH: u64 = 30 * 86_400;

impl Settings {
    /// The settings of a print plugin. What keeps it from starting is a fatal problem.
    pub fn read(plugin: &Plugin, problems: &mut Problems) -> Self {
        let output = match plugin.get(&PRINT_OUTPUT) {
            PrintOutput::Formatted => Output::Formatted,
            PrintOutput::EventFormatted => Output::EventFormatted,
            PrintOutput::Csv => Output::Csv,
            PrintOutput::EventCsv => Output::EventCsv,
            PrintOutput::Json => Output::Json,
            other @ (PrintOutput::Avro | PrintOutput::AvroJson | PrintOutput::Custom) => {
                let word = other.word();
                let hint = Some("Use json, csv or formatted.".to_owned());
                problems.fatal(
                    plugin.blame(&PRINT_OUTPUT),
                    format!("print_output: {word} cannot be written."),
                    hint,
                );
                Output::Json
            }
        };
        let history = match sink::width(plugin.get(&PRINT_HISTORY)) {
            None => 0,
            Some(Width::Seconds(seconds)) => u64::from(seconds),
            Some(Width::Months(months)) => u64::from(months) * MONTH,
        };
        let concurrent = plugin.get(&PRINT_TRIGGER_EXEC_ASYNC);
        let entries = usize::try_from(plugin.get(&PRINT_CACHE_ENTRIES)).unwrap_or(usize::MAX);
        Self {
            name: plugin.name.clone(),
            writer_id: plugin.get(&WRITER_ID_STRING),
            output,
            file: file(plugin, problems),
            latest: latest(plugin),
            append: plugin.get(&PRINT_OUTPUT_FILE_APPEND),
            lock_file: plugin.get(&PRINT_OUTPUT_LOCK_FILE),
            markers: plugin.get(&PRINT_MARKERS),
            write_empty_file: plugin.get(&PRINT_WRITE_EMPTY_FILE),
            style: sink::style(plugin),
            files: sink::files(plugin, problems),
            refresh: seconds(plugin.get(&PRINT_REFRESH_TIME)),
            startup_delay: seconds(plugin.get(&PRINT_STARTUP_DELAY)),
            roundoff: Roundoff::parse(&plugin.get(&PRINT_HISTORY_ROUNDOFF).unwrap_or_default()),
            history,
            preprocess: preprocess::Settings::read(plugin, problems),
            trigger: plugin.get(&PRINT_TRIGGER_EXEC).and_then(|command| Trigger::parse(&command, concurrent)),
            max_aggregates: entries.saturating_mul(PER_CACHE_ENTRY),
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn file(plugin: &Plugin, problems: &mut Problems) -> Option<Template> {
    let path = plugin.get(&PRINT_OUTPUT_FILE)?;
    match Template::parse(&path.to_string_lossy()) {
        Ok(template) => Some(template),
        Err(error) => {
            let what = format!("print_output_file, {error}");
            let hint = Some("Letters that are: d H m M s S w W Y z.".to_owned());
            problems.fatal(plugin.blame(&PRINT_OUTPUT_FILE), what, hint);
            None
        }
    }
}

/// A link cannot have the time in its name: then it would be one of many, and not the latest. Such a name does not
/// get through the key's own check.
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
        assert_eq!(settings.trigger, Trigger::parse("/bin/t a b", false));
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
    fn what_makes_no_sense_is_said() {
        let (settings, problems) = read("print_output_file: /x/%j");
        assert!(settings.file.is_none());
        let (severity, text) = &problems[0];
        assert_eq!(*severity, Severity::Fatal);
        assert!(text.contains("[c:3] print_output_file, %j not supported."), "{text}");
        let (settings, problems) = read("print_latest_file: /x/%H");
        assert!(settings.latest.is_none());
        assert_eq!(problems.len(), 1);
        assert_eq!(read("print_output: avro").1[0].0, Severity::Fatal);
        let (settings, problems) = read("files_uid: no-such-user");
        assert_eq!(settings.files.uid, None);
        assert!(problems[0].1.contains("no-such-user"), "{}", problems[0].1);
    }
}
