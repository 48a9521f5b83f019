//! See `fleetline_fuzz::protobuf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fleetline_fuzz::protobuf(data));
