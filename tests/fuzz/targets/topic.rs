//! See `fleetline_fuzz::topic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::topic(data));
