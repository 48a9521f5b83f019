//! See `fleetline_fuzz::mqtt_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::mqtt_session(data));
