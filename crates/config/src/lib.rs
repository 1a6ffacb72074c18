//! Configuration: its keys, the file and the command line that set them, and diagnostics.
//!
//! A daemon starts with three steps: [`command_line::parse`] reads the command line; [`load`] reads the file and checks
//! everything, collecting all problems; then settings are read by key, typed:
//!
//! ```
//! use config::{Daemon, keys};
//!
//! let text = b"plugins: print[a]\nprint_refresh_time[a]: 10\nnfacctd_prot: 2055\n";
//! let (config, problems) = config::parse_bytes(Daemon::Nfacctd, "c.conf", text);
//! let port: u16 = config.core(&keys::input::NFACCTD_PORT);
//! assert_eq!(port, 2100);
//! assert_eq!(config.plugins()[0].get(&keys::print::PRINT_REFRESH_TIME).as_secs(), 10);
//! assert_eq!(
//!     problems.iter().last().unwrap().to_string(),
//!     "WARN: [c.conf:3] Unknown key: nfacctd_prot. Ignored. Did you mean 'nfacctd_port'?",
//! );
//! ```
//!
//! Keys are declared in [`keys`]; `key.rs` explains the form. Other crates check what this one cannot, such as
//! whether a primitive exists or a file can be opened, and report it through the same [`Diagnostics`], with the [`Origin`]
//! of the setting.

#![forbid(unsafe_code)]

pub mod command_line;
pub mod daemons;
pub mod file;
pub mod key;
pub mod keys;
pub mod plugin_list;
pub mod problem;
pub mod render;
pub mod settings;
mod suggest;
pub mod text;
pub mod value;

pub use command_line::{Arguments, CommandLine};
pub use daemons::{Daemon, Daemons};
pub use key::{AnyKey, Key, KeyPrefix};
pub use plugin_list::PluginKind;
pub use problem::{Diagnostic, Diagnostics, Origin, Severity};
pub use settings::{Config, Names, Plugin};
pub use suggest::nearest;
pub use value::Span;

/// Reads the file that the arguments name, appends the options, and checks everything.
///
/// Always returns a configuration, made of the valid settings; the daemon may only start with it if
/// [`Diagnostics::is_fatal`] is false.
#[must_use]
pub fn load(daemon: Daemon, arguments: &Arguments) -> (Config, Diagnostics) {
    let mut problems = Diagnostics::new();
    let (source, mut entries) = match &arguments.file {
        Some(path) => (Origin::whole(&path.to_string_lossy()), file::read(path, &mut problems)),
        None => (Origin::whole(command_line::CMDLINE), Vec::new()),
    };
    entries.extend(arguments.entries.iter().cloned());
    (settings::resolve(daemon, source, &entries, &mut problems), problems)
}

/// Reads and checks the bytes of a file; `name` is its name in diagnostics.
#[must_use]
pub fn parse_bytes(daemon: Daemon, name: &str, bytes: &[u8]) -> (Config, Diagnostics) {
    let mut problems = Diagnostics::new();
    let source = Origin::whole(name);
    let entries = file::parse(&source, bytes, &mut problems);
    (settings::resolve(daemon, source, &entries, &mut problems), problems)
}
