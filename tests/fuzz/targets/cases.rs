//! See `fleetline_fuzz::cases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::cases(data));
