//! pmacct: the client that queries the memory plugin of a daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    query::client::main(std::env::args_os())
}
