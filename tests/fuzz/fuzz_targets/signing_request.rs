#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| samverkan::fuzzing::signing_request(data));
