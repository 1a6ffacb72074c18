//! Starts the threads of the pipeline: plugins first, then the workers that feed them.

use super::intake::delivery::Admission;
use super::pipeline::{Pipeline, Require, TeePlan};
use super::settings::Settings;
use super::worker::{Classes, Ends, PluginSlot, TeeSlot, Tees, WorkerContext};
use super::{Flows, MESSAGES, Mailbox};
use crate::host::PluginCounters;
use crate::host::part::Services;
use plugins::kinds::Running;
use plugins::outlet;
use plugins::probe::packets;
use runtime::clock;
use runtime::log::Identity;
use stats::Counters;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Compiles the settings. Time bins are aligned from now on.
pub(super) fn pipeline(settings: &Settings, tees: Vec<TeePlan>, require: Require) -> Pipeline {
    let started = (clock::now() / 1_000_000) as i64;
    let aggregations = settings.plugins.iter().map(|plugin| plugin.aggregation.clone()).collect();
    Pipeline::new(aggregations, settings.customs.clone(), tees, &settings.files_read, started, require)
}

impl Flows {
    pub(super) fn start_threads(&mut self, services: &Services) -> io::Result<()> {
        let Some(pipeline) = self.pipeline.clone() else { return Err(ErrorKind::NotConnected.into()) };
        let (mailbox, messages) = Mailbox::new(MESSAGES, services.bell.clone());
        self.messages = Some(messages);
        let admission = Admission::new(Arc::clone(&self.requests), self.settings.allow.clone());
        self.input.start(services, &admission)?;
        self.threads = Some(services.threads.clone());
        let outlets = self.start_plugins(&pipeline, services)?;
        let context = outlets.into_iter().map(|outlets| self.context_of(&pipeline, outlets, &mailbox, services));
        let context = context.collect::<io::Result<Vec<_>>>()?;
        let name = services.daemon;
        for (number, work) in self.input.work(pipeline.needs(), context).into_iter().enumerate() {
            services.threads.spawn(format!("{name}/w{number}"), services.identity.clone(), work)?;
        }
        Ok(())
    }

    /// Starts the plugins, and gives each worker its ends of them.
    fn start_plugins(&mut self, pipeline: &Pipeline, services: &Services) -> io::Result<Vec<Vec<Ends>>> {
        let workers = self.wakes.len();
        let mut outlets: Vec<Vec<Ends>> = (0..workers).map(|_| Vec::new()).collect();
        let plugins = std::mem::take(&mut self.settings.plugins);
        for (plugin, schema) in plugins.into_iter().zip(&pipeline.schemas) {
            let (ends, mut inlet) = outlet::channel(workers, self.settings.tables_max);
            inlet.set_wakes(self.wakes.to_vec());
            // A plugin that takes packets has a channel for their samples.
            let channel = plugin.sink.sampler(schema).map(|sampler| packets::channel(&sampler, workers));
            let (samples, packets) = channel.unzip();
            let samples = samples.into_iter().flatten().map(Some).chain(std::iter::repeat_with(|| None));
            let ends = ends.into_iter().zip(samples).map(|(tables, packets)| Ends { tables, packets });
            outlets.iter_mut().zip(ends).for_each(|(outlets, ends)| outlets.push(ends));
            let (counters, kind) = (Counters::new(), plugin.kind.is.word());
            let readers = vec![counters.reader()];
            self.readers.plugins.push(PluginCounters {
                name: plugin.name.clone(),
                kind,
                spools: plugin.sink.spools(),
                readers,
            });
            plugin.sink.start(Running {
                identity: Identity::new(&plugin.name, kind).debug(plugin.debug),
                name: plugin.name,
                schema: Arc::clone(schema),
                hash: pipeline.hash.clone(),
                inlet,
                packets,
                counters,
                threads: services.threads.clone(),
            })?;
        }
        for tee in &self.tees {
            tee.start(&services.threads)?;
            let (name, kind) = (tee.name().to_owned(), "tee");
            self.readers.plugins.push(PluginCounters { name, kind, spools: false, readers: Vec::new() });
        }
        Ok(outlets)
    }

    /// Creates the context of one worker.
    fn context_of(
        &mut self,
        pipeline: &Pipeline,
        outlets: Vec<Ends>,
        mailbox: &Mailbox<super::Message>,
        services: &Services,
    ) -> io::Result<WorkerContext> {
        let parts = pipeline.worker();
        let slots: Vec<PluginSlot> = (parts.aggregators.into_iter().zip(outlets))
            .map(|((aggregator, stage, bound), ends)| PluginSlot::new(aggregator, stage, ends, bound))
            .collect();
        for (plugin, slot) in self.readers.plugins.iter_mut().zip(&slots) {
            plugin.readers.push(slot.reader());
        }
        let tees: Option<Vec<TeeSlot>> = (self.tees.iter_mut())
            .zip(parts.tees.into_iter().zip(pipeline.tees()))
            .map(|(tee, (stage, plan))| tee.slot(stage, plan.selection))
            .collect();
        let Some(tees) = tees else { return Err(ErrorKind::NotConnected.into()) };
        for (plugin, slot) in self.readers.plugins.iter_mut().skip(slots.len()).zip(&tees) {
            plugin.readers.push(slot.reader());
        }
        let counters = Counters::new();
        self.readers.workers.push(counters.reader());
        let layout = &pipeline.needs().layout;
        let tees = Tees::new(tees, layout);
        let recognition = self.settings.recognition.as_ref();
        let classes =
            recognition.map(|recognition| Classes::new(recognition, layout).ok_or(ErrorKind::OutOfMemory));
        Ok(WorkerContext {
            classes: classes.transpose()?,
            enricher: parts.enricher,
            output: parts.output,
            max_strings: self.settings.peer_state.strings,
            slots,
            tees,
            allow: self.settings.allow.clone(),
            requests: Arc::clone(&self.requests),
            messages: mailbox.clone(),
            stop: services.stop.clone(),
            counters,
            names: self.settings.names.clone(),
        })
    }
}
