#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tombolo_mapping_fuzz::agent(data));
