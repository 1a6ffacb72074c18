//! Whole configurations, and what is said about them.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Severity;
use crate::keys::aggregation::*;
use crate::keys::core::*;
use crate::keys::input::*;
use crate::keys::output::*;
use crate::keys::print::*;
use crate::keys::time::*;
use crate::{Arguments, CommandLine, Span, command_line, parse_bytes};

/// A configuration of nfacctd, and its problems without those of level debug.
fn nfacctd(text: &str) -> (Config, Vec<String>) {
    of(Daemon::Nfacctd, text)
}

fn of(daemon: Daemon, text: &str) -> (Config, Vec<String>) {
    let (config, problems) = parse_bytes(daemon, "f", text.as_bytes());
    let shown = problems.iter().filter(|p| p.severity > Severity::Debug).map(ToString::to_string).collect();
    (config, shown)
}

/// Diagnostics of lines after a plugins line of one print plugin `p`.
fn reported(lines: &str) -> Vec<String> {
    nfacctd(&format!("plugins: print[p]\n{lines}")).1
}

#[test]
fn an_empty_file_is_valid() {
    let (config, problems) = nfacctd("");
    assert_eq!(problems, ["WARN: [f] No plugin has been activated; defaulting to in-memory table."]);
    assert_eq!(config.plugins().len(), 1);
    assert_eq!(config.plugins()[0].name, "default_memory");
    assert_eq!(config.plugins()[0].kind, PluginKind::Memory);
    assert_eq!(config.core(&NFACCTD_PORT), 2100);
    assert_eq!(config.core(&NFACCTD_IP), None);
    assert_eq!(config.core(&NFACCTD_AS), Some(AsSource::Protocol));
    assert_eq!(config.core_origin(&NFACCTD_PORT), None);
    assert_eq!(config.plugins()[0].get(&keys::memory::IMT_PATH), PathBuf::from("/tmp/collect.pipe"));
    assert_eq!(config.plugins()[0].get(&PLUGIN_MEMORY), 256 << 20);

    let (config, problems) = of(Daemon::Pmbgpd, "");
    assert_eq!((config.plugins().len(), problems.len()), (0, 0));
    assert_eq!(of(Daemon::Sfacctd, "").0.core(&NFACCTD_PORT), 6343);
    assert_eq!(of(Daemon::Pmacctd, "").0.core(&NFACCTD_AS), None);
}

#[test]
fn a_later_line_overrides_one_for_a_single_plugin() {
    let (config, problems) =
        nfacctd("plugins: print[y], print[z]\naggregate[z]: src_port\naggregate: SRC_HOST, dst_host");
    assert_eq!(problems, Vec::<String>::new());
    let both = Some(vec!["src_host".to_owned(), "dst_host".to_owned()]);
    assert_eq!(config.plugins()[1].get(&AGGREGATE), both);
    assert_eq!(config.plugins()[1].origin_of(&AGGREGATE).unwrap().to_string(), "f:3");
    assert_eq!(config.core(&AGGREGATE), both);

    let (config, _) = nfacctd("plugins: print[y], print[z]\naggregate: src_host\naggregate[z]: src_port");
    assert_eq!(config.plugins()[0].get(&AGGREGATE), Some(vec!["src_host".to_owned()]));
    assert_eq!(config.plugins()[1].get(&AGGREGATE), Some(vec!["src_port".to_owned()]));
    assert_eq!(config.plugins()[1].blame(&PRINT_OUTPUT).to_string(), "f:1");
}

#[test]
fn anonymous_plugins_have_a_default_name() {
    let (config, problems) =
        nfacctd("plugins: print\nprint_output[default_print]: JSON\nprint_output_file: /x-%H");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.plugins()[0].get(&PRINT_OUTPUT), PrintOutput::Json);
    assert_eq!(config.core(&PRINT_OUTPUT), PrintOutput::Formatted);
    assert_eq!(config.plugins()[0].get(&PRINT_OUTPUT_FILE), Some(PathBuf::from("/x-%H")));
}

#[test]
fn unknown_names_cause_a_warning_with_the_nearest_known_one() {
    for (line, message) in [
        ("foo_bar: 1", "WARN: [f:2] Unknown key: foo_bar. Ignored."),
        ("prnit_output: csv", "WARN: [f:2] Unknown key: prnit_output. Ignored. Did you mean 'print_output'?"),
        ("agregate: src_host", "WARN: [f:2] Unknown key: agregate. Ignored. Did you mean 'aggregate'?"),
        ("print_output[zz]: csv", "WARN: [f:2] Unknown symbol 'zz'. Ignored."),
        ("print_output[P]: csv", "WARN: [f:2] Unknown symbol 'P'. Ignored. Did you mean 'p'?"),
    ] {
        assert_eq!(reported(line), [message]);
    }
}

#[test]
fn superfluous_brackets_are_ignored_and_missing_ones_rejected() {
    let (config, problems) = nfacctd("plugins: print[p]\nnfacctd_port[zz]: 2055\npre_tag_filter: 1");
    assert_eq!(
        problems,
        [
            "WARN: [f:2] plugin name not supported for key 'nfacctd_port'. Globalized.",
            "ERROR: [f:3] TAG filter cannot be global. Not loaded. Name the plugin: pre_tag_filter[NAME].",
        ]
    );
    assert_eq!(config.core(&NFACCTD_PORT), 2055);
    assert_eq!(config.plugins()[0].get(&PRE_TAG_FILTER), None);
}

#[test]
fn invalid_values_leave_the_default() {
    for (line, message) in [
        (
            "nfacctd_port: 70000",
            "WARN: [f:2] Invalid value. Ignored. nfacctd_port: '70000' is not a port from 1 to 65535.",
        ),
        ("daemonize: yes", "WARN: [f:2] Invalid value. Ignored. daemonize: 'yes' is not true or false."),
        ("daemonize:", "WARN: [f:2] Invalid value. Ignored. daemonize: '' is not true or false."),
        (
            "print_output: \"json\"",
            "WARN: [f:2] Invalid value. Ignored. print_output: '\"json\"' is not one of formatted, csv, json, \
             event_formatted, event_csv, avro, avro_bin, avro_json, parquet, custom. Did you mean 'json'?",
        ),
        (
            "print_refresh_time: 5m",
            "WARN: [f:2] print_refresh_time is expected in secs but contains non-digit chars: 'm'. \
             Expected a number of seconds, 1 or more, such as 60.",
        ),
        (
            "print_history: 90s",
            "WARN: [f:2] Ignoring invalid time value: 90 (residual secs afters conversion in mins) \
             print_history expects a length of time, such as 300s, 5m, 1h, 1d, 1w or 1M.",
        ),
        (
            "print_history: 5x",
            "WARN: [f:2] Ignoring unknown time measuring unit: 'x'. \
             print_history expects a length of time, such as 300s, 5m, 1h, 1d, 1w or 1M.",
        ),
        (
            "print_history:",
            "WARN: [f:2] Ignoring invalid time value: 0 (not greater than zero) \
             print_history expects a length of time, such as 300s, 5m, 1h, 1d, 1w or 1M.",
        ),
        (
            "files_umask: 001",
            "WARN: [f:2] Invalid value. Ignored. files_umask: '001' is not an octal number from 002 to 777.",
        ),
    ] {
        assert_eq!(reported(line), [message], "{line}");
    }
}

#[test]
fn a_name_with_an_unsupported_variable_is_fatal() {
    let (_, problems) = parse_bytes(Daemon::Nfacctd, "f", b"plugins: print\nprint_output_file: /x-%j");
    assert!(problems.is_fatal());
    let last = problems.iter().last().unwrap().to_string();
    assert!(last.starts_with("ERROR: [f:2] print_output_file, %j not supported."), "{last}");
}

#[test]
fn a_comment_after_a_number_is_ignored_with_a_warning() {
    let (config, problems) = nfacctd("plugins: print\nnfacctd_port: 2055 ! the office");
    assert_eq!(config.core(&NFACCTD_PORT), 2055);
    assert_eq!(
        problems,
        ["WARN: [f:2] nfacctd_port: '! the office' after 2055 is ignored. Write comments on separate lines."]
    );
}

#[test]
fn time_bins_have_units() {
    for (text, span) in [
        ("300", Span::Seconds(300)),
        ("60s", Span::Seconds(60)),
        ("5m", Span::Seconds(300)),
        ("2h", Span::Seconds(7200)),
        ("1d", Span::Seconds(86_400)),
        ("1w", Span::Seconds(604_800)),
        ("3M", Span::Months(3)),
    ] {
        let (config, problems) = nfacctd(&format!("plugins: print\nprint_history: {text}"));
        assert_eq!((config.plugins()[0].get(&PRINT_HISTORY), problems), (Some(span), Vec::new()), "{text}");
    }
    let (config, _) = nfacctd("plugins: print\nprint_refresh_time: 300\nplugin_memory: 1G\nfiles_umask: 022");
    assert_eq!(config.plugins()[0].get(&PRINT_REFRESH_TIME), Duration::from_secs(300));
    assert_eq!(config.plugins()[0].get(&PLUGIN_MEMORY), 1 << 30);
    assert_eq!(config.core(&FILES_UMASK), 0o22);
}

#[test]
fn keys_without_effect_cause_one_warning() {
    assert_eq!(
        reported("snaplen: 256\nsnaplen: 128\nprint_output_custom_lib: /lib/x.so"),
        [
            "WARN: [f:2] snaplen has no effect in nfacctd.",
            "WARN: [f:4] print_output_custom_lib is not supported: such libraries use structures of the C implementation.",
        ]
    );
    assert_eq!(
        reported("telemetry_daemon_grpc_collector_conf: /c"),
        [
            "WARN: [f:2] telemetry_daemon_grpc_collector_conf is not supported by nfacctd: the gRPC server is part of \
             pmtelemetryd."
        ]
    );
    assert_eq!(reported("plugin_pipe_size: 1000000\nimt_buckets: 7"), Vec::<String>::new());
    let (_, problems) = parse_bytes(Daemon::Nfacctd, "f", b"plugin_pipe_size: 1000000");
    assert!(problems.iter().any(|p| p.severity == Severity::Debug && p.what.contains("plugin_memory")));
}

#[test]
fn only_the_first_plugins_line_is_used() {
    let (config, problems) = nfacctd("plugins: print\nplugins: memory\n");
    assert_eq!(config.plugins()[0].kind, PluginKind::Print);
    assert_eq!(
        problems,
        ["WARN: [f:2] Unable to handle key: plugins. Ignored. Only the first plugins line is used."]
    );
}

#[test]
fn the_first_name_of_the_core_is_used() {
    let (config, problems) = nfacctd("plugins: print\nnfacctd_proc_name: a\ncore_proc_name: b");
    assert_eq!(config.core(&CORE_PROC_NAME).as_str(), "a");
    assert_eq!(
        problems,
        [
            "WARN: [f:3] core_proc_name is already set to another value (f:2): that line is used. Remove one of the lines."
        ]
    );
}

#[test]
fn a_key_set_to_two_values_causes_a_warning_with_both_lines() {
    for (lines, shown) in [
        ("print_refresh_time: 60\nprint_refresh_time: 110", "print_refresh_time is"),
        ("print_output[p]: json\nprint_output[p]: csv", "print_output[p] is"),
        ("nfacctd_renormalize: true\nsfacctd_renormalize: false", "sfacctd_renormalize is"),
    ] {
        let problems = reported(lines);
        let what = format!(
            "WARN: [f:3] {shown} already set to another value (f:2): this line is used. Remove one of the lines."
        );
        assert_eq!(problems, [what], "{lines}");
    }
    for lines in ["print_output[p]: json\nprint_output[p]: json", "print_output: json\nprint_output[p]: csv"] {
        assert_eq!(reported(lines), Vec::<String>::new(), "{lines}");
    }
    // Options override the file without a warning.
    let CommandLine::Run(arguments) =
        command_line::parse(Daemon::Nfacctd, ["nfacctd", "-r", "1", "-r", "2"].map(std::ffi::OsString::from))
    else {
        panic!()
    };
    let mut problems = Diagnostics::new();
    let mut entries = crate::file::parse(&Origin::whole("f"), b"print_refresh_time: 5", &mut problems);
    entries.extend(arguments.entries);
    resolve(Daemon::Nfacctd, Origin::whole("f"), &entries, &mut problems);
    let shown: Vec<String> =
        problems.iter().map(ToString::to_string).filter(|p| p.contains("already set")).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].contains("another value (cmdline)"), "{shown:?}");
}

#[test]
fn rejects_an_empty_list() {
    let (config, problems) = nfacctd("plugins: print[p]\naggregate[p]:\npre_tag_filter[p]: ,");
    assert_eq!(
        problems,
        [
            "WARN: [f:2] aggregate[p] has no value. Ignored.",
            "WARN: [f:3] pre_tag_filter[p] has no value. Ignored."
        ]
    );
    assert_eq!(config.plugins()[0].get(&AGGREGATE), None);
    assert_eq!(config.plugins()[0].get(&PRE_TAG_FILTER), None);
}

#[test]
fn suggests_the_other_key_if_address_and_port_are_confused() {
    for (line, hint) in [
        (
            "nfacctd_port: 127.0.0.1",
            "'127.0.0.1' is not a port from 1 to 65535. An address belongs in nfacctd_ip.",
        ),
        (
            "sfacctd_port: [::1]:6343",
            "'[::1]:6343' is not a port from 1 to 65535. An address belongs in sfacctd_ip.",
        ),
        ("sql_port: 127.0.0.1:5", "'127.0.0.1:5' is not a port from 1 to 65535. An address belongs in sql_host."),
        ("nfacctd_port: 10x", "'10x' is not a port from 1 to 65535."),
        ("nfacctd_ip: 2055", "'2055' is not an IPv4 or IPv6 address. A port belongs in nfacctd_port."),
    ] {
        let (key, _) = line.split_once(':').unwrap();
        let level = if hint.contains("belongs") { "ERROR" } else { "WARN" };
        assert_eq!(reported(line), [format!("{level}: [f:2] Invalid value. Ignored. {key}: {hint}")]);
    }
}

#[test]
fn a_key_of_several_plugin_types_belongs_to_each() {
    let (_, problems) = of(
        Daemon::Pmacctd,
        "plugins: nfprobe[n], sfprobe[s]\nnfprobe_ifindex[n]: 1\nsfprobe_ifindex[s]: 2\nsfprobe_direction[s]: in",
    );
    assert_eq!(problems, [] as [String; 0]);
}

#[test]
fn a_key_of_another_plugin_type_causes_a_warning() {
    let (_, problems) = nfacctd(
        "plugins: print[p], kafka[k], memory[m]\nprint_output_file[p]: /f\namqp_routing_key[p]: ark\n\
         imt_path[p]: /s\nkafka_topic[m]: t\nkafka_topic[k]: t\nsql_refresh_time[p]: 5\nprint_markers[k]: true",
    );
    assert_eq!(
        problems,
        [
            "WARN: [f:3] amqp_routing_key[p] is not a key of print plugins: it is the same setting as print_output_file, and \
             overrides print_output_file (f:2). Write print_output_file[p].",
            "WARN: [f:4] imt_path[p] has no effect: 'p' is of type print.",
            "WARN: [f:5] kafka_topic[m] has no effect: 'm' is of type memory.",
        ]
    );
}

#[test]
fn of_two_clocks_the_first_is_used() {
    let (config, problems) =
        nfacctd("plugins: print\nnfacctd_time_new: true\nnfacctd_time_secs: true\nnfacctd_time_new: false");
    assert!(config.core(&NFACCTD_TIME_NEW) && !config.core(&NFACCTD_TIME_SECS));
    assert_eq!(problems.len(), 2);
    let (config, problems) = nfacctd("plugins: print\nnfacctd_time_secs: true\nnfacctd_time_new: true");
    assert!(!config.core(&NFACCTD_TIME_NEW) && config.core(&NFACCTD_TIME_SECS));
    assert_eq!(
        problems,
        [
            "WARN: [f:3] Possibly 'nfacctd_time_secs: true' set. 'nfacctd_time_new' ignored. Only the first of these lines is used."
        ]
    );
}

#[test]
fn options_override_the_file_except_the_plugins_line() {
    let folder = std::env::temp_dir().join(format!("config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("c.conf");
    std::fs::write(&path, "plugins: print[a]\naggregate[a]: src_port\nnfacctd_port: 1").unwrap();
    let words = ["nfacctd", "-f", path.to_str().unwrap(), "-c", "dst_host", "-P", "memory", "-l", "2055"];
    let CommandLine::Run(arguments) = command_line::parse(Daemon::Nfacctd, words.map(Into::into)) else {
        panic!()
    };
    let (config, problems) = crate::load(Daemon::Nfacctd, &arguments);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(config.core(&NFACCTD_PORT), 2055);
    assert_eq!(config.plugins()[0].get(&AGGREGATE), Some(vec!["dst_host".to_owned()]));
    let warnings: Vec<_> =
        problems.iter().filter(|p| p.severity > Severity::Debug).map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["WARN: [cmdline] Unable to handle key: plugins. Ignored. Only the first plugins line is used."]
    );
}

#[test]
fn a_missing_file_is_fatal() {
    let arguments = Arguments { file: Some("/nowhere/c.conf".into()), ..Arguments::default() };
    let (_, problems) = crate::load(Daemon::Nfacctd, &arguments);
    assert!(problems.is_fatal());
    assert_eq!(problems.iter().next().unwrap().to_string(), "ERROR: [/nowhere/c.conf] file not found.");
}

#[test]
fn debug_lines_show_how_lines_were_parsed() {
    let (_, problems) = parse_bytes(Daemon::Nfacctd, "c.conf", b"plugins: memory[z]\naggregate [z]: src_port");
    let trace: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        trace,
        [
            "DEBUG: [c.conf] plugin name/type: 'default'/'core'.",
            "DEBUG: [c.conf:1] plugin name/type: 'z'/'memory'.",
            "DEBUG: [c.conf:2] aggregate[z]:src_port",
        ]
    );
}

#[test]
fn passwords_are_not_shown() {
    let (_, problems) = parse_bytes(Daemon::Nfacctd, "f", b"imt_passwd: secret");
    assert!(problems.iter().all(|p| !p.to_string().contains("secret")));
    let (_, problems) =
        parse_bytes(Daemon::Nfacctd, "f", b"sql_host: http://me:secret@host\nsql_hots: a://b:secret@c");
    assert!(problems.iter().all(|p| !p.to_string().contains("secret")));
}

#[test]
fn one_line_for_many_plugins_gives_one_warning() {
    let names: Vec<String> = (1..=12).map(|number| format!("amqp[a{number}]")).collect();
    let (_, problems) = nfacctd(&format!("plugins: {}\namqp_host: x\nsql_host: y", names.join(", ")));
    let others: Vec<String> = (2..=12).map(|number| format!("'a{number}'")).collect();
    let expected = format!(
        "WARN: [f:3] sql_host overrides amqp_host (f:2) in plugin 'a1': both keys are the same setting. Name the plugin: \
         sql_host[NAME]. The same applies to plugins {}.",
        others.join(", ")
    );
    assert_eq!(problems, [expected]);

    // It overrides an existing setting and is meant for another plugin: one cause, one warning.
    let (_, problems) = nfacctd("plugins: amqp[a], kafka[k], kafka[l]\nkafka_broker_host: x\namqp_host: y");
    let expected = "WARN: [f:3] amqp_host overrides kafka_broker_host (f:2) in plugin 'k': both keys are the same setting. Name the \
                    plugin: amqp_host[NAME]. The same applies to plugin 'l'.";
    assert_eq!(problems.iter().filter(|problem| problem.contains("[f:3]")).collect::<Vec<_>>(), [expected]);
}

#[test]
fn overriding_a_shared_setting_causes_a_warning() {
    let text = "plugins: print[p], kafka[k]\nprint_output_file: /x\nkafka_topic: t";
    let (config, problems) = nfacctd(text);
    assert_eq!(config.plugins()[0].get(&PRINT_OUTPUT_FILE), Some(PathBuf::from("t")));
    let is_reported = |p: &&String| p.contains("overrides print_output_file (f:2) in plugin 'p'");
    assert_eq!(problems.iter().filter(is_reported).count(), 1, "{problems:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_cause_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for daemon in Daemon::ALL {
            let _ = parse_bytes(daemon, "f", &bytes);
        }
    }

    #[test]
    fn arbitrary_values_cause_no_panic(index in 0usize..2000, value in "[-a-zA-Z0-9%,:./ \\[\\]µ]{0,30}") {
        let keys: Vec<_> = keys::all().collect();
        let row = keys[index % keys.len()].row();
        for (_, name) in row.names() {
            let text = format!("plugins: print[p]\n{name}: {value}\n{name}[p]: {value}\n");
            let (config, _) = parse_bytes(Daemon::Nfacctd, "f", text.as_bytes());
            // Reading one key of each kind through the record that the line has filled.
            let _ = (config.core(&NFACCTD_PORT), config.core(&AGGREGATE), config.plugins().first().map(|p| p.get(&PRINT_OUTPUT_FILE)));
        }
    }
}

#[test]
fn messages_use_the_spelling_of_the_user_or_the_daemon() {
    let named = |daemon, text: &str| of(daemon, text).0.names().of(&NFACCTD_PORT);
    assert_eq!(named(Daemon::Nfacctd, ""), "nfacctd_port");
    assert_eq!(named(Daemon::Sfacctd, ""), "sfacctd_port");
    assert_eq!(named(Daemon::Sfacctd, "nfacctd_port: 6343"), "nfacctd_port");
    let of_packets = |daemon| of(daemon, "").0.names().of(&keys::sampling::NFACCTD_EXT_SAMPLING_RATE);
    assert_eq!(of_packets(Daemon::Pmacctd), "pmacctd_ext_sampling_rate");
    assert_eq!(of_packets(Daemon::Uacctd), "uacctd_ext_sampling_rate");
}
