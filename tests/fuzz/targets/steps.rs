//! See `fleetline_fuzz::steps`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::steps(data));
