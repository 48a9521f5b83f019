//! Mapping files as the operator writes them: TOML, read strictly, every value with its line.
//!
//! This layer knows the keys, their types, and which keys belong together (`schema-id` with `select
//! = "confluent"`); it resolves nothing.

mod alarm;
mod command;
mod fields;
mod query;
mod table;
mod text;

pub use alarm::ONCE_PER_MAX;
pub(crate) use alarm::{ActionText, AlarmText, CommandAction};
pub(crate) use command::{CommandText, PayloadKeys, ReceiptKeys};
pub(crate) use fields::{ConstantValue, ConvertText};
pub(crate) use query::QueryText;
pub(crate) use text::{
    BytesForm, Format, MappingText, Placed, RepeatedForm, SelectBy, TimeFieldText, TimeText,
    TimeUnit, read,
};
