//! The schemas and mappings that ship with the program, built into it.

/// Every file in `schemas/`, by its name.
pub(crate) const SHIPPED: [(&str, &str); 15] = [
    ("alarm.avsc", include_str!("../../schemas/alarm.avsc")),
    ("alarm.proto", include_str!("../../schemas/alarm.proto")),
    ("alarms.toml", include_str!("../../schemas/alarms.toml")),
    ("command.avsc", include_str!("../../schemas/command.avsc")),
    ("command.proto", include_str!("../../schemas/command.proto")),
    ("commands.toml", include_str!("../../schemas/commands.toml")),
    ("position.avsc", include_str!("../../schemas/position.avsc")),
    ("position.proto", include_str!("../../schemas/position.proto")),
    ("telemetry.avsc", include_str!("../../schemas/telemetry.avsc")),
    ("telemetry.proto", include_str!("../../schemas/telemetry.proto")),
    ("telemetry.schema.json", include_str!("../../schemas/telemetry.schema.json")),
    ("telemetry.toml", include_str!("../../schemas/telemetry.toml")),
    ("trip.avsc", include_str!("../../schemas/trip.avsc")),
    ("trip.proto", include_str!("../../schemas/trip.proto")),
    ("trips.toml", include_str!("../../schemas/trips.toml")),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::env::disk::{Disk as _, RealDisk};

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let built_in: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let mut files = RealDisk.files(&folder).expect("the folder");
        // The page about them is not a schema.
        files.retain(|name| name != "README.md");
        assert_eq!(files, built_in);
    }
}
