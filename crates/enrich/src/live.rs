//! Steps that look rows up in a table that changes continuously, such as a RIB.
//!
//! The step holds a handle to the table. The handle survives reloads; only the offsets of fields are compiled. The step
//! enters the table once per batch ([`LiveTable::read`]) and sees one state of it until the batch is done. The cost of entering, a
//! lock or the pin of an epoch, is paid per batch and never per row; a writer waits for a batch at most, some
//! microseconds.

use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use config::Diagnostics;
use flow::row::{FieldSet, Layout};
use maps::usage::Usage;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A table that others change while rows are looked up in it.
pub trait LiveTable: Debug + Send + Sync + 'static {
    /// One state of the table, as long as it is held: a read guard, a pinned epoch, a reference to a version.
    type State<'a>;

    /// Enters the table. Called once per batch; it must not allocate, nor wait longer than a change of the table takes.
    fn read(&self) -> Self::State<'_>;
}

impl<T: Debug + Send + Sync + 'static> LiveTable for RwLock<T> {
    type State<'a> = RwLockReadGuard<'a, T>;

    /// A table stays in use after a writer's panic: a missing route does less harm than no routes.
    fn read(&self) -> Self::State<'_> {
        RwLock::read(self).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks rows up in a live table.
pub trait LiveLookup<T: LiveTable>: Debug + Send + Sync + 'static {
    /// Offsets of the fields that are read and written.
    type Compiled: Debug + Send + Sync + 'static;

    /// What a worker caches between batches, such as ids of strings. Nothing from the table, which may have changed.
    type Memory: Debug + Default + Send + 'static;

    /// As [`Step::require`].
    fn require(&self, fields: &mut FieldSet);

    /// Compiles the lookup for a layout; `None` if rows have no field for its results.
    fn compile(&self, layout: &Layout) -> Option<Self::Compiled>;

    /// Looks up the rows of a batch in one state of the table.
    fn apply(compiled: &Self::Compiled, table: &T::State<'_>, batch: &mut Batch<'_>, memory: &mut Self::Memory);

    /// As [`WorkerStep::forget_strings`].
    fn forget_strings(_memory: &mut Self::Memory) {}

    /// As [`CompiledStep::usage`].
    fn usage(_compiled: &Self::Compiled) -> Option<&Usage> {
        None
    }

    /// As [`Step::review`].
    fn review(&self, _problems: &mut Diagnostics) {}
}

/// A step over a live table.
#[derive(Debug)]
pub struct LiveStep<T, L> {
    table: Arc<T>,
    lookup: L,
}

impl<T: LiveTable, L: LiveLookup<T>> LiveStep<T, L> {
    /// Creates a step over a table that its owner continues to change.
    pub fn new(table: Arc<T>, lookup: L) -> Self {
        Self { table, lookup }
    }
}

impl<T: LiveTable, L: LiveLookup<T>> Step for LiveStep<T, L> {
    fn require(&self, fields: &mut FieldSet) {
        self.lookup.require(fields);
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let compiled = self.lookup.compile(target.layout)?;
        Some(Arc::new(Compiled::<T, L> { table: Arc::clone(&self.table), compiled }))
    }

    fn review(&self, problems: &mut Diagnostics) {
        self.lookup.review(problems);
    }
}

#[derive(Debug)]
struct Compiled<T: LiveTable, L: LiveLookup<T>> {
    table: Arc<T>,
    compiled: L::Compiled,
}

impl<T: LiveTable, L: LiveLookup<T>> CompiledStep for Compiled<T, L> {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker { shared: self, memory: L::Memory::default() })
    }

    fn usage(&self) -> Option<&Usage> {
        L::usage(&self.compiled)
    }
}

#[derive(Debug)]
struct Worker<T: LiveTable, L: LiveLookup<T>> {
    shared: Arc<Compiled<T, L>>,
    memory: L::Memory,
}

impl<T: LiveTable, L: LiveLookup<T>> WorkerStep for Worker<T, L> {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        let state = self.shared.table.read();
        L::apply(&self.shared.compiled, &state, batch, &mut self.memory);
    }

    fn forget_strings(&mut self) {
        L::forget_strings(&mut self.memory);
    }
}
