//! The thread that writes the file.

use super::kept::Kept;
use super::{StoredTemplate, Time};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use netflow::template::Template;
use runtime::log::Limited;
use runtime::{clock, files};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// Maximum delay before a change is written, unless writing takes long.
const DELAY: Duration = Duration::from_secs(5);
/// The pause after a write, in multiples of its duration: at most a hundredth of the time is spent writing.
const REST: u32 = 100;
/// Maximum delay if only times have changed.
const RENEWAL: Duration = Duration::from_secs(86_400);
/// Capacity of the channel to the thread. Templates that do not fit are in the file at shutdown.
const WAITING: usize = 4096;
/// Minimum time between two lines about templates that do not fit into the file.
const RATE: Duration = Duration::from_secs(600);

/// How long shutdown waits for the thread to take the known templates.
const PATIENCE: Duration = Duration::from_secs(10);

/// The path of the file, and its maximum size.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    /// Bytes.
    pub(crate) bound: usize,
    pub(crate) files: files::Settings,
}

enum Order {
    /// It was announced.
    Learn(IpAddr, Template, Time),
    /// These are known at the end.
    Replace(Vec<(IpAddr, Template)>),
}

/// What is in the file, for statistics.
#[derive(Debug, Default)]
struct Figures {
    templates: AtomicU64,
    bytes: AtomicU64,
    too_old: AtomicU64,
    no_room: AtomicU64,
}

/// The main thread's end. The thread writes for the last time when this is dropped.
pub(crate) struct Keeper {
    orders: Sender<Order>,
    figures: Arc<Figures>,
}

/// The thread's end.
pub(crate) struct Writer {
    settings: Settings,
    kept: Kept,
    orders: Receiver<Order>,
    figures: Arc<Figures>,
    crowded: Limited,
    /// When the file is written next.
    due: Option<Instant>,
    /// When the last write ended, and how long it took.
    written: Option<(Instant, Duration)>,
}

impl Keeper {
    /// Creates both ends, with the contents of the file.
    pub(crate) fn new(settings: Settings, known: &[StoredTemplate]) -> (Self, Writer) {
        let (sender, orders) = crossbeam_channel::bounded(WAITING);
        let mut kept = Kept::new(settings.bound);
        known.iter().for_each(|known| _ = kept.insert(known.clone()));
        let figures = Arc::<Figures>::default();
        let writer = Writer {
            settings,
            kept,
            orders,
            figures: Arc::clone(&figures),
            crowded: Limited::new(RATE),
            due: None,
            written: None,
        };
        (Self { orders: sender, figures }, writer)
    }

    /// An exporter has announced a template.
    pub(crate) fn learn(&self, exporter: IpAddr, template: Template) {
        let _ = self.orders.try_send(Order::Learn(exporter, template, clock::now()));
    }

    /// Writes the workers' templates at shutdown, and drops the rest, which were withdrawn.
    pub(crate) fn end(self, all: Vec<(IpAddr, Template)>) {
        if self.orders.send_timeout(Order::Replace(all), PATIENCE).is_err() {
            error!("nfacctd_templates_file: still being written at shutdown; the latest templates are not in it");
        }
    }

    /// A line of statistics.
    pub(crate) fn line(&self) -> String {
        let figure = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        format!(
            "templates_file={} bytes={} dropped_too_old={} dropped_no_room={}",
            figure(&self.figures.templates),
            figure(&self.figures.bytes),
            figure(&self.figures.too_old),
            figure(&self.figures.no_room)
        )
    }
}

impl Writer {
    /// Writes until the main thread's end is dropped.
    pub(crate) fn run(mut self) {
        self.tidy();
        loop {
            let due = self.due.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let order = crossbeam_channel::select_biased! {
                recv(due) -> _ => Err(RecvTimeoutError::Timeout),
                recv(self.orders) -> order => order.map_err(RecvTimeoutError::from),
            };
            match order {
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.due.is_some() {
            self.write();
        }
    }

    fn take(&mut self, order: Order) {
        let changed = match order {
            Order::Learn(exporter, template, seen) => {
                self.kept.insert(StoredTemplate { exporter, template, seen })
            }
            Order::Replace(all) => {
                self.kept.replace(all, clock::now());
                true
            }
        };
        let wait = if changed { DELAY } else { RENEWAL };
        let now = Instant::now();
        let rested = self.written.map_or(now, |(ended, took)| ended + took.saturating_mul(REST));
        let due = (now + wait).max(rested);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        if self.kept.is_crowded() {
            self.tidy();
        }
    }

    /// Keeps the bounds.
    fn tidy(&mut self) {
        let (too_old, no_room) = self.kept.trim(clock::now());
        self.figures.too_old.fetch_add(too_old, Ordering::Relaxed);
        self.figures.no_room.fetch_add(no_room, Ordering::Relaxed);
        let (templates, bytes) = self.kept.len();
        self.figures.templates.store(templates as u64, Ordering::Relaxed);
        self.figures.bytes.store(bytes as u64, Ordering::Relaxed);
        if no_room > 0
            && let Some(pass) = self.crowded.pass()
        {
            warn!(
                held_back = pass.held_back,
                "nfacctd_templates_file: {no_room} templates find no room in {} bytes, {} since the start; \
                 a greater nfacctd_templates_file_size keeps more",
                self.settings.bound,
                self.figures.no_room.load(Ordering::Relaxed)
            );
        }
    }

    fn write(&mut self) {
        self.tidy();
        let began = Instant::now();
        if let Err(error) = self.try_to_write() {
            error!("nfacctd_templates_file: {}: {error}", self.settings.path.display());
        }
        self.written = Some((Instant::now(), began.elapsed()));
        self.due = None;
    }

    fn try_to_write(&self) -> io::Result<()> {
        let mut file = files::Aside::create(&self.settings.path, &self.settings.files)?;
        self.kept.write(&mut file)?;
        file.commit_synced()
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use netflow::template::{Field, Kind};

    fn template(id: u16) -> Template {
        Template::new(7, id, Kind::Data, vec![Field { enterprise: 9, element: 1, length: 65535 }])
    }

    #[test]
    fn changes_are_written_at_the_end_and_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("templates");
        let settings = Settings { path: path.clone(), bound: 1 << 20, files: files::Settings::default() };
        let exporter: IpAddr = "192.0.2.1".parse().unwrap();
        let (keeper, mut writer) = Keeper::new(settings.clone(), &[]);
        writer.take(Order::Learn(exporter, template(300), clock::now()));
        let due = writer.due.unwrap();
        assert!(due > Instant::now() && due <= Instant::now() + DELAY);
        writer.write();
        let known = read(&path, clock::now()).unwrap().templates;
        assert_eq!((known[0].exporter, &known[0].template), (exporter, &template(300)));
        assert!(keeper.line().starts_with("templates_file=1 "), "{}", keeper.line());
        // An unchanged template is not urgent.
        writer.take(Order::Learn(exporter, template(300), clock::now()));
        assert!(writer.due.unwrap() > Instant::now() + RENEWAL / 2);
        // After a long write, the next one waits longer.
        writer.written = Some((Instant::now(), Duration::from_secs(1)));
        writer.due = None;
        writer.take(Order::Learn(exporter, template(301), clock::now()));
        assert!(writer.due.unwrap() > Instant::now() + Duration::from_secs(90));
        keeper.end(vec![(exporter, template(302))]);
        writer.run();
        let known = read(&path, clock::now()).unwrap().templates;
        assert_eq!(known.iter().map(|known| known.template.id).collect::<Vec<_>>(), [302]);
    }
}
