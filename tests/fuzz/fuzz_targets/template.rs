//! Template records and data sets without a datagram: reading records terminates and stays inside the input, and an encoded
//! template decodes to the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netflow::cache::{Cache, Payload};
use netflow::datagram::{self, Body, Set};
use netflow::encode::Message;
use netflow::options::OptionsRecord;
use netflow::record;
use netflow::template::{Kind, MAX_FIELDS, Record, Template};

const MAX: usize = 4;

/// The plan of a template: here the number of its fields.
struct Fields(usize);

impl Payload for Fields {
    fn memory(&self) -> usize {
        0
    }
}

fn read_back(template: &Template, is_ipfix: bool) {
    let message =
        if is_ipfix { Message::ipfix(template.domain, 0, 0) } else { Message::v9(template.domain, 0, 0, 0) };
    let octets = message.templates(&[template]).finish();
    let Ok(datagram::Datagram { body: Body::Sets(mut sets), .. }) = datagram::open(&octets) else {
        panic!("a datagram that was written is opened");
    };
    // Templates that do not fit a datagram are skipped.
    let Some(set) = sets.next() else { return };
    let Ok(Set::Templates(mut records)) = set else { panic!("a template that was written is in a template set") };
    assert_eq!(records.next(), Some(Ok(Record::Define(template.clone()))));
}

fn read_records(template: &Template, body: &[u8]) {
    let mut read = 0;
    for octets in record::records(template, body).map_while(Result::ok) {
        read += octets.len();
        let fields: usize = record::fields(template, octets).map(|(_, octets)| octets.len()).sum();
        assert!(fields <= octets.len(), "fields are inside their record");
        assert!(octets.len() >= template.min_length);
        if template.kind != Kind::Data {
            let _ = OptionsRecord::read(template, octets).rate();
        }
    }
    assert!(read <= body.len(), "records are inside their set, and each is read once");
}

fuzz_target!(|input: &[u8]| {
    let Ok(datagram) = datagram::open(input) else { return };
    let is_ipfix = datagram.header.version == datagram::IPFIX;
    let Body::Sets(sets) = datagram.body else { return };
    let mut cache: Cache<Fields> = Cache::new(MAX);
    for set in sets {
        match set {
            Ok(Set::Templates(records)) => {
                for record in records {
                    match record {
                        Ok(Record::Define(template)) => {
                            assert!(template.min_length > 0 && template.fields.len() <= MAX_FIELDS);
                            read_back(&template, is_ipfix);
                            cache.announce(template, |template| Fields(template.fields.len()));
                        }
                        Ok(Record::Withdraw(id)) => {
                            cache.withdraw(datagram.header.domain, id);
                            assert!(cache.find(true, datagram.header.domain, id).is_none());
                        }
                        Ok(Record::WithdrawAll { options }) => {
                            _ = cache.withdraw_all(datagram.header.domain, options)
                        }
                        Err(_) => {}
                    }
                    assert!(cache.len() <= 2 * MAX);
                }
            }
            Ok(Set::Data { id, body, .. }) => {
                if let Some((template, fields)) = cache.find(is_ipfix, datagram.header.domain, id) {
                    assert_eq!(template.fields.len(), fields.0, "a plan belongs to its template");
                    read_records(template, body);
                }
            }
            Err(_) => {}
        }
    }
});
