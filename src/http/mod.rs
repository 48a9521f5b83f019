//! The operator edge: health, metrics, statistics.
