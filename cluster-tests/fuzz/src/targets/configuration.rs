//! The configuration file. It is the operator's own, so nothing bounds the memory but its library;
//! but what is wrong with it must be said, not end in a panic.

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use varve_node::RawConfig;

use crate::{Memory, Target};

/// A file.
pub(super) const FILE: Target = Target {
    name: "configuration",
    run: |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let figment = Figment::from(Serialized::defaults(RawConfig::default()));
        if let Ok(raw) = figment.merge(Toml::string(text)).extract::<RawConfig>()
            && let Err(error) = raw.resolve()
        {
            assert!(!error.to_string().is_empty());
        }
    },
    mend: None,
    memory: Memory { bytes: 4 << 20, per_byte: 4 << 10 },
};
