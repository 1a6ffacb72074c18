//! The side of a client: gNMI targets that are dialled (`Subscribe`, gNMI 0.10 section 3.5).

mod connection;
mod requests;
mod subscription;
mod target;

pub use target::{Credentials, Encoding, Mode, Target};

use crate::limits::Limits;
use crate::outlet::Outlet;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};

/// What all subscriptions share.
pub(crate) struct Dialler {
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) limits: Limits,
    pub(crate) stop: watch::Receiver<bool>,
    /// Bytes of messages that may still be received.
    pub(crate) receiving: Arc<Semaphore>,
    /// Closed when no task is left.
    pub(crate) _done: mpsc::Sender<()>,
}

/// Keeps a subscription to each target until everything stops. Of a new list, the targets that were there before go on.
pub(crate) async fn run(mut targets: watch::Receiver<Vec<Arc<Target>>>, dialler: Arc<Dialler>) {
    // Dropping the sender stops the subscription.
    let mut running: Vec<(Arc<Target>, watch::Sender<()>)> = Vec::new();
    let mut stop = dialler.stop.clone();
    loop {
        let wanted = targets.borrow_and_update().clone();
        let mut before = std::mem::take(&mut running);
        for target in wanted {
            if let Some(at) = before.iter().position(|(known, _)| *known == target) {
                running.push(before.swap_remove(at));
                continue;
            }
            let (keep, kept) = watch::channel(());
            tokio::spawn(subscription::run(Arc::clone(&target), Arc::clone(&dialler), kept));
            running.push((target, keep));
        }
        drop(before);
        tokio::select! {
            changed = targets.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
