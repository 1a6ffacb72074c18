//! A configuration file: every daemon reads any octets, and no file has more problems than it can cause.
#![no_main]

use config::Daemon;
use libfuzzer_sys::fuzz_target;

/// Diagnostics that one line can have.
const PER_LINE: usize = 16;
/// Octets that a file of a few octets may still be told about: missing plugins and the like.
const GENERAL: usize = 64;

fuzz_target!(|input: &[u8]| {
    let (daemon, text) = match input.split_first() {
        Some((daemon, text)) => (Daemon::ALL[usize::from(*daemon) % Daemon::ALL.len()], text),
        None => return,
    };
    let (config, problems) = config::parse_bytes(daemon, "fuzz.conf", text);
    let lines = text.split(|octet| *octet == b'\n').count();
    // A line without a plugin's name holds for every plugin.
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
