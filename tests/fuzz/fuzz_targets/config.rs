//! A configuration file: every daemon reads any bytes, and the number of diagnostics is bounded by the size of the file.
#![no_main]

use config::Daemon;
use libfuzzer_sys::fuzz_target;

/// Maximum number of diagnostics per line.
const PER_LINE: usize = 16;
/// Diagnostics that do not depend on the size of the file: missing plugins and the like.
const GENERAL: usize = 64;

fuzz_target!(|input: &[u8]| {
    let (daemon, text) = match input.split_first() {
        Some((daemon, text)) => (Daemon::ALL[usize::from(*daemon) % Daemon::ALL.len()], text),
        None => return,
    };
    let (config, problems) = config::parse_bytes(daemon, "fuzz.conf", text);
    let lines = text.split(|octet| *octet == b'\n').count();
    // A line without a plugin name applies to every plugin.
    let most = GENERAL + lines * (PER_LINE + config.plugins().len());
    assert!(problems.iter().count() <= most, "{} problems of {lines} lines", problems.iter().count());
    for problem in problems.iter() {
        assert!(problem.origin.line.is_none_or(|line| line as usize <= lines), "{problem}");
        assert!(!problem.what.is_empty() && !problem.to_string().contains('\n'), "{problem}");
    }
    for plugin in config.plugins() {
        assert!(!plugin.name.is_empty());
    }
});
