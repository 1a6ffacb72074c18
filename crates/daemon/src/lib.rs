//! What all daemons share: from the command line to the last flush.
//!
//! A daemon is a row ([`Daemon`]): its identity, and its parts. [`run`] reads the configuration and gives it to the process ([`host`]), which
//! runs the parts ([`host::part`]): opens what they need, starts threads, waits for events, and ends in order.
//! The parts are the pipeline of flows ([`flows`]), the log of sFlow counters ([`counter_log`]), BGP ([`bgp`]), BMP
//! ([`bmp`]), streaming telemetry ([`telemetry`]), route origin validation ([`validation`]), high availability ([`ha`]), and the metrics endpoint ([`http`]).
#![forbid(unsafe_code)]

mod about;
mod allow;
mod bgp;
mod bmp;
mod cluster;
mod counter_log;
mod flows;
mod ha;
mod host;
mod http;
#[cfg(feature = "zmq")]
mod pull;
mod routing;
mod rows;
mod sessions;
mod telemetry;
mod validation;

pub use rows::{NFACCTD, PMACCTD, PMBGPD, PMBMPD, PMTELEMETRYD, SFACCTD, UACCTD};

use config::keys::core::{self, DryRun};
use config::{Arguments, CommandLine, Diagnostics, Origin, Severity};
use host::Planned;
use host::part::{self, Offers, Reading};
use runtime::daemonize::Side;
use runtime::log::Identity;
use std::process::ExitCode;
use std::sync::Arc;

/// A daemon: its identity and its parts.
pub struct Daemon {
    id: config::Daemon,
    /// In the order in which they start; what one offers ([`Offers`]) is available to later ones.
    parts: &'static [&'static dyn part::Kind],
}

impl Daemon {
    /// The kinds of plugins that it has: those of the one part that feeds any.
    fn plugins(&self) -> &'static [&'static plugins::kinds::Kind] {
        self.parts.iter().map(|part| part.plugins()).find(|kinds| !kinds.is_empty()).unwrap_or_default()
    }
}

/// Runs a daemon, from the arguments of the process to its exit status.
pub fn run(daemon: &Daemon) -> ExitCode {
    runtime::signals::hold();
    runtime::log::init();
    match config::command_line::parse(daemon.id, std::env::args_os()) {
        CommandLine::Help(text) => say(&text),
        CommandLine::Version => say(&about::version(daemon.id, daemon.plugins())),
        CommandLine::Primitives => say(&about::primitives(daemon.id)),
        CommandLine::Invalid(text) => {
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

/// Reads all settings. `None` only together with problems that stop the daemon.
fn plan(
    daemon: &Daemon,
    config: &config::Config,
    arguments: &Arguments,
    problems: &mut Diagnostics,
) -> Option<Planned> {
    let reopenings = Arc::default();
    let names = config.names();
    let mut reading = Reading {
        config,
        names,
        plugins: daemon.plugins(),
        problems,
        offers: Offers::default(),
        reopenings: Arc::clone(&reopenings),
    };
    let parts = daemon.parts.iter().filter_map(|part| part.read(&mut reading)).collect();
    let settings = host::Settings::read(config, arguments.file.clone(), daemon.plugins(), problems);
    (!problems.is_fatal()).then_some(Planned { daemon: daemon.id, settings, parts, reopenings })
}

/// `--check`: reports errors in the configuration and in the files that it names. Status 1 when anything is ignored or prevents
/// the start; unreachable rules are reported and do no harm.
fn check(planned: Option<Planned>, daemon: &Daemon, problems: &mut Diagnostics, debug: bool) -> ExitCode {
    let mut found = problems.count(Severity::Remark);
    if let Some(mut planned) = planned
        && let Err(error) = planned.check(problems)
    {
        problems.error(&Origin::whole("check"), error, None);
        found += 1;
    }
    let _ = problems.print(&mut std::io::stderr(), debug);
    match found {
        0 => println!("{}: the configuration and the files that it names are valid", daemon.id),
        _ => println!("{}: {found} problems found", daemon.id),
    }
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_with(daemon: &Daemon, arguments: &Arguments) -> ExitCode {
    let (config, mut problems) = config::load(daemon.id, arguments);
    let core_name = config.core(&core::CORE_PROC_NAME);
    runtime::log::set_default(Identity::new(&core_name, "core"));
    let planned = plan(daemon, &config, arguments, &mut problems);
    if arguments.check {
        return check(planned, daemon, &mut problems, arguments.debug);
    }
    if !runtime::daemonize::is_child() {
        let _ = problems.print(&mut std::io::stderr(), arguments.debug);
    }
    let dry_run = config.core(&core::DRY_RUN);
    // In the background nobody reads standard error, so problems are also logged.
    let in_background = config.core(&core::DAEMONIZE) && dry_run.is_none();
    let log = host::log_settings(&config);
    let to_log = in_background && (log.file.is_some() || log.syslog.is_some());
    if to_log && problems.is_fatal() {
        runtime::log::configure(log);
        host::log_problems(&problems);
    }
    let Some(planned) = planned.filter(|_| !problems.is_fatal()) else {
        return ExitCode::FAILURE;
    };
    if dry_run == Some(DryRun::Config) {
        println!("INFO ( {core_name}/core ): Dry run 'config'. Exiting ..");
        let found = problems.count(Severity::Warning) + problems.count(Severity::Error);
        return if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let settings = &planned.settings;
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
        host::log_problems(&problems);
    }
    if settings.priority != 0
        && let Err(error) = runtime::privileges::set_priority(settings.priority)
    {
        tracing::warn!("proc_priority: {error}");
    }
    planned.run()
}
