#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tombolo_scim_fuzz::bulk(data));
