//! The memory table, asked: requests, answers and the pmacct client.
pub mod client { pub fn main(_: std::env::ArgsOs) -> std::process::ExitCode { std::process::ExitCode::FAILURE } }
