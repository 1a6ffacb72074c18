//! Output files.

use std::path::PathBuf;

use crate::daemons::*;
use crate::key::*;
use crate::value::words;

words! {
    /// Format of sFlow counter samples.
    pub enum CounterOutput {
        /// One JSON object per line.
        Json = "json",
    }
}

keys! {
    /// Permission bits that are removed from written files and created directories; execute bits are kept.
    FILES_UMASK: u32 = octal(&["files_umask"], 0o2, 0o777).default("077").both().acts();

    /// Owner of written files and of the directories made for them: a name or a number.
    FILES_UID: Option<String> = text(&["files_uid"]).both().acts();

    /// Group of written files and of the directories made for them: a name or a number.
    FILES_GID: Option<String> = text(&["files_gid"]).both().acts();

    /// Follows all symbolic links, as pmacct does.
    ///
    /// With `false`, links are followed only if nobody except root or the daemon's user could have created them. In a directory
    /// that others may write to, a link in place of a file that is replaced as a whole is replaced by the file. A link in place of
    /// a file that is appended to is an error, and so is a link above the file that another user created: a user who may write to
    /// such a directory could otherwise make the daemon overwrite any file that it may write to.
    FILES_FOLLOW_LINKS: bool = boolean(&["files_follow_links"]).default("false").both().acts();

    /// File that the print plugin writes at each flush; standard output by default.
    ///
    /// The name may contain variables of `strftime` (`%H`) and of the record (`$peer_src_ip`); missing directories are created. An
    /// unknown letter after `%` prevents the daemon from starting.
    PRINT_OUTPUT_FILE: Option<PathBuf> = path_pattern(&["print_output_file"], TIME_LETTERS).stored_as("sql_table").both().daemons(FLOW)
        .option('o', FLOW, "file").or_exit().acts();

    /// Appends to an existing file, without another title line.
    PRINT_OUTPUT_FILE_APPEND: bool = boolean(&["print_output_file_append"]).default("false").both().daemons(FLOW)
        .flag('A', FLOW, "true").acts();

    /// File that writers lock while they write to standard output.
    PRINT_OUTPUT_LOCK_FILE: Option<PathBuf> = path(&["print_output_lock_file"]).both().daemons(FLOW).acts();

    /// Symbolic link to the newest file; may contain variables of the record, but not of time.
    PRINT_LATEST_FILE: Option<PathBuf> = path_pattern(&["print_latest_file"], "").both().daemons(FLOW).acts();

    /// Writes a file even if it contains no rows.
    PRINT_WRITE_EMPTY_FILE: bool = boolean(&["print_write_empty_file"]).default("false").both().daemons(FLOW)
        .acts();

    /// File to which sFlow counter samples are written, one JSON object per line.
    SFACCTD_COUNTER_FILE: Option<PathBuf> = path(&["sfacctd_counter_file"]).daemons(SFACCTD).hup()
        .acts();

    /// Format of sFlow counter samples.
    SFACCTD_COUNTER_OUTPUT: CounterOutput = words(&["sfacctd_counter_output"]).default("json").daemons(SFACCTD)
        .acts();

    /// Value of the field `writer_id`, with the variables `$proc_name`, `$writer_pid` and `$pmacct_build`.
    WRITER_ID_STRING: String = text(&["writer_id_string"]).default("$proc_name/$writer_pid").both().acts();
}
