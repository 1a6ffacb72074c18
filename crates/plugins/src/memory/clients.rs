//! The clients of the socket. Each has a thread, which reads its query, and builds and sends the answer.

use super::answer::{self, Context, Out, TICK};
use super::ledger::{Ledger, Outcome};
use super::lines::Lines;
use super::state::{Selection, Version};
use super::{REQUEST_PATIENCE, Settings};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flow::schema::Schema;
use query::{Query, Request};
use runtime::clock;
use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time until the next attempt when a client cannot be accepted.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long answers may take to finish when the daemon ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A message from a client's thread to the plugin's.
pub(super) enum Call {
    /// A query.
    Ask(Question),
    /// A table that was taken out for a client, and its bytes: it was shown, or is returned because the client did not receive it.
    Returned(usize, Option<Arc<Version>>),
}

/// A client's question to the plugin.
pub(super) struct Question {
    pub(super) what: What,
    pub(super) answer: Sender<Given>,
}

/// What to do with the table.
pub(super) enum What {
    /// Nothing.
    Stays,
    /// Clear it.
    Cleared,
    /// Show all of it to the client, and remove it.
    Taken,
    /// Show and remove a selection from a version. If the indexes of aggregates have changed since, nothing is removed.
    Removed(Selection),
}

/// The table that a client's thread answers from.
pub(super) struct Given {
    version: Option<Arc<Version>>,
    erased: Option<u64>,
    /// Where to return it, if it was taken out of the plugin's table, and its size.
    back: Option<(Sender<Call>, usize)>,
}

impl Given {
    /// A version of the table that stays.
    pub(super) fn shared(version: Arc<Version>, erased: Option<u64>) -> Self {
        Self { version: Some(version), erased, back: None }
    }

    /// A table that was taken out, and is returned unless the client receives it.
    pub(super) fn taken_out(version: Arc<Version>, back: &Sender<Call>) -> Self {
        let bytes = version.table.size();
        Self { version: Some(version), erased: None, back: Some((back.clone(), bytes)) }
    }

    /// The client has received it.
    fn delivered(&mut self) {
        if let Some((back, bytes)) = self.back.take() {
            let _ = back.send(Call::Returned(bytes, None));
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        // Fails when the daemon ends.
        if let Some((back, bytes)) = self.back.take() {
            let _ = back.send(Call::Returned(bytes, self.version.take()));
        }
    }
}

/// The state that all threads of clients share.
struct Server {
    settings: Settings,
    schema: Arc<Schema>,
    calls: Sender<Call>,
    ledger: Arc<Ledger>,
    /// Number of clients, by user.
    users: Mutex<HashMap<u32, usize>>,
    /// No more clients are accepted.
    closed: AtomicBool,
    /// Answers are cut.
    ended: AtomicBool,
}

/// The thread that accepts clients.
pub(super) struct Clients {
    server: Arc<Server>,
    listener: UnixListener,
    thread: thread::JoinHandle<()>,
    /// Is disconnected when the last client's thread has ended.
    running: Receiver<()>,
    path: PathBuf,
}

impl Clients {
    /// Starts to accept clients; their questions arrive on the channel. It is unbounded, but each client sends only a question and at
    /// most one reply.
    pub(super) fn start(
        listener: UnixListener,
        settings: Settings,
        schema: Arc<Schema>,
        ledger: Arc<Ledger>,
    ) -> io::Result<(Self, Sender<Call>, Receiver<Call>)> {
        let (calls, questions) = unbounded();
        let path = settings.path.clone();
        let server = Arc::new(Server {
            settings,
            schema,
            calls: calls.clone(),
            ledger,
            users: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let (alive, running) = bounded(0);
        let (accepted, at) = (listener.try_clone()?, Arc::clone(&server));
        let thread = thread::Builder::new().name("imt clients".to_owned()).spawn(move || {
            for stream in accepted.incoming() {
                if at.closed.load(Ordering::Acquire) {
                    return;
                }
                match stream {
                    Ok(stream) => take(stream, &at, &alive),
                    // Without a free file descriptor the client stays in the backlog, and an immediate retry would be a busy loop.
                    Err(_) => thread::park_timeout(RETRY_PAUSE),
                }
            }
        })?;
        Ok((Self { server, listener, thread, running, path }, calls, questions))
    }

    /// Stops accepting clients, gives answers a moment to finish, and removes the socket.
    pub(super) fn end(self) {
        self.server.closed.store(true, Ordering::Release);
        // Wakes the thread, which waits for a client.
        if rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).is_ok() {
            self.thread.thread().unpark();
            let _ = self.thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
        let _ = self.running.recv_timeout(LAST_ANSWERS);
        self.server.ended.store(true, Ordering::Release);
        let _ = self.running.recv_timeout(TICK * 3);
    }
}

/// A client's slot among those of its user.
struct Slot {
    server: Arc<Server>,
    user: u32,
}

impl Server {
    fn users(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a client of that user, or why there is none.
    fn admit(self: &Arc<Self>, user: u32) -> Result<Slot, String> {
        let mut users = self.users();
        let (max, of_user) = (self.settings.max_clients, self.settings.max_clients_user);
        // The daemon's own user is always admitted, however many other clients there are.
        let is_operator = user == 0 || user == rustix::process::geteuid().as_raw();
        if !is_operator && users.values().sum::<usize>() >= max {
            return Err(format!("too many clients at a time: imt_clients_max is {max}. Try again"));
        }
        let count = users.entry(user).or_default();
        if *count >= of_user {
            return Err(format!(
                "too many clients of user id {user} at a time: imt_clients_user_max is {of_user}. Try again"
            ));
        }
        *count += 1;
        Ok(Slot { server: Arc::clone(self), user })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut users = self.server.users();
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

fn take(stream: UnixStream, server: &Arc<Server>, alive: &Sender<()>) {
    let user = match rustix::net::sockopt::socket_peercred(&stream) {
        Ok(peer) => peer.uid.as_raw(),
        Err(_) => return,
    };
    if stream.set_write_timeout(Some(TICK)).is_err() {
        return;
    }
    let slot = match server.admit(user) {
        Ok(slot) => slot,
        Err(problem) => {
            server.ledger.count(Outcome::Crowded, user);
            return answer::send_error(&stream, &problem);
        }
    };
    let alive = alive.clone();
    let started = thread::Builder::new().name("imt client".to_owned()).spawn(move || {
        let outcome = serve(&stream, &slot.server);
        slot.server.ledger.count(outcome, user);
        // The slot is free before the client sees the end of the connection.
        drop(slot);
        drop(stream);
        drop(alive);
    });
    if started.is_err() {
        server.ledger.count(Outcome::Crowded, user);
    }
}

/// Answers one client.
fn serve(stream: &UnixStream, server: &Server) -> Outcome {
    let begun = Instant::now();
    let until = begun + server.settings.timeout;
    let mut from = Patient { stream, until: until.min(begun + REQUEST_PATIENCE), ended: &server.ended };
    let request = match Request::read(&mut from) {
        Ok(request) => request,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            answer::send_error(stream, &error.to_string());
            return Outcome::Late;
        }
        Err(error) => {
            answer::send_error(stream, &error.to_string());
            return if error.kind() == io::ErrorKind::InvalidData { Outcome::Invalid } else { Outcome::Left };
        }
    };
    let mut out = Out::new(stream, until, &server.ended);
    match server.answer(&request, until, &mut out) {
        Ok(()) => Outcome::Answered,
        Err((outcome, problem)) => {
            out.send_error(&problem);
            outcome
        }
    }
}

impl Server {
    /// Answers a request.
    fn answer(&self, request: &Request, until: Instant, out: &mut Out) -> Result<(), (Outcome, String)> {
        let settings = &self.settings;
        let invalid = |text: String| (Outcome::Invalid, text);
        if settings.password.is_some() && settings.password != request.password {
            return Err(invalid("wrong password (option -P)".to_owned()));
        }
        let count = request.lines.split('\n').count();
        if count > settings.max_lines {
            let text = format!("{count} lines of values: imt_query_lines allows {}", settings.max_lines);
            return Err((Outcome::TooLong, text));
        }
        let style = answer::style(request, settings.whole_seconds);
        let mut lines = match request.query {
            Query::Match | Query::Counters { .. } => {
                Some(Lines::new(&self.schema, &style, &request.columns, &request.lines).map_err(invalid)?)
            }
            _ => None,
        };
        let cut = |outcome| (outcome, self.reason(outcome));
        let mut given = match (&request.query, request.reset, &mut lines) {
            (Query::Erase, ..) => self.ask(What::Cleared, until)?,
            (Query::All, true, _) => self.ask(What::Taken, until)?,
            (_, true, Some(lines)) => self.remove(lines, until, out)?,
            _ => self.ask(What::Stays, until)?,
        };
        let version = given.version.clone().ok_or_else(|| cut(Outcome::Ended))?;
        out.of(Arc::clone(&version));
        let context = Context {
            table: &version.table,
            lines: lines.as_mut(),
            style: &style,
            now: clock::now() / 1_000_000,
            erased: given.erased,
        };
        let made = answer::make(request, context, out).and_then(|()| out.end());
        // A table that is returned must no longer be in use.
        out.forget();
        made.map_err(cut)?;
        given.delivered();
        Ok(())
    }

    /// Asks the plugin.
    fn ask(&self, what: What, until: Instant) -> Result<Given, (Outcome, String)> {
        let (answer, given) = bounded(1);
        let ended = || (Outcome::Ended, self.reason(Outcome::Ended));
        self.calls.send(Call::Ask(Question { what, answer })).map_err(|_| ended())?;
        given.recv_deadline(until).map_err(|error| match error.is_timeout() {
            true => (Outcome::Late, "the table is busy with other queries: try again".to_owned()),
            false => ended(),
        })
    }

    /// Takes the aggregates that the lines match out of the table. They are found in this thread, so that the plugin's thread
    /// only has to move them.
    fn remove(&self, lines: &mut Lines, until: Instant, out: &mut Out<'_>) -> Result<Given, (Outcome, String)> {
        let mut given = self.ask(What::Stays, until)?;
        loop {
            let cut = |outcome| (outcome, self.reason(outcome));
            let version = given.version.take().ok_or_else(|| cut(Outcome::Ended))?;
            out.of(Arc::clone(&version));
            let selection = answer::select(&version, lines, out).map_err(cut)?;
            out.forget();
            drop(version);
            given = self.ask(What::Removed(selection), until)?;
            if given.back.is_some() {
                return Ok(given);
            }
        }
    }

    /// The message to a client whose answer was cut.
    fn reason(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Late => {
                format!(
                    "the query took longer than the {} s of imt_query_timeout",
                    self.settings.timeout.as_secs()
                )
            }
            Outcome::Old => "the client read the answer too slowly, and the table needs the memory".to_owned(),
            _ => "the daemon is ending".to_owned(),
        }
    }
}

/// Reads until a deadline, however slowly the bytes arrive, or until the daemon ends.
struct Patient<'a> {
    stream: &'a UnixStream,
    until: Instant,
    ended: &'a AtomicBool,
}

impl Read for Patient<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the request took too long"));
            }
            if self.ended.load(Ordering::Acquire) {
                return Err(io::Error::other("the daemon is ending"));
            }
            self.stream.set_read_timeout(Some(left.clamp(Duration::from_millis(1), TICK)))?;
            let mut stream = self.stream;
            match stream.read(octets) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::testing;

    #[test]
    fn no_user_takes_the_slots_of_others() {
        let settings = Settings { max_clients: 6, max_clients_user: 4, ..Settings::default() };
        let server = Arc::new(Server {
            settings,
            schema: testing::schema("tag"),
            calls: unbounded().0,
            ledger: Arc::default(),
            users: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        // Neither is the user who runs the tests.
        let [one, other] = [4_000_000_001, 4_000_000_002];
        let mut slots: Vec<Slot> = (0..4).map(|_| server.admit(one).unwrap()).collect();
        let refused = |user| server.admit(user).err().unwrap_or_default();
        assert!(refused(one).contains("user id 4000000001 at a time: imt_clients_user_max is 4"));
        slots.extend((0..2).map(|_| server.admit(other).unwrap()));
        assert!(refused(other).contains("imt_clients_max is 6"));
        assert!(server.admit(0).is_ok(), "root has a slot");
        drop(slots);
        assert!(server.admit(one).is_ok() && server.users().is_empty());
    }
}
