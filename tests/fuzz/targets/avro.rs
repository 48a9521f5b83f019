//! See `fleetline_fuzz::avro`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::avro(data));
