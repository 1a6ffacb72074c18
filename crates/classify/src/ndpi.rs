//! libndpi as an [`Engine`].
//!
//! It is written in C, parses untrusted input, and runs inside the daemon: so it is built in on request only.
#![expect(unsafe_code, reason = "the library is called through C")]

use crate::{Application, Engine};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;
use std::sync::Mutex;

unsafe extern "C" {
    fn classify_new() -> *mut c_void;
    fn classify_free(module: *mut c_void);
    fn classify_flow_new() -> *mut c_void;
    fn classify_flow_free(flow: *mut c_void);
    fn classify_packet(
        module: *mut c_void,
        flow: *mut c_void,
        packet: *const u8,
        length: u16,
        time_ms: u64,
    ) -> u32;
    fn classify_guess(module: *mut c_void, flow: *mut c_void) -> u32;
    fn classify_name(module: *mut c_void, protocol: u16) -> *const c_char;
}

/// A detection module, used by one thread at a time.
#[derive(Debug)]
pub struct Ndpi(NonNull<c_void>);

// SAFETY: the module is not bound to the thread that created it, and is not shared.
unsafe impl Send for Ndpi {}

/// The library's state for a flow.
#[derive(Debug)]
pub struct Flow(NonNull<c_void>);

// SAFETY: as above.
unsafe impl Send for Flow {}

impl Ndpi {
    /// A module for all protocols; `None` if memory is exhausted.
    pub fn new() -> Option<Self> {
        /// The library can create only one module at a time.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock();
        // SAFETY: no other call creates a module concurrently.
        NonNull::new(unsafe { classify_new() }).map(Self)
    }
}

impl Drop for Ndpi {
    fn drop(&mut self) {
        // SAFETY: the module was created by `classify_new` and is used nowhere else.
        unsafe { classify_free(self.0.as_ptr()) }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // SAFETY: the flow was created by `classify_flow_new` and is used nowhere else.
        unsafe { classify_flow_free(self.0.as_ptr()) }
    }
}

fn application(both: u32) -> Application {
    Application { master: (both >> 16) as u16, protocol: both as u16 }
}

impl Engine for Ndpi {
    type Flow = Flow;

    fn open(&mut self) -> Option<Flow> {
        // SAFETY: it takes no arguments and returns memory of its own.
        NonNull::new(unsafe { classify_flow_new() }).map(Flow)
    }

    fn packet(&mut self, flow: &mut Flow, ip: &[u8], time_ms: u64) -> Application {
        let length = u16::try_from(ip.len()).unwrap_or(u16::MAX);
        // SAFETY: module and flow are alive, and the packet has this many bytes.
        application(unsafe { classify_packet(self.0.as_ptr(), flow.0.as_ptr(), ip.as_ptr(), length, time_ms) })
    }

    fn guess(&mut self, flow: &mut Flow) -> Application {
        // SAFETY: module and flow are alive.
        application(unsafe { classify_guess(self.0.as_ptr(), flow.0.as_ptr()) })
    }

    fn name(&self, protocol: u16) -> String {
        // SAFETY: the module is alive; it has a zero-terminated name for any number.
        let name = unsafe { classify_name(self.0.as_ptr(), protocol) };
        if name.is_null() {
            return protocol.to_string();
        }
        // SAFETY: as above, and the name is copied while the module is alive.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_names() {
        let engine = Ndpi::new().unwrap();
        assert_eq!(engine.name(0), "Unknown");
        assert_eq!(engine.name(5), "DNS");
        assert!(!engine.name(u16::MAX).is_empty());
    }

    #[test]
    fn accepts_arbitrary_packets() {
        let mut engine = Ndpi::new().unwrap();
        let mut flow = engine.open().unwrap();
        let odd: Vec<u8> = (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for length in 0..odd.len() {
            for version in [0x45, 0x60, 0x00] {
                let mut octets = odd.clone();
                octets[0] = version;
                engine.packet(&mut flow, &octets[..length], length as u64);
            }
        }
        engine.guess(&mut flow);
    }
}
