//! The client `pmacct`.

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
  -s            show all aggregates
  -N values     show the counters of matching aggregates (with -c)
  -M values     show matching aggregates (with -c)
  -e            clear the table; with -s: show it, then clear it
  -i            show the seconds since the table was cleared
  -t            show the status of the table
  -C, -U        list applications; list custom primitives
  -h, -V        show this text; show the version

Values: one for each primitive of -c, separated by commas; * matches any value; several lines
are separated by semicolons; file:NAME reads lines from a file.

Options:
  -c list       primitives of the values
  -n counter    bytes, packets, flows or all (-N)
  -S            one sum for all lines (-N)
  -r            remove matching aggregates (-N, -M)
  -T what[,n]   sort by bytes, packets or flows; show only the first n (-s, -M)
  -a            show all columns
  -l            lock the table during the answer (always on)
  -O format     formatted, csv, json, event_formatted or event_csv
  -E char       separator of CSV
  -u            show protocols as numbers
  -I            show times as seconds since 1970
  -0            show times in UTC
  -p socket     socket of the memory plugin (default: /tmp/collect.pipe)
  -P password   password of the memory plugin
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
        Ok(Command::Query(socket, request, warnings)) => {
            warnings.iter().for_each(|warning| eprintln!("{warning}"));
            (socket, request)
        }
        Err(problem) => {
            eprintln!("{problem}\n");
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match query(&socket, &request) {
        Ok(answered) if answered && request.query != Query::Customs => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends the request and prints the answer. Returns false if the answer is an error.
fn query(socket: &Path, request: &Request) -> io::Result<bool> {
    let unable = |_| io::Error::other(format!("Unable to connect to '{}'", socket.display()));
    let mut stream = UnixStream::connect(socket).map_err(unable)?;
    // A daemon that rejects the client answers before it has read the request.
    let sent = request.write(&mut stream);
    let mut out = io::stdout().lock();
    let mut text = Vec::new();
    let mut begun = false;
    loop {
        let frame = Frame::read(&mut stream, &mut text).map_err(|error| match (&sent, error.kind()) {
            (Err(sent), _) => io::Error::new(sent.kind(), sent.to_string()),
            (_, io::ErrorKind::InvalidData) => error,
            _ if begun => io::Error::other("the answer is incomplete: the daemon closed the connection"),
            _ => io::Error::other("the daemon closed the connection"),
        })?;
        match frame {
            Frame::Piece => begun = true,
            Frame::End => return Ok(true),
            Frame::Error => {
                eprintln!("ERROR: {}", String::from_utf8_lossy(&text));
                return Ok(false);
            }
        }
        match out.write_all(&text).and_then(|()| out.flush()) {
            // The reader of our output has closed the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            written => written?,
        }
    }
}
