//! See `fleetline_fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::json(data));
