//! Programs that run after a purge.
//!
//! The plugin does not wait for them: it reaps those that have ended when it wakes up. Unless they are concurrent, only one
//! runs at a time; at the end of the plugin, the last one waits for a while for the one before it.
//!
//! Each runs in a process group of its own. When its time is up, a dedicated thread sends the group SIGTERM, and later SIGKILL.

use crate::sink::PATIENCE;
use config::Plugin;
use config::keys::core::PLUGIN_TRIGGER_TIMEOUT;
use config::keys::print::{PRINT_TRIGGER_EXEC, PRINT_TRIGGER_EXEC_ASYNC};
use runtime::log::{self, Limited};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Thread};
use std::time::{Duration, Instant};
use tracing::{debug, error, warn};

/// A program that runs after each purge: `print_trigger_exec`, `sql_trigger_exec` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// `print_trigger_exec_async`: it may still run when the next one starts.
    pub concurrent: bool,
    /// `plugin_trigger_timeout`: how long it may run.
    pub timeout: Duration,
}

impl Trigger {
    /// The trigger of a plugin, if it has one.
    pub fn read(plugin: &Plugin) -> Option<Self> {
        let (concurrent, timeout) = (plugin.get(&PRINT_TRIGGER_EXEC_ASYNC), plugin.get(&PLUGIN_TRIGGER_TIMEOUT));
        Self::parse(&plugin.get(&PRINT_TRIGGER_EXEC)?, concurrent, timeout)
    }

    /// Splits a command at blanks.
    pub fn parse(command: &str, concurrent: bool, timeout: Duration) -> Option<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = PathBuf::from(words.next()?);
        Some(Self { program, arguments: words.collect(), concurrent, timeout })
    }
}

/// Programs that may run at once.
const MAX_RUNNING: usize = 10;
/// How often to check a program that another one waits for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// The variables in a trigger's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purged {
    /// The purge's figures; `None` where the trigger runs by the clock.
    pub(crate) figures: Option<Figures>,
    pub(crate) refresh: u64,
    /// Length of the time bins in seconds, where there are any.
    pub(crate) history: Option<u64>,
    /// Start of the newest bin, where there is one; seconds since 1970.
    pub(crate) bin: Option<u64>,
    /// The file that was written, where there is only one.
    pub(crate) file: Option<String>,
    /// Settings of the plugin, and variables of its kind of store.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// The figures of a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Aggregates that were to be written.
    pub(crate) total: u64,
    /// Aggregates that were written.
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

/// A running program.
struct Running {
    child: Child,
    /// When the next signal is due.
    due: Option<Instant>,
    /// SIGTERM was sent.
    asked: bool,
}

/// The programs of one plugin.
#[derive(Default)]
struct Programs {
    running: Vec<Running>,
    /// Programs that ran too long, and are not counted yet.
    killed: u64,
}

impl Programs {
    /// Removes those that have ended.
    fn reap(&mut self) {
        self.running.retain_mut(|program| {
            // Its process id stays valid until it is reaped, and its children may outlive it.
            if program.asked && program.due.is_some() {
                return true;
            }
            match program.child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    debug!("the trigger ended: {status}");
                    false
                }
                Err(_) => false,
            }
        });
    }

    /// Sends the signals that are due. The programs are not reaped yet, so their process ids are still theirs.
    fn signal(&mut self, now: Instant) {
        self.reap();
        for program in &mut self.running {
            if program.due.is_none_or(|due| now < due) {
                continue;
            }
            let group = i32::try_from(program.child.id()).ok().and_then(Pid::from_raw);
            let signal = if program.asked { Signal::KILL } else { Signal::TERM };
            if let Some(group) = group {
                // Fails if the group has ended in the meantime.
                let _ = kill_process_group(group, signal);
            }
            if program.asked {
                program.due = None;
            } else {
                program.asked = true;
                program.due = now.checked_add(GRACE);
                self.killed += 1;
                error!(
                    pid = program.child.id(),
                    "the trigger ran longer than plugin_trigger_timeout: terminating it"
                );
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.running.iter().filter_map(|program| program.due).min()
    }
}

fn lock(programs: &Mutex<Programs>) -> MutexGuard<'_, Programs> {
    programs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that ends programs that run too long. It ends with the plugin.
fn watch(programs: &Arc<Mutex<Programs>>) -> std::io::Result<Thread> {
    let (programs, identity) = (Arc::downgrade(programs), log::current());
    let started = Builder::new().name("trigger watch".to_owned()).spawn(move || {
        log::enter(identity);
        while let Some(programs) = programs.upgrade() {
            let now = Instant::now();
            let due = {
                let mut programs = lock(&programs);
                programs.signal(now);
                programs.due()
            };
            drop(programs);
            match due {
                Some(due) => std::thread::park_timeout(due.saturating_duration_since(now)),
                None => std::thread::park(),
            }
        }
    });
    Ok(started?.thread().clone())
}

/// The running programs of one plugin.
pub(crate) struct Triggers {
    trigger: Option<Trigger>,
    programs: Arc<Mutex<Programs>>,
    watcher: Option<Thread>,
    limit: Limited,
    /// Until when a program may wait for the one before it.
    wait_until: Option<Instant>,
}

impl Triggers {
    pub(crate) fn new(trigger: Option<Trigger>) -> Self {
        Self {
            trigger,
            programs: Arc::default(),
            watcher: None,
            limit: Limited::new(Duration::from_secs(60)),
            wait_until: None,
        }
    }

    /// Starts the program, if there is one and it may run now.
    pub(crate) fn start(&mut self, purged: &Purged) {
        let Some(trigger) = self.trigger.clone() else { return };
        let max = if trigger.concurrent { MAX_RUNNING } else { 1 };
        while self.running() >= max && self.wait_until.is_some_and(|until| Instant::now() < until) {
            pause();
        }
        if self.running() >= max {
            if let Some(pass) = self.limit.pass() {
                warn!(
                    held_back = pass.held_back,
                    "the trigger of an earlier purge is still running: not starting another one"
                );
            }
            return;
        }
        if let Err(error) = self.run(&trigger, purged)
            && let Some(pass) = self.limit.pass()
        {
            warn!(held_back = pass.held_back, "can't execute '{}': {error}", trigger.program.display());
        }
    }

    fn run(&mut self, trigger: &Trigger, purged: &Purged) -> std::io::Result<()> {
        // Before the program, because nothing else would end it.
        let watcher = match &self.watcher {
            Some(watcher) => watcher,
            None => self.watcher.insert(watch(&self.programs)?),
        };
        let child = Command::new(&trigger.program)
            .args(&trigger.arguments)
            .envs(purged.environment())
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()?;
        let due = Instant::now().checked_add(trigger.timeout);
        lock(&self.programs).running.push(Running { child, due, asked: false });
        watcher.unpark();
        Ok(())
    }

    /// Number of running programs.
    fn running(&self) -> usize {
        let mut programs = lock(&self.programs);
        programs.reap();
        programs.running.len()
    }

    /// The plugin ends: programs that start from now on may wait for the one before them, [`PATIENCE`] in all.
    pub(crate) fn end(&mut self) {
        self.wait_until.get_or_insert_with(|| Instant::now() + PATIENCE);
    }

    /// True when none runs.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.running() == 0
    }

    /// Removes the programs that have ended. Returns how many had to be ended since the last call.
    pub(crate) fn reap(&mut self) -> u64 {
        let mut programs = lock(&self.programs);
        programs.reap();
        std::mem::take(&mut programs.killed)
    }
}

impl Drop for Triggers {
    fn drop(&mut self) {
        // The thread sees that the programs were dropped and ends.
        self.programs = Arc::default();
        if let Some(watcher) = self.watcher.take() {
            watcher.unpark();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a process can only be asked whether it has ended")]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_at_blanks() {
        let trigger = Trigger::parse(" /bin/run  one two ", false, Duration::MAX).unwrap();
        assert_eq!((trigger.program.to_str(), trigger.arguments.len()), (Some("/bin/run"), 2));
        assert_eq!(Trigger::parse("  ", true, Duration::MAX), None);
    }

    #[test]
    fn the_environment_has_the_variables_that_apply() {
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
    fn a_trigger_by_the_clock_gets_no_figures_of_a_purge() {
        let variables = Purged { refresh: 60, ..Purged::default() }.environment();
        assert_eq!(variables, [("SQL_REFRESH_TIME", "60".to_owned())]);
    }

    /// Waits, but not forever.
    fn eventually(mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline);
            pause();
        }
    }

    /// Runs a script that hangs and writes the numbers of its processes; `begin` is its first line.
    fn hang(begin: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        // The numbers appear whole, by a rename.
        let script = format!(
            "{begin}\n(trap '' TERM; exec sleep 3600) &\necho $! $$ > {part}\nmv {part} {pids}\n\
             while :; do sleep 1; done\n",
            part = path("part"),
            pids = path("pids")
        );
        std::fs::write(path("script"), script).unwrap();
        let command = format!("/bin/sh {}", path("script"));
        let mut triggers = Triggers::new(Trigger::parse(&command, false, Duration::from_millis(300)));
        triggers.start(&Purged::default());
        eventually(|| std::fs::exists(path("pids")).unwrap());
        // Only one runs, as long as it does.
        triggers.start(&Purged::default());
        assert_eq!(triggers.running(), 1);
        eventually(|| triggers.is_idle());
        assert_eq!((triggers.reap(), triggers.reap()), (1, 0));
        let pids = std::fs::read_to_string(path("pids")).unwrap();
        for pid in pids.split_whitespace() {
            // A process that has ended has no command line, even before it is reaped.
            let command = format!("/proc/{pid}/cmdline");
            eventually(|| std::fs::read(&command).unwrap_or_default().is_empty());
        }
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_started() {
        hang("");
    }

    #[test]
    fn a_program_that_ignores_sigterm_is_killed() {
        hang("trap '' TERM");
    }

    #[test]
    fn a_program_in_time_is_left_alone() {
        let mut triggers = Triggers::new(Trigger::parse("/bin/true", false, Duration::from_secs(3600)));
        triggers.start(&Purged::default());
        eventually(|| triggers.is_idle());
        assert_eq!(triggers.reap(), 0);
    }
}
