//! How long the writer holds the lock, and what for. Only measurements need it: without the feature `held` nothing is recorded.

#[cfg(feature = "held")]
pub use recorded::{Held, Section};

/// What the writer does while it holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(not(feature = "held"), expect(unreachable_pub, reason = "only measurements see it"))]
pub enum Work {
    /// References to attribute sets end.
    Release,
    /// An attribute set is interned.
    Intern,
    /// Routes are announced.
    Announce,
    /// Routes are withdrawn.
    Withdraw,
    /// Routes of removed peers are removed.
    Sweep,
}

#[cfg(feature = "held")]
impl Work {
    /// All kinds of work.
    pub const ALL: [Self; 5] = [Self::Release, Self::Intern, Self::Announce, Self::Withdraw, Self::Sweep];
}

#[cfg(feature = "held")]
mod recorded {
    use super::Work;
    use crate::rib::Memory;
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    use nix::time::{ClockId, clock_gettime};
    use std::time::{Duration, Instant};

    /// A time during which the writer held the lock without a break.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Section {
        /// Time on the clock.
        pub wall: Duration,
        /// Processor time of the writer's thread; at most `wall`, as interrupts can come between the two readings.
        pub cpu: Duration,
        /// The part of it that the system took: estimated from clock ticks.
        pub system: Duration,
        /// Page faults.
        pub faults: u64,
        /// How often the system took the processor from the thread.
        pub switches: u64,
        /// Changes.
        pub changes: u32,
        /// Growth of the memory of attribute sets, in bytes.
        pub attributes: isize,
        /// Growth of the memory of prefixes and routes, in bytes.
        pub tables: isize,
        /// What was done: a bit for each [`Work`].
        work: u8,
    }

    impl Section {
        /// Whether some work was done.
        pub const fn did(&self, work: Work) -> bool {
            self.work >> work as u8 & 1 != 0
        }
    }

    /// Sections, counted by time, and the longest ones.
    #[derive(Clone, Debug)]
    pub struct Held {
        /// How many sections took less than 2^i nanoseconds of processor time, but not less than 2^(i-1).
        pub histogram: [u64; 40],
        /// The sections with the most processor time, longest first, by the kind of work.
        pub longest: [Vec<Section>; Work::ALL.len()],
        /// Time on the clock of all sections.
        pub wall: Duration,
        /// Sections in which the thread lost its processor for 20 microseconds or more: when they began, and how long they took.
        pub lost: Vec<(Instant, Duration)>,
        /// Processor time of all sections.
        pub cpu: Duration,
        /// When the section began, with and without the time that measuring takes.
        begun: (Instant, Instant, Usage, Memory),
        work: u8,
    }

    /// Sections that are remembered because the thread lost its processor.
    const LOST: usize = 1 << 16;

    /// Sections that are kept of each kind.
    const KEPT: usize = 8;

    impl Default for Held {
        fn default() -> Self {
            Self {
                histogram: [0; 40],
                longest: std::array::from_fn(|_| Vec::with_capacity(KEPT + 1)),
                wall: Duration::ZERO,
                lost: Vec::with_capacity(LOST),
                cpu: Duration::ZERO,
                begun: (Instant::now(), Instant::now(), Usage::default(), Memory::default()),
                work: 0,
            }
        }
    }

    /// What this thread has used so far.
    #[derive(Clone, Copy, Debug, Default)]
    struct Usage {
        cpu: Duration,
        system: Duration,
        faults: u64,
        switches: u64,
    }

    impl Usage {
        fn now() -> Self {
            let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else { return Self::default() };
            let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
            let system = u64::try_from(usage.system_time().num_microseconds()).unwrap_or(0);
            let count = |count| u64::try_from(count).unwrap_or(0);
            Self {
                cpu,
                system: Duration::from_micros(system),
                faults: count(usage.minor_page_faults()),
                switches: count(usage.involuntary_context_switches()),
            }
        }
    }

    impl Held {
        /// Sections of all kinds.
        pub fn sections(&self) -> u64 {
            self.histogram.iter().sum()
        }

        /// Sections that took at least 2^`log` nanoseconds of processor time.
        pub fn at_least(&self, log: usize) -> u64 {
            self.histogram.iter().skip(log + 1).sum()
        }

        /// Records a piece of work that needs no lock, for comparison.
        pub fn compare(&mut self, work: impl FnOnce()) {
            self.begin(Memory::default());
            self.note(Work::Announce);
            work();
            self.end(0, Memory::default());
        }

        pub(crate) fn note(&mut self, work: Work) {
            self.work |= 1 << work as u8;
        }

        pub(crate) fn begin(&mut self, memory: Memory) {
            self.work = 0;
            let entered = Instant::now();
            let usage = Usage::now();
            self.begun = (entered, Instant::now(), usage, memory);
        }

        pub(crate) fn end(&mut self, changes: u32, memory: Memory) {
            let (entered, begun, used, before) = self.begun;
            let wall = begun.elapsed();
            let usage = Usage::now();
            let cpu = usage.cpu.saturating_sub(used.cpu).min(wall);
            let attributes = memory.attributes.wrapping_sub(before.attributes) as isize;
            let tables = memory.tables.wrapping_sub(before.tables) as isize;
            let section = Section {
                wall,
                cpu,
                system: usage.system.saturating_sub(used.system),
                faults: usage.faults - used.faults,
                switches: usage.switches - used.switches,
                changes,
                attributes,
                tables,
                work: self.work,
            };
            self.wall += wall;
            // The system takes the processor from a thread above all when one of its calls ends, and measuring calls it.
            let whole = entered.elapsed();
            if whole > cpu + Duration::from_micros(20) && self.lost.len() < LOST {
                self.lost.push((entered, whole));
            }
            self.cpu += cpu;
            let log = 128 - cpu.as_nanos().leading_zeros() as usize;
            if let Some(count) = self.histogram.get_mut(log) {
                *count += 1;
            }
            for (longest, work) in self.longest.iter_mut().zip(Work::ALL) {
                if section.did(work) && (longest.len() < KEPT || longest.last().is_some_and(|last| last.cpu < cpu))
                {
                    let at = longest.partition_point(|other| other.cpu >= cpu);
                    longest.insert(at, section);
                    longest.truncate(KEPT);
                }
            }
        }
    }
}
