//! What the inputs of telemetry share: the collector, behind a lock that is taken once for each batch, and the state that other threads
//! read.

use super::collector::Collector;
use super::figures::Figures;
use super::node::Node;
use super::settings::{Loaded, Settings};
use crate::host::part::{Bell, Services};
use crate::routing::figures::Figure;
use crate::sessions::memory::Memory;
use runtime::clock;
use runtime::events::Stop;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Memory of a node that is gone, rounded up.
const NODE_BYTES: u64 = 1024;

/// What the main thread and the threads of telemetry share.
pub(super) struct Shared {
    /// The operator's files, and how often they were replaced.
    loaded: RwLock<Loaded>,
    generation: AtomicU64,
    pub(super) figures: Figures,
    /// The nodes that are present.
    nodes: RwLock<Vec<Arc<Node>>>,
    /// Nodes that are gone, but have messages for the next dump.
    departed: Mutex<Vec<Arc<Node>>>,
    /// The memory of messages for the next dump; `None` without dumps.
    pub(super) memory: Option<Memory>,
    /// Messages that could not be written.
    pub(super) unlogged: Figure,
    /// A capture file could not be read completely.
    pub(super) incomplete: AtomicBool,
    /// All inputs have ended.
    pub(super) ended: AtomicBool,
    /// Number of requests to reopen files.
    pub(super) reopenings: Arc<AtomicU64>,
}

impl Shared {
    pub(super) fn new(loaded: Loaded, memory: Option<Memory>, reopenings: Arc<AtomicU64>) -> Self {
        Self {
            loaded: RwLock::new(loaded),
            generation: AtomicU64::new(1),
            figures: Figures::default(),
            nodes: RwLock::default(),
            departed: Mutex::default(),
            memory,
            unlogged: Figure::default(),
            incomplete: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            reopenings,
        }
    }

    pub(super) fn change_nodes(&self, change: impl FnOnce(&mut Vec<Arc<Node>>)) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut nodes);
        self.figures.nodes.set(nodes.len() as u64);
    }

    /// The nodes as they are now.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A node is gone. Its messages wait for the next dump, if there is memory for the node. Returns the number of those that are dropped.
    pub(super) fn depart(&self, node: &Arc<Node>) -> u64 {
        self.change_nodes(|nodes| nodes.retain(|other| !Arc::ptr_eq(other, node)));
        let Some(memory) = &self.memory else { return 0 };
        let mut events = node.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == 0 {
            return 0;
        }
        if !memory.take(NODE_BYTES) {
            return events.take(memory).len() as u64;
        }
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(node));
        0
    }

    /// Takes the nodes that are gone and for which `is_due`.
    pub(super) fn take_departed(&self, is_due: impl Fn(&Arc<Node>) -> bool) -> Vec<Arc<Node>> {
        let mut departed = self.departed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<_> = departed.extract_if(.., |node| is_due(node)).collect();
        if let Some(memory) = &self.memory {
            memory.give_back(NODE_BYTES * taken.len() as u64);
        }
        taken
    }

    /// Uses other contents of the operator's files from now on.
    pub(super) fn reload(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The operator's files, with their generation.
    pub(super) fn loaded(&self) -> (u64, Loaded) {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        (self.generation.load(Ordering::Acquire), loaded.clone())
    }

    /// How often the operator's files were replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// What an input holds.
pub(super) struct Service {
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
    /// `None` after the end of the last input.
    collector: Mutex<Option<Collector>>,
    /// Inputs that have not ended.
    running: AtomicUsize,
    pub(super) stop: Stop,
    bell: Bell,
}

impl Service {
    pub(super) fn new(
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        collector: Collector,
        services: &Services,
    ) -> Self {
        Self {
            settings,
            shared,
            collector: Mutex::new(Some(collector)),
            running: AtomicUsize::new(0),
            stop: services.stop.clone(),
            bell: services.bell.clone(),
        }
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Handles messages: `work` may use the collector. Other inputs wait. [`Service::flush`] must follow soon.
    pub(super) fn enter<T: Default>(&self, work: impl FnOnce(&mut Collector) -> T) -> T {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        collector.as_mut().map(work).unwrap_or_default()
    }

    /// Writes what was logged.
    pub(super) fn flush(&self) {
        self.batch(|_| ());
    }

    /// Handles a batch of messages, and writes what was logged.
    pub(super) fn batch<T: Default>(&self, work: impl FnOnce(&mut Collector) -> T) -> T {
        self.enter(|collector| {
            collector.refresh();
            let result = work(collector);
            collector.flush();
            result
        })
    }

    /// Regular work that no message causes, such as reopening files. Each input calls it from time to time.
    pub(super) fn idle(&self) {
        self.batch(|collector| collector.expire(clock::now()));
    }

    /// Starts the thread of an input.
    ///
    /// # Errors
    /// It cannot be created.
    pub(super) fn spawn(
        self: &Arc<Self>,
        services: &Services,
        name: &'static str,
        body: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<()> {
        self.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(Arc::clone(self));
        services.threads.spawn(name, services.identity.clone(), move || {
            body(&running.0);
            drop(running);
        })
    }
}

/// An input that has not ended. The last one ends the log.
pub(super) struct Running(Arc<Service>);

impl Running {
    /// Keeps the log open until all inputs are started.
    pub(super) fn new(service: &Arc<Service>) -> Self {
        service.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(service))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Service { shared, collector, running, bell, .. } = &*self.0;
        if running.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let collector = collector.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(collector) = collector {
            shared.unlogged.add(collector.end());
        }
        shared.ended.store(true, Ordering::Release);
        bell.ring();
    }
}
