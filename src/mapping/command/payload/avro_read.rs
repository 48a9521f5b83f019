//! Reads single fields of an Avro datum. The datum comes from a vehicle: every length is checked
//! against the remaining bytes, and the visited values are counted and bounded.

use apache_avro::schema::{Schema, UuidSchema};

use super::{
    avro::AvroForm,
    form::{DEPTH_MAX, FieldValue, below},
};

/// Bound of visited values per datum: the items of a list may take no bytes.
const STEPS_MAX: usize = 100_000;

impl AvroForm {
    pub(super) fn read(
        &self,
        payload: &[u8],
        paths: &[&str],
    ) -> Result<Vec<Option<FieldValue>>, String> {
        let mut reading =
            Reading { form: self, rest: payload, paths, found: vec![None; paths.len()], steps: 0 };
        reading.value(&self.schema, "", 0)?;
        if !reading.rest.is_empty() {
            return Err(format!("{} bytes are left over", reading.rest.len()));
        }
        Ok(reading.found)
    }
}

struct Reading<'a> {
    form: &'a AvroForm,
    rest: &'a [u8],
    paths: &'a [&'a str],
    found: Vec<Option<FieldValue>>,
    steps: usize,
}

impl<'a> Reading<'a> {
    fn long(&mut self) -> Result<i64, String> {
        let mut bits = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or("it ends within a number")?;
            self.rest = rest;
            bits |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err("a number has more than 64 bits".to_owned())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or("it ends within a value")?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = usize::try_from(self.long()?).map_err(|_| "a length is negative")?;
        self.take(len)
    }

    fn text(&mut self) -> Result<FieldValue, String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")?;
        Ok(FieldValue::Text(text.to_owned()))
    }

    /// Skips one value, and notes it if it is requested.
    fn value(&mut self, schema: &Schema, path: &str, depth: usize) -> Result<(), String> {
        self.steps += 1;
        if depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return Err("it has too many values, or nests too deep".to_owned());
        }
        let form = self.form;
        let said = match form.resolved(schema) {
            Schema::Null => return Ok(()),
            Schema::Boolean => FieldValue::Text((self.take(1)?[0] != 0).to_string()),
            Schema::Float => FieldValue::Text(
                self.take(4)?.try_into().map_or(0.0, f32::from_le_bytes).to_string(),
            ),
            Schema::Double => FieldValue::Text(
                self.take(8)?.try_into().map_or(0.0, f64::from_le_bytes).to_string(),
            ),
            Schema::String | Schema::Uuid(UuidSchema::String) => self.text()?,
            Schema::Bytes | Schema::Uuid(UuidSchema::Bytes) => {
                FieldValue::Bytes(self.bytes()?.to_vec())
            }
            Schema::Fixed(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                FieldValue::Bytes(self.take(fixed.size)?.to_vec())
            }
            Schema::Duration(fixed) => FieldValue::Bytes(self.take(fixed.size)?.to_vec()),
            Schema::Decimal(decimal) => match &decimal.inner {
                apache_avro::schema::InnerDecimalSchema::Fixed(fixed) => {
                    FieldValue::Bytes(self.take(fixed.size)?.to_vec())
                }
                apache_avro::schema::InnerDecimalSchema::Bytes => {
                    FieldValue::Bytes(self.bytes()?.to_vec())
                }
            },
            Schema::BigDecimal => FieldValue::Bytes(self.bytes()?.to_vec()),
            Schema::Enum(names) => {
                let index = usize::try_from(self.long()?).ok();
                let name = index.and_then(|index| names.symbols.get(index));
                FieldValue::Text(name.ok_or("an enum has no such symbol")?.clone())
            }
            Schema::Array(array) => return self.blocks(&array.items, false, depth),
            Schema::Map(map) => return self.blocks(&map.types, true, depth),
            Schema::Union(union) => {
                let index = usize::try_from(self.long()?).ok();
                let branch = index.and_then(|index| union.variants().get(index));
                return self.value(branch.ok_or("a union has no such branch")?, path, depth + 1);
            }
            Schema::Record(record) => {
                for field in &record.fields {
                    self.value(&field.schema, &below(path, &field.name), depth + 1)?;
                }
                return Ok(());
            }
            Schema::Ref { .. } => return Err("a type is not known".to_owned()),
            _ => FieldValue::Text(self.long()?.to_string()),
        };
        if let Some(place) = self.paths.iter().position(|wanted| *wanted == path) {
            self.found[place] = Some(said);
        }
        Ok(())
    }

    /// The elements of a list or map, of which none has a path.
    fn blocks(&mut self, of: &Schema, has_keys: bool, depth: usize) -> Result<(), String> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?; // The block's bytes, for who skips it.
            }
            for _ in 0..count.unsigned_abs() {
                if has_keys {
                    self.bytes()?;
                }
                // No path has an empty name within.
                self.value(of, "\0", depth + 1)?;
            }
        }
    }
}
