//! See `fleetline_fuzz::spool_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::spool_open(data));
