//! Mapping files → compiled plans.
