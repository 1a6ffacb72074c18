//! The client's body.

use crate::options::{self, Command};
use crate::{Frame, Query, Request};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: pmacct [-p socket] query

Queries:
  -s            all aggregates
  -N values     counters of the aggregates that match (with -c)
  -M values     the aggregates that match (with -c)
  -e            empty the table; with -s: show it and empty it
  -i            seconds since it was emptied
  -t            state of the table
  -C, -U        applications; custom primitives
  -h, -V        this text; the version

Values: one for each primitive of -c, between commas; * matches any; several lines between
semicolons; file:NAME reads lines from a file.

Options:
  -c list       primitives that values stand for
  -n counter    bytes, packets, flows or all (-N)
  -S            one sum for all lines (-N)
  -r            remove what matched (-N, -M)
  -T what[,n]   sort by bytes, packets or flows, the first n only (-s, -M)
  -a            all columns
  -l            lock the table while it answers (it always is)
  -O format     formatted, csv, json, event_formatted or event_csv
  -E char       separator of CSV
  -u            protocols as numbers
  -I            times as seconds since 1970
  -0            times in UTC
  -p socket     where the table is asked (default: /tmp/collect.pipe)
  -P password   the table's password, if it has one
";

/// Runs the client.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<String> =
        arguments.into_iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (socket, request) = match options::parse(&arguments) {
        Ok(Command::Help) => {
            print!("pmacct IMT plugin client, pmacct {}\n{USAGE}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            println!("pmacct IMT plugin client, pmacct {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Command::Ask(socket, request, warnings)) => {
            warnings.iter().for_each(|warning| eprintln!("{warning}"));
            (socket, request)
        }
        Err(problem) => {
            eprintln!("{problem}\n");
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match ask(&socket, &request) {
        Ok(answered) if answered && request.query != Query::Customs => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks and prints. False when the answer is a problem.
fn ask(socket: &Path, request: &Request) -> io::Result<bool> {
    let unable = |_| io::Error::other(format!("Unable to connect to '{}'", socket.display()));
    let mut stream = UnixStream::connect(socket).map_err(unable)?;
    // A daemon that refuses the client answers before it has read the request.
    let sent = request.write(&mut stream);
    let mut out = io::stdout().lock();
    let mut text = Vec::new();
    let mut begun = false;
    loop {
        let frame = Frame::read(&mut stream, &mut text).map_err(|error| match (&sent, error.kind()) {
            (Err(sent), _) => io::Error::new(sent.kind(), sent.to_string()),
            (_, io::ErrorKind::InvalidData) => error,
            _ if begun => io::Error::other("the daemon broke the answer off"),
            _ => io::Error::other("the daemon closed the connection"),
        })?;
        match frame {
            Frame::Piece => begun = true,
            Frame::End => return Ok(true),
            Frame::Problem => {
                eprintln!("ERROR: {}", String::from_utf8_lossy(&text));
                return Ok(false);
            }
        }
        match out.write_all(&text).and_then(|()| out.flush()) {
            // Whoever reads our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            written => written?,
        }
    }
}
