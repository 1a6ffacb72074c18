//! Programs that run after a purge.
//!
//! They run beside the plugin, which does not wait for them: it looks after those that have ended when it wakes up.
//! Unless they are concurrent, only one runs at a time; at the end of the plugin, the last one waits a while for the one before.

use crate::sink::PATIENCE;
use runtime::log::Limited;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// A program that runs after each purge: `print_trigger_exec` and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The program.
    pub program: PathBuf,
    /// What it is called with.
    pub arguments: Vec<String>,
    /// `print_trigger_exec_async`: it may still run when the next one starts.
    pub concurrent: bool,
}

impl Trigger {
    /// Splits a command at blanks.
    pub fn parse(command: &str, concurrent: bool) -> Option<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = PathBuf::from(words.next()?);
        Some(Self { program, arguments: words.collect(), concurrent })
    }
}

/// Programs that may run at once.
const MAX_RUNNING: usize = 10;
/// How often a program is looked after that another one waits for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What a trigger can read from its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purged {
    /// What the purge did; nothing where the trigger follows the clock.
    pub(crate) figures: Option<Figures>,
    pub(crate) refresh: u64,
    /// Length of the time bins in seconds, where there are any.
    pub(crate) history: Option<u64>,
    /// Start of the newest bin, where there is one; seconds since 1970.
    pub(crate) bin: Option<u64>,
    /// The file that was written, where there is only one.
    pub(crate) file: Option<String>,
    /// Settings of the plugin, and what else its kind of store tells.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Aggregates that were to be written.
    pub(crate) total: u64,
    /// Aggregates that the store has.
    pub(crate) written: u64,
    pub(crate) seconds: u64,
    /// True where each of them became a new row of a database.
    pub(crate) inserts: bool,
}

impl Purged {
    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("SQL_REFRESH_TIME", self.refresh.to_string())];
        if let Some(Figures { total, written, seconds, inserts }) = self.figures {
            variables.push(("TOTAL_ELEM_NUMBER", total.to_string()));
            variables.push(("EFFECTIVE_ELEM_NUMBER", written.to_string()));
            variables.push(("ELAPSED_TIME", seconds.to_string()));
            if inserts {
                variables.push(("INSERT_QUERIES_NUMBER", written.to_string()));
                variables.push(("UPDATE_QUERIES_NUMBER", "0".to_owned()));
            }
        }
        let numbers = [("SQL_HISTORY_TIMESLOT", self.history), ("SQL_HISTORY_BASETIME", self.bin)];
        variables.extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
        variables.extend(self.file.clone().map(|file| ("PRINT_OUTPUT_FILE", file)));
        variables.extend(self.more.iter().cloned());
        variables
    }
}

/// The programs of one plugin that still run.
pub(crate) struct Triggers {
    trigger: Option<Trigger>,
    running: Vec<Child>,
    limit: Limited,
    /// Until when a program may wait for the one before it.
    wait_until: Option<Instant>,
}

impl Triggers {
    pub(crate) fn new(trigger: Option<Trigger>) -> Self {
        Self { trigger, running: Vec::new(), limit: Limited::new(Duration::from_secs(60)), wait_until: None }
    }

    /// Starts the program, if there is one and it may.
    pub(crate) fn start(&mut self, purged: &Purged) {
        self.reap();
        let Some(trigger) = self.trigger.clone() else { return };
        let most = if trigger.concurrent { MAX_RUNNING } else { 1 };
        while self.running.len() >= most && self.wait_until.is_some_and(|until| Instant::now() < until) {
            self.wait_a_moment();
        }
        if self.running.len() >= most {
            if let Some(pass) = self.limit.pass() {
                warn!(
                    held_back = pass.held_back,
                    "the trigger of an earlier purge is still running: not started again"
                );
            }
            return;
        }
        let started = Command::new(&trigger.program)
            .args(&trigger.arguments)
            .envs(purged.environment())
            .stdin(Stdio::null())
            .spawn();
        match started {
            Ok(child) => self.running.push(child),
            Err(error) => {
                if let Some(pass) = self.limit.pass() {
                    warn!(held_back = pass.held_back, "can't execute '{}': {error}", trigger.program.display());
                }
            }
        }
    }

    /// The plugin ends: programs that start from now on may wait for the one before them, [`PATIENCE`] in all.
    pub(crate) fn end(&mut self) {
        self.wait_until.get_or_insert_with(|| Instant::now() + PATIENCE);
    }

    #[expect(clippy::disallowed_methods, reason = "a process can only be asked whether it has ended")]
    fn wait_a_moment(&mut self) {
        std::thread::sleep(BETWEEN_LOOKS);
        self.reap();
    }

    /// True when none runs.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes note of the programs that have ended.
    pub(crate) fn reap(&mut self) {
        self.running.retain_mut(|child| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                debug!("the trigger ended: {status}");
                false
            }
            Err(_) => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_at_blanks() {
        let trigger = Trigger::parse(" /bin/run  one two ", false).unwrap();
        assert_eq!((trigger.program.to_str(), trigger.arguments.len()), (Some("/bin/run"), 2));
        assert_eq!(Trigger::parse("  ", true), None);
    }

    #[test]
    fn the_environment_has_what_is_known() {
        let figures = Figures { total: 3, written: 2, seconds: 0, inserts: false };
        let mut purged = Purged { figures: Some(figures), bin: Some(1_699_999_800), ..Purged::default() };
        let variables = purged.environment();
        assert!(variables.contains(&("EFFECTIVE_ELEM_NUMBER", "2".to_owned())));
        assert!(variables.contains(&("SQL_HISTORY_BASETIME", "1699999800".to_owned())));
        for name in ["PRINT_OUTPUT_FILE", "INSERT_QUERIES_NUMBER", "UPDATE_QUERIES_NUMBER"] {
            assert!(!variables.iter().any(|(known, _)| *known == name), "{name}");
        }
        purged.figures = Some(Figures { inserts: true, ..figures });
        let variables = purged.environment();
        assert!(variables.contains(&("INSERT_QUERIES_NUMBER", "2".to_owned())));
        assert!(variables.contains(&("UPDATE_QUERIES_NUMBER", "0".to_owned())));
    }

    #[test]
    fn a_trigger_by_the_clock_is_told_of_no_purge() {
        let variables = Purged { refresh: 60, ..Purged::default() }.environment();
        assert_eq!(variables, [("SQL_REFRESH_TIME", "60".to_owned())]);
    }
}
