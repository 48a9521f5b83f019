//! See `fleetline_fuzz::schemas`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::schemas(data));
