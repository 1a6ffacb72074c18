//! Messages in the format of OpenBMP.
//!
//! Data lies inside the input, and what is decoded can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openbmp::Messages;

fuzz_target!(|octets: &[u8]| {
    let mut length = 0;
    for message in Messages::new(octets) {
        let Ok(message) = message else { break };
        let group = message.router.map_or(0, |router| router.group.len());
        length += 78 + message.collector.admin_id.len() + group + message.data.len();
        assert!(length <= octets.len());
        let mut written = Vec::new();
        message.write(&mut written).expect("what was read fits");
        assert_eq!(openbmp::decode(&written), Ok(message));
    }
});
