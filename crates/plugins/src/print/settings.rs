//! The settings of a print plugin.

use crate::preprocess;
use crate::trigger::Trigger;
use aggregate::time_bin::Roundoff;
use encode::Style;
use encode::columns;
use encode::names::Template;
use flow::schema::Schema;
use runtime::files;
use std::path::PathBuf;

/// The format of the output: `print_output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Columns filled with blanks.
    #[default]
    Formatted,
    /// The same without counters.
    EventFormatted,
    /// Columns with a separator.
    Csv,
    /// The same without counters.
    EventCsv,
    /// One JSON object per row.
    Json,
    /// Avro object container files.
    Avro,
    /// One object per row, in Avro's JSON encoding.
    AvroJson,
    /// Parquet files.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Output {
    /// True when the format allows markers between rows.
    pub fn has_markers(self) -> bool {
        match self {
            Self::Formatted | Self::EventFormatted | Self::Csv | Self::EventCsv => true,
            Self::Json | Self::AvroJson => true,
            Self::Avro => false,
            #[cfg(feature = "parquet")]
            Self::Parquet => false,
        }
    }
}

/// Settings of one print plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// `writer_id_string`, which JSON markers show; see [`encode::markers::writer_id`].
    pub writer_id: String,
    /// `print_output`.
    pub output: Output,
    /// `print_output_file`; without one, rows go to standard output.
    pub file: Option<Template>,
    /// `print_latest_file`.
    pub latest: Option<Template>,
    /// `print_output_file_append`.
    pub append: bool,
    /// `print_output_lock_file`: held while standard output is written.
    pub lock_file: Option<PathBuf>,
    /// `print_markers`.
    pub markers: bool,
    /// `print_write_empty_file`.
    pub write_empty_file: bool,
    /// `avro_schema_file`: where the schema of Avro's rows is written at the start.
    pub schema_file: Option<PathBuf>,
    /// `avro_buffer_size`: bytes of records at which a block of an Avro file is written.
    pub avro_block: usize,
    /// The format of values.
    pub style: Style,
    /// Mask and owners of the files.
    pub files: files::Settings,
    /// `print_refresh_time`, seconds.
    pub refresh: u32,
    /// `print_startup_delay`, seconds.
    pub startup_delay: u32,
    /// `print_history_roundoff`.
    pub roundoff: Roundoff,
    /// `print_history` in seconds; 0 without. The value of `$hst`.
    pub history: u64,
    /// `print_preprocess`, `print_preprocess_type`.
    pub preprocess: preprocess::Settings,
    /// `print_trigger_exec`.
    pub trigger: Option<Trigger>,
    /// Aggregates that a worker's table may hold, and that may wait after a failure: ten for each of
    /// `print_cache_entries`, as in a cache of the C implementation.
    pub max_aggregates: usize,
    /// `plugin_queue_memory`: bytes that may wait after a failure.
    pub max_bytes: usize,
    /// `print_max_files`: files of a flush, where names depend on time bins or records.
    pub max_files: usize,
}

/// `print_cache_entries` when it is not set.
pub const DEFAULT_CACHE_ENTRIES: usize = 16_411;

/// Aggregates for each of `print_cache_entries`.
pub const PER_CACHE_ENTRY: usize = 10;

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            writer_id: "$proc_name/$writer_pid".to_owned(),
            output: Output::default(),
            file: None,
            latest: None,
            append: false,
            lock_file: None,
            markers: false,
            write_empty_file: false,
            schema_file: None,
            avro_block: 8224,
            style: Style::default(),
            files: files::Settings::default(),
            refresh: 60,
            startup_delay: 0,
            roundoff: Roundoff::default(),
            history: 0,
            preprocess: preprocess::Settings::default(),
            trigger: None,
            max_aggregates: DEFAULT_CACHE_ENTRIES * PER_CACHE_ENTRY,
            max_bytes: 256 << 20,
            max_files: usize::MAX,
        }
    }
}

impl Settings {
    /// Names of the primitives that this output cannot show. They prevent the start.
    pub fn unsupported(&self, schema: &Schema) -> Vec<String> {
        match self.output {
            Output::Formatted | Output::EventFormatted => columns::unsupported(schema),
            _ => Vec::new(),
        }
    }
}
