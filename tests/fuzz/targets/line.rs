//! See `fleetline_fuzz::line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::line(data));
