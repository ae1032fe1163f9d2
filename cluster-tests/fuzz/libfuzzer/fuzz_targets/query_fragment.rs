//! The target `query_fragment` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| varve_fuzz::check("query_fragment", input));
