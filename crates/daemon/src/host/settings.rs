//! Settings that all daemons have.

use super::confinement::{self, Confinement};
use config::keys::{core, maps, output, time};
use config::{Config, Diagnostics, Key, Origin};
use plugins::kinds::Kind;
use runtime::{files, log, privileges};
use std::path::PathBuf;

/// Libraries that log by themselves.
const LIBRARIES: &[&str] =
    &["hyper", "lapin", "log", "mysql", "rustls", "tokio_postgres", "tokio_postgres_rustls", "ureq", "ureq_proto"];

/// How the process runs, whatever its parts do.
pub(crate) struct Settings {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) core_name: String,
    pub(crate) debug: bool,
    pub(crate) dry_run: bool,
    pub(crate) daemonize: bool,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) log: log::Settings,
    pub(crate) files: files::Settings,
    pub(crate) priority: i32,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// `landlock`.
    pub(crate) confinement: Option<Confinement>,
    /// `maps_refresh`.
    pub(crate) reload: bool,
    /// `maps_watch`.
    pub(crate) watch: bool,
}

impl Settings {
    /// Reads the settings. `plugins`: the kinds of plugins that the daemon has.
    pub(crate) fn read(
        config: &Config,
        file: Option<PathBuf>,
        plugins: &'static [&'static Kind],
        problems: &mut Diagnostics,
    ) -> Self {
        check_users(config, problems);
        let dry_run = config.core(&core::DRY_RUN).is_some();
        Self {
            config_file: file,
            core_name: config.core(&core::CORE_PROC_NAME),
            debug: config.core(&core::DEBUG),
            dry_run,
            daemonize: config.core(&core::DAEMONIZE) && !dry_run,
            pid_file: config.core(&core::PIDFILE),
            log: log_settings(config),
            files: files_of(config),
            priority: config.core(&core::PROC_PRIORITY),
            user: config.core(&core::RUN_AS_USER),
            group: config.core(&core::RUN_AS_GROUP),
            confinement: confinement::read(config, plugins),
            reload: config.core(&maps::MAPS_REFRESH),
            watch: config.core(&maps::MAPS_WATCH),
        }
    }
}

/// The line that sets a key of the core; without one, the file as a whole.
pub(crate) fn blame<'a, T>(config: &'a Config, key: &Key<T>) -> &'a Origin {
    config.core_origin(key).unwrap_or(config.source())
}

/// Mask and owner of files, as configured for the core.
pub(crate) fn files_of(config: &Config) -> files::Settings {
    files::Settings {
        umask: privileges::Umask::new(config.core(&output::FILES_UMASK)),
        uid: config.core(&output::FILES_UID).and_then(|text| privileges::uid(&text)),
        gid: config.core(&output::FILES_GID).and_then(|text| privileges::gid(&text)),
        follow_links: config.core(&output::FILES_FOLLOW_LINKS),
    }
}

/// Where and how the daemon logs.
pub(crate) fn log_settings(config: &Config) -> log::Settings {
    log::Settings {
        debug: config.core(&core::DEBUG),
        stderr_time: config.core(&core::LOG_STDERR_TSTAMP),
        utc: config.core(&time::TIMESTAMPS_UTC),
        file: config.core(&core::LOGFILE),
        syslog: config.core(&core::SYSLOG).and_then(|facility| log::Facility::parse(facility.word())),
        ident: config.core(&core::SYSLOG_IDENT).unwrap_or_else(|| config.daemon().name().to_owned()),
        files: files_of(config),
        quiet: LIBRARIES,
    }
}

/// Checks the user and the group that the daemon switches to.
fn check_users(config: &Config, problems: &mut Diagnostics) {
    let (user, group) = (config.core(&core::RUN_AS_USER), config.core(&core::RUN_AS_GROUP));
    if let Err(problem) = privileges::check(user.as_deref(), group.as_deref()) {
        let (key, origin) = match (&problem, group.is_some()) {
            (privileges::Error::Group(_), true) => ("run_as_group", blame(config, &core::RUN_AS_GROUP)),
            _ => ("run_as_user", blame(config, &core::RUN_AS_USER)),
        };
        problems.fatal(origin, format!("{key}: {problem}."), None);
    }
}
