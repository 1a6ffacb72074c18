//! Valid and invalid configuration files and command lines.

use crate::support::{nfacctd, printing, start};
use testkit::Setup;

/// A collector without a configuration file.
fn bare(arguments: &[&str]) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_nfacctd")).arguments(arguments)
}

#[test]
fn lists_all_errors_at_once_and_touches_no_file() {
    let setup = nfacctd(
        "plugins: print[p], memory[m]
         aggregate[p: src_host
         this line has no colon
         aggregate[p]: src_host, nonsense
         print_output_file[p]: {dir}/out
         imt_path[m]: {dir}/m.sock
         pidfile: {dir}/pid
         logfile: {dir}/log",
    );
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1));
    for part in ["daemon.conf:5]", "illegal brackets", "daemon.conf:6]", "missing ':'", "nonsense"] {
        assert!(finished.log.contains(part), "{part}:\n{}", finished.log);
    }
    assert_eq!(setup.files(), [""; 0]);
}

#[test]
fn an_unknown_primitive_is_fatal() {
    let finished = printing("src_host, nonsense").run();
    assert_eq!(finished.code(), Some(1));
    assert!(
        finished.log.lines().any(|line| line.contains("ERROR") && line.contains("nonsense")),
        "{}",
        finished.log
    );
}

#[test]
fn formatted_output_rejects_columns_without_a_width() {
    let finished = printing("src_host, as_path").more_config("print_output: formatted").run();
    assert_eq!(finished.code(), Some(1));
    let is_error =
        |line: &&str| line.contains("ERROR") && line.contains("as_path") && line.contains("print_output");
    assert!(finished.log.lines().any(|line| is_error(&line)), "{}", finished.log);
}

#[test]
fn an_unknown_key_gives_a_warning_with_a_suggestion() {
    let process = start(&printing("src_host").more_config("print_refresh_tme: 10"));
    let line = process.wait_for_log("print_refresh_tme");
    assert!(line.starts_with("WARN") && line.contains("'print_refresh_time'"), "{line}");
    process.stop();
}

#[test]
fn unimplemented_keys_give_a_warning() {
    let process = start(&printing("src_host").more_config("bgp_blackhole_stdcomm_list: 65000:666"));
    assert!(process.wait_for_log("bgp_blackhole_stdcomm_list").contains("WARN"));
    process.stop();
}

#[test]
fn a_missing_or_invalid_file_is_an_error() {
    for path in ["{dir}/none.conf", "{dir}"] {
        let finished = bare(&["-f", path]).run();
        assert_eq!(finished.code(), Some(1), "{path}");
        assert!(finished.log.contains("ERROR"), "{}", finished.log);
    }
}

#[test]
fn a_dry_run_succeeds_and_touches_no_file() {
    let setup = printing("src_host").more_config("pidfile: {dir}/pid\nlogfile: {dir}/log");
    let finished = setup.clone().arguments(["-T", "config"]).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    assert!(finished.stdout.contains("Dry run 'config'"), "{}", finished.stdout);
    assert_eq!(setup.files(), [""; 0]);
}

#[test]
fn a_dry_run_reports_the_problems_of_a_start() {
    for kind in ["config", "setup"] {
        let finished = printing("src_host, nonsense").arguments(["-T", kind]).run();
        assert_eq!(finished.code(), Some(1), "{kind}: {}", finished.log);
        assert!(finished.log.contains("nonsense"), "{kind}: {}", finished.log);
    }
}

#[test]
fn the_command_line_overrides_the_file() {
    let setup = printing("src_host").arguments(["-c", "dst_port", "-O", "csv", "-o", "{dir}/other"]);
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&crate::support::v5_of(&[crate::support::web(1, 1, 2, 3)]));
    let finished = process.stop();
    assert_eq!(finished.setup().files(), ["other"]);
    assert_eq!(finished.text("other"), "DST_PORT,PACKETS,BYTES\n80,2,3\n");
}

#[test]
fn runs_without_a_configuration_file() {
    let setup = bare(&["-L", "{ip}", "-l", "{port}", "-P", "print", "-c", "src_port", "-O", "json"]);
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&crate::support::v5_of(&[crate::support::web(1, 7, 2, 3)]));
    assert!(process.stop().stdout.contains("\"port_src\": 7"));
}

#[test]
fn comments_blank_lines_and_spacing_are_accepted() {
    let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd")).config(
        "\u{feff}! a comment
         # another

         \t nfacctd_ip :{ip}\r
         NFACCTD_PORT:   {port}
         plugins: print[ p ]
         aggregate [ p ] : src_port , dst_port
         print_output[p]:csv
         print_output_file[p]: {dir}/out",
    );
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&crate::support::v5_of(&[crate::support::web(1, 7, 2, 3)]));
    let finished = process.stop();
    assert_eq!(finished.text("out"), "SRC_PORT,DST_PORT,PACKETS,BYTES\n7,80,2,3\n", "{}", finished.log);
}

#[test]
fn help_version_and_primitives_are_printed() {
    let version = bare(&["-V"]).run();
    assert_eq!(version.code(), Some(0));
    assert!(version.stdout.starts_with("NetFlow Accounting Daemon, nfacctd "), "{}", version.stdout);
    assert!(
        ["\nprint\n", "\nkafka\n", "\npcap\n"].iter().all(|part| version.stdout.contains(part)),
        "{}",
        version.stdout
    );
    let primitives = bare(&["-a"]).run();
    assert_eq!(primitives.code(), Some(0));
    assert!(primitives.stdout.lines().any(|line| line.starts_with("src_host ")), "{}", primitives.stdout);
    let usage = bare(&["-h"]).run();
    assert_eq!(usage.code(), Some(0));
    assert!(usage.stdout.contains("-f"), "{}", usage.stdout);
    let refused = bare(&["-Q"]).run();
    assert_eq!(refused.code(), Some(1));
    assert!(refused.log.contains('Q'), "{}", refused.log);
}
