//! `.schema.json` files: JSON Schema, as far as it says what a payload's values are.
//!
//! | JSON Schema | in a line |
//! |---|---|
//! | `integer` (5.0 counts), `number`, `string`, `boolean` | integer, float, string, boolean |
//! | `integer` with `format: uint64`, or with `minimum` 0 and `maximum` past 2^63-1 | unsigned integer |
//! | `object` with `properties` | flattened |
//! | `object` with only `additionalProperties: {…}`, or one pattern, of a scalar | map |
//! | `array` of a scalar | list |
//! | `array` of objects, of values of several types, or of such arrays | many points, or excluded |
//! | `array` with `prefixItems` (or a list of `items`) | flattened, the places called `0`, `1`… |
//! | a type with `"null"`, also by `anyOf` or `oneOf` | the value, or nothing |
//! | any other union | a field a type: `v_number`, `v_string`… |
//! | `array` of objects, or a map of them, at the top | many points |
//! | `null` alone | nothing |
//! | no type at all | refused at load |
//!
//! `$ref` may point into the same file (`#/$defs/…`, `#/definitions/…`, `#`). A payload is checked
//! for `type` and `required`, and for nothing else a schema may say (`enum`, `minimum`, `format`,
//! `pattern`, `additionalProperties: false`…); what a mapping leaves out is only checked to be
//! there where it is required. Null counts as absent. Properties that are not declared are skipped
//! and counted.

mod containers;
mod references;
mod says;
mod schemas;
mod shaper;

#[cfg(test)]
mod tests;

pub use schemas::{JsonSchema, JsonSchemas, Rules};
