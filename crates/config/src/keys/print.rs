//! The print plugin, and the settings that it shares with the plugins for databases and brokers.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemons::*;
use crate::key::*;
use crate::keys::sql::PreprocessType;
use crate::value::{Span, words};

/// Why formatters in shared libraries are not supported.
const CUSTOM: &str = "such libraries use structures of the C implementation";

words! {
    /// Format in which the print plugin writes aggregates.
    pub enum PrintOutput {
        /// Columns of fixed width.
        Formatted = "formatted",
        /// Values with a separator between them.
        Csv = "csv",
        /// One JSON object per line.
        Json = "json",
        /// Columns of fixed width, without counters.
        EventFormatted = "event_formatted",
        /// Values with a separator between them, without counters.
        EventCsv = "event_csv",
        /// Avro files, binary encoding.
        Avro = "avro" | "avro_bin",
        /// Avro, JSON encoding.
        AvroJson = "avro_json",
        /// Parquet files, in builds that support them.
        Parquet = "parquet",
        /// A shared library of the user.
        Custom = "custom",
    }
}

keys! {
    /// Format of the output.
    ///
    /// `avro` without `print_output_file` is `avro_json`; `parquet` requires a file; `custom` is rejected.
    PRINT_OUTPUT: PrintOutput = words(&["print_output"]).default("formatted").both().daemons(FLOW)
        .option('O', FLOW, "format").acts();

    /// Character between the values of CSV; `\t` and `\s` are a tab and a space.
    PRINT_OUTPUT_SEPARATOR: char = character(&["print_output_separator"]).default(",").both().daemons(FLOW)
        .option('E', FLOW, "character").acts();

    /// Shared library that writes the output when `print_output` is `custom`.
    PRINT_OUTPUT_CUSTOM_LIB: Option<PathBuf> = path(&["print_output_custom_lib"]).both().daemons(FLOW)
        .unsupported(CUSTOM);

    /// File that is passed to that library.
    PRINT_OUTPUT_CUSTOM_CFG_FILE: Option<PathBuf> = path(&["print_output_custom_cfg_file"]).both().daemons(FLOW)
        .unsupported(CUSTOM);

    /// Maximum number of files that a flush writes if their names depend on time bins or records.
    ///
    /// Beyond it, aggregates of further time bins go to the file for the time of the flush (`aggregates_redirected`); beyond twice as
    /// many, aggregates for further files are dropped (`aggregates_dropped[too_many_names]`).
    PRINT_MAX_FILES: usize = integer(&["print_max_files"], 1, 10_000_000).default("20000").both().daemons(FLOW).acts();

    /// Time between two flushes.
    PRINT_REFRESH_TIME: Duration = seconds(&["print_refresh_time"], 1).default("60").stored_as("sql_refresh_time")
        .both().daemons(FLOW).option('r', FLOW, "seconds").acts();

    /// Length of time bins: a number and one of `s m h d w M`.
    ///
    /// `M` is a calendar month; seconds must be whole minutes. Without it there are no time bins.
    PRINT_HISTORY: Option<Span> = span(&["print_history"]).stored_as("sql_history").both().daemons(FLOW).acts();

    /// Aligns the first bin and the flushes to full minutes, hours, days, weeks or months: letters of `m h d w M`.
    ///
    /// If `w` and `d` are set, the week is used; if `M` and `w` are set, the month. Other letters have no effect. Both cases cause a
    /// warning.
    PRINT_HISTORY_ROUNDOFF: Option<String> = text(&["print_history_roundoff"]).stored_as("sql_history_roundoff").both()
        .daemons(FLOW).acts();

    /// Shifts the start of time bins.
    PRINT_HISTORY_OFFSET: Duration = seconds(&["print_history_offset"], 0).default("0").stored_as("sql_history_offset")
        .both().daemons(FLOW).acts();

    /// Shifts the first flush, and therefore all later ones.
    PRINT_STARTUP_DELAY: Duration = seconds(&["print_startup_delay"], 0).default("0").stored_as("sql_startup_delay")
        .both().daemons(FLOW).acts();

    /// Number of cache entries before an early flush.
    ///
    /// Each entry stands for ten aggregates, which is the average capacity of an entry in pmacct.
    PRINT_CACHE_ENTRIES: u32 = integer(&["print_cache_entries"], 1, i32::MAX as i128).default("16411").both()
        .daemons(FLOW).acts();

    /// Writes a line or an object before and after the output of each flush; not in Avro and Parquet files.
    PRINT_MARKERS: bool = boolean(&["print_markers"]).default("false").both().daemons(FLOW).flag('M', FLOW, "true")
        .acts();

    /// Number of writers of one plugin that may run at the same time.
    PRINT_MAX_WRITERS: u32 = integer(&["print_max_writers"], 1, 99).default("10").stored_as("sql_max_writers").both()
        .daemons(FLOW).no_op("each plugin has a single writer; `plugin_tables_max` limits the tables that queue for it");

    /// Writes protocols as numbers instead of names.
    PRINT_NUM_PROTOS: bool = boolean(&["print_num_protos"]).default("false").stored_as("sql_num_protos").both()
        .daemons(FLOW).flag('u', FLOW, "true").acts();

    /// Conditions on aggregates and changes to them at each flush, such as `minp = 10`, separated by commas.
    PRINT_PREPROCESS: Option<Vec<String>> = list(&["print_preprocess"]).stored_as("sql_preprocess").both()
        .daemons(FLOW).acts();

    /// Whether one condition of `print_preprocess` is sufficient.
    PRINT_PREPROCESS_TYPE: PreprocessType = words(&["print_preprocess_type"]).default("any")
        .stored_as("sql_preprocess_type").both().daemons(FLOW).acts();

    /// Program that runs after each flush, with its arguments.
    PRINT_TRIGGER_EXEC: Option<String> = text(&["print_trigger_exec"]).stored_as("sql_trigger_exec").both()
        .daemons(FLOW).acts();

    /// Does not wait for that program.
    PRINT_TRIGGER_EXEC_ASYNC: bool = boolean(&["print_trigger_exec_async"]).default("false")
        .stored_as("sql_trigger_exec_async").both().daemons(FLOW).acts();
}
