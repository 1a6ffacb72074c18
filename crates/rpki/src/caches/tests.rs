//! Several caches with a made-up clock.

use super::*;
use crate::Vrp;
use crate::client::{CONNECT_TIME, QUICK_RETRY};
use crate::rtr::{Intervals, Pdu, Version};
use std::time::Duration;
use wire::{Asn, Writer};

const SECOND: Duration = Duration::from_secs(1);

/// Caches that can be switched on and off; each announces one VRP with its number as the AS.
struct World {
    caches: Caches,
    now: Instant,
    up: Vec<bool>,
    open: Vec<bool>,
    /// Takes connections, and says nothing.
    silent: Vec<bool>,
    published: Option<u32>,
}

impl World {
    fn new(count: usize) -> Self {
        let now = Instant::now();
        let settings = Settings { version: Version::V1, ..Settings::default() };
        Self {
            caches: Caches::new(count, &settings, now),
            now,
            up: vec![true; count],
            open: vec![false; count],
            silent: vec![false; count],
            published: None,
        }
    }

    /// Does everything that needs no time.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(command) = self.caches.command(self.now) {
                idle = false;
                match command {
                    Command::Connect(index) if self.up[index] => {
                        self.open[index] = true;
                        self.caches.opened(index, self.now);
                    }
                    Command::Connect(index) => self.caches.closed(index, self.now),
                    Command::Close(index) => self.open[index] = false,
                }
            }
            for index in 0..self.up.len() {
                let output = self.caches.take_output(index);
                if !output.is_empty() && self.open[index] && !self.silent[index] {
                    idle = false;
                    self.answer(index);
                }
            }
            if let Some(snapshot) = self.caches.take_snapshot() {
                let validity = |asn: u32| {
                    let vrps = &snapshot.as_ref()?.vrps;
                    Some(vrps.validity(&"10.0.0.0/8".parse().unwrap(), Some(Asn(asn))))
                };
                self.published =
                    (1..=self.up.len() as u32).find(|asn| validity(*asn) == Some(crate::Validity::Valid));
            }
            if idle {
                break;
            }
        }
        assert_eq!(self.caches.serving().map(|index| index as u32 + 1), self.published);
    }

    fn answer(&mut self, index: usize) {
        let vrp = Vrp::new("10.0.0.0/8".parse().unwrap(), 8, Asn(index as u32 + 1)).unwrap();
        let session = index as u16;
        let intervals = Some(Intervals { refresh: 100, retry: 20, expire: 600 });
        // A serial query is answered with no changes: it names the session.
        let has_data = self.caches.clients[index].snapshot().is_some();
        let mut w = Writer::new();
        Pdu::CacheResponse { session }.write(Version::V1, &mut w);
        if !has_data {
            Pdu::Prefix { announce: true, vrp }.write(Version::V1, &mut w);
        }
        Pdu::EndOfData { session, serial: 1, intervals }.write(Version::V1, &mut w);
        self.caches.receive(index, &w.finish(), self.now);
    }

    fn switch(&mut self, index: usize, up: bool) {
        self.up[index] = up;
        if !up && self.open[index] {
            self.open[index] = false;
            self.caches.closed(index, self.now);
        }
        self.settle();
    }

    /// Lets time pass, from deadline to deadline.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.caches.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.caches.elapse(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn connected(&self) -> Vec<usize> {
        (0..self.open.len()).filter(|index| self.open[*index]).map(|index| index + 1).collect()
    }
}

#[test]
fn only_the_first_cache_is_connected_while_it_works() {
    let mut world = World::new(3);
    world.settle();
    assert_eq!((world.published, world.connected()), (Some(1), vec![1]));
    world.wait(1000 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(1), vec![1]));
}

#[test]
fn the_next_cache_takes_over_and_the_first_one_returns() {
    let mut world = World::new(2);
    world.settle();
    world.switch(0, false);
    assert_eq!(world.published, Some(1), "the data remain");
    world.wait(QUICK_RETRY);
    assert_eq!((world.published, world.connected()), (Some(2), vec![2]));
    world.wait(200 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(2), vec![2]));
    world.switch(0, true);
    world.wait(20 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(1), vec![1]));
    // And again.
    world.switch(0, false);
    world.wait(QUICK_RETRY);
    assert_eq!((world.published, world.connected()), (Some(2), vec![2]));
}

#[test]
fn the_first_cache_that_works_is_used_at_start() {
    let mut world = World::new(3);
    world.up[0] = false;
    world.silent[1] = true;
    world.settle();
    assert_eq!((world.published, world.connected()), (None, vec![2]));
    world.wait(40 * SECOND);
    assert_eq!(world.published, Some(3));
    // The silent one is tried again, and does not disturb the third.
    world.wait(300 * SECOND);
    assert_eq!(world.published, Some(3));
    world.silent[1] = false;
    world.wait(60 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(2), vec![2]));
    world.switch(0, true);
    world.wait(20 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(1), vec![1]));
}

#[test]
fn without_any_cache_the_last_data_remain_until_they_expire() {
    let mut world = World::new(2);
    world.settle();
    world.switch(1, false);
    world.switch(0, false);
    world.wait(500 * SECOND);
    assert_eq!((world.published, world.connected()), (Some(1), vec![]));
    world.wait(100 * SECOND);
    assert_eq!(world.published, None);
    world.switch(1, true);
    world.wait(20 * SECOND);
    assert_eq!(world.published, Some(2));
}

#[test]
fn a_cache_that_accepts_no_connection_is_left_in_time() {
    let now = Instant::now();
    let settings = Settings { version: Version::V1, ..Settings::default() };
    let mut caches = Caches::new(2, &settings, now);
    assert_eq!((caches.command(now), caches.command(now)), (Some(Command::Connect(0)), None));
    assert_eq!(caches.deadline(), Some(now + CONNECT_TIME));
    let now = now + CONNECT_TIME;
    caches.elapse(now);
    assert_eq!(caches.take_faults(), [(0, Fault::ConnectTime)]);
    assert_eq!(caches.command(now), Some(Command::Close(0)));
    assert_eq!((caches.command(now), caches.command(now)), (Some(Command::Connect(1)), None));
}
