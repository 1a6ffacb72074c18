//! The command line of the client.

use crate::{Counter, Format, Query, Request};
use flow::primitive;
use std::path::PathBuf;

/// The action that the arguments select.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show the usage.
    Help,
    /// Show the version.
    Version,
    /// Query the memory plugin at a socket, after printing the warnings.
    Query(PathBuf, Box<Request>, Vec<String>),
}

/// The default socket.
const DEFAULT_SOCKET: &str = "/tmp/collect.pipe";
/// Options with an argument.
const WITH_ARGUMENT: &str = "NMncTpOEP";
/// Options without an argument.
const WITHOUT: &str = "sSaeirltCUuIhV0";

/// Options with their arguments, and words that belong to no option.
type Letters<'a> = (Vec<(char, String)>, Vec<&'a str>);

/// Splits arguments as getopt does: letters may be combined, and an argument may follow its letter directly.
fn letters(arguments: &[String]) -> Result<Letters<'_>, String> {
    let (mut found, mut words) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        let Some(joined) = word.strip_prefix('-').filter(|joined| !joined.is_empty()) else {
            words.push(word.as_str());
            continue;
        };
        for (at, letter) in joined.char_indices() {
            if WITH_ARGUMENT.contains(letter) {
                let rest = &joined[at + letter.len_utf8()..];
                let argument = match rest {
                    "" => arguments.next().ok_or(format!("option requires an argument -- '{letter}'"))?.clone(),
                    rest => rest.to_owned(),
                };
                found.push((letter, argument));
                break;
            }
            if !WITHOUT.contains(letter) {
                return Err(format!("invalid option -- '{letter}'"));
            }
            found.push((letter, String::new()));
        }
    }
    Ok((found, words))
}

/// Reads the arguments after the program's name. The error is a message for the user.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, String> {
    let mut request = Request::default();
    let mut socket = PathBuf::from(DEFAULT_SOCKET);
    let mut warnings = Vec::new();
    let mut queries = Vec::new();
    let (mut counter, mut sum, mut data) = (Some(Counter::Bytes), false, None);
    let (letters, words) = letters(arguments).map_err(|error| format!("ERROR: {error}"))?;
    let given: String = letters.iter().map(|(letter, _)| *letter).collect();
    for (letter, argument) in letters {
        match letter {
            'h' => return Ok(Command::Help),
            'V' => return Ok(Command::Version),
            's' => queries.push(Query::All),
            'M' | 'N' => {
                queries.push(if letter == 'M' {
                    Query::Match
                } else {
                    Query::Counters { counter: None, sum: false }
                });
                data = Some(argument);
            }
            'e' => queries.push(Query::Erase),
            'i' => queries.push(Query::Since),
            't' => queries.push(Query::Status),
            'C' => queries.push(Query::Classes),
            'U' => queries.push(Query::Customs),
            'n' => match counters(&argument) {
                Some(wanted) => counter = wanted,
                None => warnings.push(format!("WARN: -n, ignoring unknown counter: '{argument}'.")),
            },
            'S' => sum = true,
            'a' => request.all_columns = true,
            'r' => request.reset = true,
            // An answer always shows one consistent state of the table.
            'l' => {}
            'u' => request.num_protos = true,
            'I' => request.epoch = true,
            '0' => request.utc = true,
            'p' => socket = PathBuf::from(argument),
            'P' => request.password = Some(argument),
            'c' => request.columns = columns(&argument)?.join(","),
            'T' => request.top = Some(top(&argument)?),
            'O' => match format(&argument) {
                Some(format) => request.format = format,
                None => warnings.push(format!("WARN: -O, ignoring unknown output value: '{argument}'.")),
            },
            // Only E is left.
            _ => match separator(&argument) {
                Some(separator) => request.separator = separator,
                None => return Err(format!("ERROR: -E: '{argument}' is not one character, \\t or \\s")),
            },
        }
    }
    let mut query = match queries.as_slice() {
        [] => return Err("ERROR: no query: -s shows the whole table.".to_owned()),
        [query] => query.clone(),
        [Query::All, Query::Erase] | [Query::Erase, Query::All] => {
            request.reset = true;
            Query::All
        }
        [Query::Erase, Query::Match | Query::Counters { .. }]
        | [Query::Match | Query::Counters { .. }, Query::Erase] => {
            return Err("ERROR: -e clears the whole table. Use -r to remove the aggregates that -N or -M match."
                .to_owned());
        }
        _ => return Err("ERROR: -s, -t, -N, -M and -C options are each mutually exclusive.".to_owned()),
    };
    if let Some((letter, needs)) = misplaced(&given, &query) {
        return Err(format!("ERROR: -{letter} needs {needs}."));
    }
    warnings.extend(
        without_effect(&given, &query, request.format).iter().map(|text| format!("WARN: {text}. Ignored.")),
    );
    warnings.extend(words.iter().map(|word| format!("WARN: unexpected argument '{word}'. Ignored.")));
    if let Query::Counters { .. } = query {
        query = Query::Counters { counter, sum };
    }
    if let Some(data) = data {
        if request.columns.is_empty() {
            return Err("ERROR: -N and -M need -c, which lists the primitives of their values.".to_owned());
        }
        request.lines = lines(&data, request.columns.split(',').count())?;
    }
    request.query = query;
    Ok(Command::Query(socket, Box::new(request), warnings))
}

/// The first option that requires another query, and that query.
fn misplaced(given: &str, query: &Query) -> Option<(char, &'static str)> {
    let needs = match query {
        Query::All => &[('n', "-N"), ('S', "-N"), ('r', "-N or -M")][..],
        Query::Match => &[('n', "-N"), ('S', "-N")],
        Query::Counters { .. } => &[('T', "-s or -M")],
        _ => &[('n', "-N"), ('S', "-N"), ('r', "-N or -M"), ('T', "-s or -M")],
    };
    needs.iter().find(|(letter, _)| given.contains(*letter)).copied()
}

/// Options without effect on the answer. pmacct accepts them too, so they are not errors.
fn without_effect(given: &str, query: &Query, format: Format) -> Vec<&'static str> {
    let shows = matches!(query, Query::All | Query::Match);
    let matches = matches!(query, Query::Match | Query::Counters { .. });
    let csv = matches!(format, Format::Csv | Format::EventCsv);
    [
        ('c', matches, "-c has no effect without -N or -M"),
        ('O', shows, "-O has no effect without -s or -M"),
        ('a', shows, "-a has no effect without -s or -M"),
        ('a', !shows || format != Format::Json, "-a has no effect on JSON output"),
        ('E', csv, "-E has no effect without -O csv"),
    ]
    .into_iter()
    .filter(|(letter, has_effect, _)| !has_effect && given.contains(*letter))
    .map(|(_, _, text)| text)
    .collect()
}

fn counters(word: &str) -> Option<Option<Counter>> {
    Some(match word {
        "bytes" => Some(Counter::Bytes),
        "packets" => Some(Counter::Packets),
        "flows" => Some(Counter::Flows),
        "all" => None,
        _ => return None,
    })
}

fn format(word: &str) -> Option<Format> {
    Some(match word {
        "formatted" => Format::Formatted,
        "csv" => Format::Csv,
        "json" => Format::Json,
        "event_formatted" => Format::EventFormatted,
        "event_csv" => Format::EventCsv,
        _ => return None,
    })
}

fn separator(text: &str) -> Option<char> {
    match text {
        "\\t" => Some('\t'),
        "\\s" => Some(' '),
        text => {
            let mut characters = text.chars();
            characters.next().filter(|_| characters.next().is_none())
        }
    }
}

fn columns(list: &str) -> Result<Vec<String>, String> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match primitive::find(word) {
            Some(primitive) => Ok(primitive.name.to_owned()),
            None => Err(format!("ERROR: unknown primitive '{word}'")),
        })
        .collect()
}

fn top(argument: &str) -> Result<(Counter, Option<usize>), String> {
    let (word, count) = match argument.split_once(',') {
        Some((word, count)) => (word, Some(count)),
        None => (argument, None),
    };
    let invalid =
        || format!("ERROR: -T: '{argument}' is not one of bytes, packets, flows, optionally followed by ,N");
    let counter = counters(word.trim()).flatten().ok_or_else(invalid)?;
    let count = count.map(|count| count.trim().parse().map_err(|_| invalid())).transpose()?;
    Ok((counter, count))
}

/// Lines of values: separated by semicolons, or the lines of a file.
fn lines(data: &str, columns: usize) -> Result<String, String> {
    let lines: Vec<String> = match data.strip_prefix("file:") {
        None => data.split(';').map(str::to_owned).collect(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("ERROR: {path}: {error}"))?;
            text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        }
    };
    let trim = |line: String| {
        let values: Vec<&str> = line.split(',').map(str::trim).collect();
        if values.len() == columns {
            return Ok(values.join(","));
        }
        Err(format!("ERROR: '{line}' has {} values for the {columns} primitives of -c", values.len()))
    };
    Ok(lines.into_iter().map(trim).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Request, String> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&arguments).map(|command| match command {
            Command::Query(_, request, _) => *request,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn options_are_parsed_as_by_getopt() {
        let request = ask("-sOjson -T packets,1").unwrap();
        assert_eq!((request.format, request.top), (Format::Json, Some((Counter::Packets, Some(1)))));
        let request = ask("-c src_host,dst_port -N 10.0.0.1,80;10.0.0.2,* -n all -S").unwrap();
        assert_eq!(request.query, Query::Counters { counter: None, sum: true });
        assert_eq!(
            (request.columns.as_str(), request.lines.as_str()),
            ("src_host,dst_port", "10.0.0.1,80\n10.0.0.2,*")
        );
    }

    #[test]
    fn show_and_clear_can_be_combined() {
        for line in ["-s -e", "-e -s -O json"] {
            let request = ask(line).unwrap();
            assert_eq!((request.query, request.reset), (Query::All, true), "{line}");
        }
        assert!(!ask("-s").unwrap().reset);
    }

    #[test]
    fn options_without_effect_cause_a_warning() {
        for (line, expected) in [
            ("-s -c src_host", &["-c has no effect"][..]),
            ("-s -a -O json", &["-a has no effect on JSON"]),
            ("-s -E ;", &["-E has no effect"]),
            ("-s -E ; -O event_csv", &[]),
            ("-s -l -a -O csv -u -I -0 -T bytes", &[]),
            ("-c src_host -N 10.0.0.1 -O json -a", &["-O has no effect", "-a has no effect"]),
            ("-c src_host -M 10.0.0.1 -r -O json", &[]),
            ("-s json", &["unexpected argument 'json'"]),
        ] {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let Ok(Command::Query(_, _, warnings)) = parse(&arguments) else { panic!("{line}") };
            assert_eq!(warnings.len(), expected.len(), "{line}: {warnings:?}");
            for (warning, expected) in warnings.iter().zip(expected) {
                assert!(warning.contains(expected), "{line}: {warning}");
            }
        }
    }

    #[test]
    fn mistakes_are_reported() {
        for (line, expected) in [
            ("-w", "invalid option"),
            ("-s -t", "mutually exclusive"),
            ("-N 1", "need -c"),
            ("-c foo -N 1", "unknown primitive 'foo'"),
            ("-c src_host -N 1,2", "2 values for the 1"),
            ("-p", "requires an argument"),
            ("-a", "no query"),
            ("-s -T x", "is not one of"),
            ("-s -E ab", "'ab' is not one character"),
            ("-s -r", "-r needs -N or -M"),
            ("-e -r", "-r needs -N or -M"),
            ("-t -r", "-r needs -N or -M"),
            ("-s -S", "-S needs -N"),
            ("-s -n all", "-n needs -N"),
            ("-c src_host -M 10.0.0.1 -n all", "-n needs -N"),
            ("-c src_host -N 10.0.0.1 -T bytes", "-T needs -s or -M"),
            ("-i -T bytes", "-T needs -s or -M"),
            ("-c src_host -M 10.0.0.1 -e", "Use -r to remove"),
            ("-e -c src_host -N 10.0.0.1", "Use -r to remove"),
            ("-s -i", "mutually exclusive"),
        ] {
            let error = ask(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
