//! See `fleetline_fuzz::sessions_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::sessions_open(data));
