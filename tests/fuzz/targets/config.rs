//! See `fleetline_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::config(data));
