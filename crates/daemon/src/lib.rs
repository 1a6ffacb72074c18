//! What all daemons share: from the command line to the last flush.
//!
//! [`run`] reads the configuration ([`settings`]), compiles it ([`pipeline`]), opens what is to be opened, starts
//! threads, waits for events, and ends in order: the workers first, which hand out what they hold; then the plugins, which
//! write it.
#![cfg_attr(
    not(all(feature = "amqp", feature = "kafka", feature = "pcap", feature = "sql")),
    allow(dead_code, unused_imports, reason = "what a feature leaves out leaves others without use")
)]
#![forbid(unsafe_code)]

mod about;
mod counter_log;
mod http;
mod intake;
mod losses;
mod owned;
mod pipeline;
mod reload;
mod service;
mod settings;
mod statistics;
mod templates_file;
mod worker;

use config::keys::core::{self, DryRun};
use config::{Arguments, CommandLine, Origin, Problems, Severity};
use flow::primitive::Daemons;
use runtime::daemonize::Side;
use runtime::log::Identity;
use settings::Settings;
use std::process::ExitCode;

/// A daemon: what tells it from the others.
pub struct Daemon {
    /// The program's name.
    pub name: &'static str,
    /// The heading of its texts.
    pub title: &'static str,
    /// How the configuration knows it.
    pub config: config::Daemon,
    /// How the primitives know it.
    pub primitives: Daemons,
}

/// The NetFlow and IPFIX collector.
pub const NFACCTD: Daemon = Daemon {
    name: "nfacctd",
    title: "NetFlow Accounting Daemon",
    config: config::Daemon::Nfacctd,
    primitives: Daemons::NFACCTD,
};

/// The sFlow collector.
pub const SFACCTD: Daemon = Daemon {
    name: "sfacctd",
    title: "sFlow Accounting Daemon",
    config: config::Daemon::Sfacctd,
    primitives: Daemons::SFACCTD,
};

/// The accounting of packets by libpcap.
pub const PMACCTD: Daemon = Daemon {
    name: "pmacctd",
    title: "Promiscuous Mode Accounting Daemon",
    config: config::Daemon::Pmacctd,
    primitives: Daemons::PMACCTD,
};

/// The accounting of packets that netfilter logs.
pub const UACCTD: Daemon = Daemon {
    name: "uacctd",
    title: "Linux NetFilter NFLOG Accounting Daemon",
    config: config::Daemon::Uacctd,
    primitives: Daemons::UACCTD,
};

/// Runs a daemon: its whole life, from the arguments of the process on.
pub fn run(daemon: &Daemon) -> ExitCode {
    runtime::log::init();
    match config::command_line::parse(daemon.config, std::env::args_os()) {
        CommandLine::Help(text) => say(&text),
        CommandLine::Version => say(&about::version(daemon.title, daemon.name)),
        CommandLine::Primitives => say(&about::primitives(daemon.title, daemon.name, daemon.primitives)),
        CommandLine::Refused(text) => {
            eprint!("{text}");
            ExitCode::FAILURE
        }
        CommandLine::Run(arguments) => run_with(daemon, &arguments),
    }
}

fn say(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// `--check`: what is wrong with the configuration and the files that it names. Status 1 when anything is left out or keeps
/// the daemon from starting; rules that nothing reaches are told and do no harm.
fn check(daemon: &Daemon, settings: Option<&Settings>, problems: &mut Problems, debug: bool) -> ExitCode {
    let mut faults = problems.count(Severity::Remark);
    if let Some(settings) = settings {
        settings.files_read.review(problems);
        if let Err(refused) = service::prepare(settings, 0) {
            problems.error(&Origin::whole("check"), refused, None);
            faults += 1;
        }
    }
    let _ = problems.print(&mut std::io::stderr(), debug);
    match faults {
        0 => println!("{}: the configuration and the files that it names are good", daemon.name),
        _ => println!("{}: {faults} found wrong", daemon.name),
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes problems to the log.
fn log_problems(problems: &Problems) {
    for problem in &problems.joined() {
        match problem.severity {
            Severity::Debug => {}
            Severity::Remark | Severity::Warning => tracing::warn!("{}", service::describe(problem)),
            Severity::Error | Severity::Fatal => tracing::error!("{}", service::describe(problem)),
        }
    }
}

fn run_with(daemon: &Daemon, arguments: &Arguments) -> ExitCode {
    let (config, mut problems) = config::load(daemon.config, arguments);
    let core_name = config.core(&core::CORE_PROC_NAME);
    runtime::log::set_default(Identity::new(&core_name, "core"));
    let settings = Settings::read(&config, arguments.file.clone(), daemon, &mut problems);
    if arguments.check {
        return check(daemon, settings.as_ref(), &mut problems, arguments.debug);
    }
    if !runtime::daemonize::is_child() {
        let _ = problems.print(&mut std::io::stderr(), arguments.debug);
    }
    let dry_run = config.core(&core::DRY_RUN);
    // A daemon in the background has nobody who reads its standard error: what is wrong goes to the log, too.
    let in_background = config.core(&core::DAEMONIZE) && dry_run.is_none();
    let log = settings::log_settings(&config, daemon, settings::files_of(&config));
    let to_log = in_background && (log.file.is_some() || log.syslog.is_some());
    if to_log && problems.is_fatal() {
        runtime::log::configure(log);
        log_problems(&problems);
    }
    let Some(settings) = settings.filter(|_| !problems.is_fatal()) else {
        return ExitCode::FAILURE;
    };
    if dry_run == Some(DryRun::Config) {
        println!("INFO ( {core_name}/core ): Dry run 'config'. Exiting ..");
        let faults = problems.count(Severity::Warning) + problems.count(Severity::Error);
        return if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if settings.daemonize {
        match runtime::daemonize::daemonize() {
            Ok(Side::Child) => {}
            Ok(Side::Parent(status)) => return ExitCode::from(status),
            Err(error) => {
                tracing::error!("daemonize: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(umask) = settings.files.umask {
        umask.apply();
    }
    runtime::log::configure(settings.log.clone());
    runtime::log::set_default(Identity::new(&core_name, "core").debug(settings.debug));
    if to_log {
        log_problems(&problems);
    }
    if settings.priority != 0
        && let Err(error) = runtime::privileges::set_priority(settings.priority)
    {
        tracing::warn!("proc_priority: {error}");
    }
    service::run(daemon, settings)
}
