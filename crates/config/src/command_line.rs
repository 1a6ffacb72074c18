//! The command line: one letter for each option, as declared with the keys.
//!
//! Each option except `-f`, `-h`, `-V` and `-a` becomes a configuration line after those of the file. So it overrides
//! the file, except `-P`, because only the first plugins line is used.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use crate::daemons::{Daemon, PMACCTD};
use crate::file::Entry;
use crate::key::{Letter, Takes};
use crate::keys;
use crate::problem::Origin;

/// The name of the command line where messages name a file.
pub const CMDLINE: &str = "cmdline";

/// What a command line requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Run with these arguments.
    Run(Arguments),
    /// Print this usage text on standard output; status 0.
    Help(String),
    /// Print version and build; status 0.
    Version,
    /// Print the primitives of the daemon; status 0.
    Primitives,
    /// Print this text on standard error; status 1.
    Invalid(String),
}

/// A command line that starts the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Configuration file (`-f`).
    pub file: Option<PathBuf>,
    /// `-d`: show how each line was understood.
    pub debug: bool,
    /// `--check`: check the configuration and the files that it names, and exit.
    pub check: bool,
    /// The other options as configuration lines, in their order.
    pub entries: Vec<Entry>,
}

/// An option of one daemon, and the configuration line that it becomes.
struct Switch {
    letter: Letter,
    key: String,
    summary: String,
}

/// The options of a daemon that become configuration lines, in the order of the documentation.
fn switches(daemon: Daemon) -> Vec<Switch> {
    let mut switches = Vec::new();
    for row in keys::all().map(crate::key::AnyKey::row) {
        for letter in row.letters.iter().flatten().filter(|l| l.daemons.contains(daemon)) {
            // Prefer the daemon's own spelling.
            let own = row.spellings.iter().find(|s| s.starts_with(daemon.name()));
            let key =
                if letter.spelling.is_empty() { own.copied().unwrap_or(row.name()) } else { letter.spelling };
            switches.push(Switch {
                letter: *letter,
                key: key.to_owned(),
                summary: row.summary().replace('`', ""),
            });
        }
    }
    switches
}

/// Reads a command line; the first argument is the name of the program.
pub fn parse(daemon: Daemon, arguments: impl IntoIterator<Item = OsString>) -> CommandLine {
    let switches = switches(daemon);
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = match command(daemon, &switches).try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return CommandLine::Invalid(error_text(daemon, &switches, &error)),
    };
    if matches.get_flag("h") {
        return CommandLine::Help(usage(daemon, &switches));
    }
    if matches.get_flag("V") {
        return CommandLine::Version;
    }
    if daemon.accounts_flows() && matches.get_flag("a") {
        return CommandLine::Primitives;
    }
    let origin = Origin::whole(CMDLINE);
    let line =
        |key: &str, value: String| Entry { origin: origin.clone(), key: key.to_owned(), plugin: None, value };
    let mut found: Vec<(usize, Entry)> = Vec::new();
    for switch in &switches {
        let id = switch.letter.letter.to_string();
        match switch.letter.takes {
            Takes::Argument(_) => {
                let indices = matches.indices_of(&id).into_iter().flatten();
                let values = matches.get_many::<OsString>(&id).into_iter().flatten();
                for (index, value) in indices.zip(values) {
                    found.push((index, line(&switch.key, value.to_string_lossy().trim().to_owned())));
                }
            }
            Takes::Nothing(value) if matches.get_count(&id) > 0 => {
                let index = matches.index_of(&id).unwrap_or_default();
                found.push((index, line(&switch.key, value.to_owned())));
            }
            Takes::Nothing(_) => {}
        }
    }
    found.sort_by_key(|(index, _)| *index);
    let mut entries: Vec<Entry> = found.into_iter().map(|(_, entry)| entry).collect();
    if PMACCTD.contains(daemon) {
        let words: Vec<_> = matches.get_many::<OsString>("rest").into_iter().flatten().collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        if !words.is_empty() {
            entries.push(line(keys::input::PCAP_FILTER.row().name(), words.join(" ")));
        }
    }
    CommandLine::Run(Arguments {
        file: matches.get_one::<OsString>("f").map(PathBuf::from),
        check: matches.get_flag("check"),
        debug: matches.try_get_one::<u8>("d").ok().flatten().is_some_and(|&count| count > 0),
        entries,
    })
}

fn command(daemon: Daemon, switches: &[Switch]) -> Command {
    let flag = |letter: char| Arg::new(letter.to_string()).short(letter);
    let text = clap::value_parser!(OsString);
    let mut command = Command::new(daemon.name())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .arg(flag('h').action(ArgAction::SetTrue))
        .arg(flag('V').action(ArgAction::SetTrue))
        .arg(Arg::new("check").long("check").action(ArgAction::SetTrue))
        .arg(flag('f').action(ArgAction::Set).allow_hyphen_values(true).value_parser(text.clone()))
        .arg(Arg::new("rest").action(ArgAction::Append).num_args(0..).value_parser(text.clone()));
    if daemon.accounts_flows() {
        command = command.arg(flag('a').action(ArgAction::SetTrue));
    }
    for switch in switches {
        let arg = flag(switch.letter.letter);
        command = command.arg(match switch.letter.takes {
            Takes::Argument(_) => {
                arg.action(ArgAction::Append).num_args(1).allow_hyphen_values(true).value_parser(text.clone())
            }
            Takes::Nothing(_) => arg.action(ArgAction::Count),
        });
    }
    command
}

/// The error in getopt's words, then the usage.
fn error_text(daemon: Daemon, switches: &[Switch], error: &clap::Error) -> String {
    let letter = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.chars().nth(1).unwrap_or('-'),
        _ => '-',
    };
    let what = match error.kind() {
        clap::error::ErrorKind::InvalidValue | clap::error::ErrorKind::TooFewValues => {
            format!("option requires an argument -- '{letter}'")
        }
        _ => format!("invalid option -- '{letter}'"),
    };
    format!("{daemon}: {what}\n{}", usage(daemon, switches))
}

/// The usage text: every option with the first sentence of its key's documentation.
fn usage(daemon: Daemon, switches: &[Switch]) -> String {
    let rest = if PMACCTD.contains(daemon) { " [FILTER]" } else { "" };
    let mut text = format!("{}, {daemon} {}\n", daemon.title(), env!("CARGO_PKG_VERSION"));
    text += &format!("Usage: {daemon} [-f FILE] [OPTION …]{rest}\n       {daemon} -h | -V");
    text += if daemon.accounts_flows() { " | -a\n\n" } else { "\n\n" };
    let mut row = |letter: char, argument: &str, what: &str| {
        text += &format!(
            "  {:<20} {what}\n",
            if letter == '-' { format!("--{argument}") } else { format!("-{letter} {argument}") }
        );
    };
    row('h', "", "Shows this page.");
    row('V', "", "Shows version and build.");
    if daemon.accounts_flows() {
        row('a', "", "Lists the primitives for aggregation.");
    }
    row('f', "file", "Reads this configuration file.");
    row('-', "check", "Checks the configuration and the files that it names, and exits.");
    for switch in switches {
        let argument = match switch.letter.takes {
            Takes::Argument(name) => name,
            Takes::Nothing(_) => "",
        };
        let value = match switch.letter.takes {
            Takes::Nothing(value) => format!("{}: {value}", switch.key),
            Takes::Argument(_) => switch.key.clone(),
        };
        row(switch.letter.letter, argument, &format!("{} ({value})", switch.summary.trim_end_matches('.')));
    }
    text += "\nOptions override the file, except -P. CONFIG-KEYS.md describes every key.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(daemon: Daemon, words: &str) -> CommandLine {
        parse(daemon, std::iter::once(daemon.name()).chain(words.split_whitespace()).map(OsString::from))
    }

    fn lines(daemon: Daemon, words: &str) -> Vec<String> {
        match parsed(daemon, words) {
            CommandLine::Run(arguments) => {
                arguments.entries.iter().map(|e| format!("{}:{}", e.key, e.value)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_become_lines_in_their_order() {
        let line = "-P print -c src_host,dst_host -r5 -dl 2055 -c proto -o /x -f c.conf";
        assert_eq!(
            lines(Daemon::Nfacctd, line),
            [
                "plugins:print",
                "aggregate:src_host,dst_host",
                "print_refresh_time:5",
                "debug:true",
                "nfacctd_port:2055",
                "aggregate:proto",
                "print_output_file:/x"
            ]
        );
        let CommandLine::Run(arguments) = parsed(Daemon::Nfacctd, line) else { panic!() };
        assert_eq!((arguments.file, arguments.debug), (Some(PathBuf::from("c.conf")), true));
    }

    #[test]
    fn a_letter_may_set_different_keys_in_different_daemons() {
        assert_eq!(lines(Daemon::Sfacctd, "-l 6344"), ["sfacctd_port:6344"]);
        assert_eq!(
            lines(Daemon::Pmacctd, "-L 256 -N -i eth0"),
            ["snaplen:256", "promisc:false", "pcap_interface:eth0"]
        );
        assert_eq!(lines(Daemon::Pmacctd, "-D ip and port 80"), ["daemonize:true", "pcap_filter:ip and port 80"]);
        assert_eq!(lines(Daemon::Nfacctd, "-D whatever follows"), ["daemonize:true"]);
        assert_eq!(lines(Daemon::Pmbmpd, "-R tcp"), ["pcap_filter:tcp"]);
        assert_eq!(lines(Daemon::Nfacctd, "-E -"), ["print_output_separator:-"]);
    }

    #[test]
    fn help_version_and_primitives_are_returned() {
        assert_eq!(parsed(Daemon::Nfacctd, "-V"), CommandLine::Version);
        assert_eq!(parsed(Daemon::Nfacctd, "-a"), CommandLine::Primitives);
        let CommandLine::Help(text) = parsed(Daemon::Nfacctd, "-h") else { panic!() };
        assert!(text.starts_with("NetFlow Accounting Daemon, nfacctd"));
        assert!(text.contains("-l port"));
        assert!(matches!(parsed(Daemon::Pmbgpd, "-a"), CommandLine::Invalid(_)));
    }

    #[test]
    fn an_unknown_option_returns_an_error_and_the_usage() {
        for (words, what) in [
            ("-x", "nfacctd: invalid option -- 'x'\n"),
            ("-dx", "nfacctd: invalid option -- 'x'\n"),
            ("-f", "nfacctd: option requires an argument -- 'f'\n"),
            ("--help", "nfacctd: invalid option -- '-'\n"),
        ] {
            let CommandLine::Invalid(text) = parsed(Daemon::Nfacctd, words) else { panic!("{words}") };
            assert!(text.starts_with(what), "{words}: {text}");
            assert!(text.contains("Usage: nfacctd"));
        }
    }

    #[test]
    fn no_letter_has_two_meanings_in_one_daemon() {
        for daemon in Daemon::ALL {
            let mut letters: Vec<char> =
                switches(daemon).iter().map(|s| s.letter.letter).chain("hVfa".chars()).collect();
            letters.sort_unstable();
            let count = letters.len();
            letters.dedup();
            assert_eq!(letters.len(), count, "{daemon}: {letters:?}");
            assert!(matches!(parsed(daemon, "-h"), CommandLine::Help(_)), "{daemon}");
        }
    }
}
