//! run-case: makes passes of one of the core's benchmarks; without arguments, lists them.

use benchkit::{CASES, Core, datagrams};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => CASES.iter().for_each(|case| println!("{}", case.name)),
        [name, passes] => {
            let case = CASES.iter().find(|case| case.name == name);
            let (Some(case), Ok(passes)) = (case, passes.parse()) else {
                eprintln!("run-case: no case {name}, or {passes} is not a number");
                return ExitCode::FAILURE;
            };
            let (mut core, datagrams) = (Core::new(case), datagrams());
            (0u32..passes).for_each(|_| core.pass(&datagrams));
        }
        _ => {
            eprintln!("usage: run-case [CASE PASSES]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
