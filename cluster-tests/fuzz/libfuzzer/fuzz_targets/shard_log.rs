//! The target `shard_log` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| varve_fuzz::check("shard_log", input));
