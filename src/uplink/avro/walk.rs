//! The walk over a record's bytes.

use std::ops::Range;

use super::{bytes::malformed, text};
use crate::{
    mapping::{
        SlotIdx,
        avro::{Fields, Item, Op, Program},
    },
    model::Cause,
    schema::avro::{Leaf, Type, TypeIdx, Types},
    uplink::{DecodeError, Limits, Slot, Slots},
};

/// Walks a message.
pub(crate) fn message(
    program: &Program,
    payload: &[u8],
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let mut walk = Walk::new(program, payload, 0..payload.len(), slots, limits);
    walk.all(&program.message, 1)?;
    if walk.at < payload.len() {
        return Err(malformed("bytes are left after the record", walk.at));
    }
    Ok(())
}

/// Walks one element of a list of `points`, whose range an earlier walk has found.
pub(crate) fn element(
    program: &Program,
    payload: &[u8],
    level: usize,
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    Walk::new(program, payload, range, slots, limits).all(&program.levels[level], 1)
}

/// One walk over one payload; `at <= payload.len()`.
pub(super) struct Walk<'a> {
    pub(super) payload: &'a [u8],
    pub(super) at: usize,
    pub(super) slots: &'a mut Slots,
    types: &'a Types,
    depth_max: u32,
}

impl<'a> Walk<'a> {
    /// A walk over a part of the payload.
    fn new(
        program: &'a Program,
        payload: &'a [u8],
        range: Range<usize>,
        slots: &'a mut Slots,
        limits: &Limits,
    ) -> Self {
        let (types, depth_max) = (&program.types, limits.depth_max);
        Self { payload: &payload[..range.end], at: range.start, slots, types, depth_max }
    }

    /// Applies the ops to a record's fields, in order.
    fn all(&mut self, fields: &Fields, depth: u32) -> Result<(), DecodeError> {
        for (index, op) in fields.ops.iter().enumerate() {
            self.one(op, depth).map_err(|error| self.within(fields, index, error))?;
        }
        Ok(())
    }

    /// Adds this field of a record to the path of the error.
    #[cold]
    fn within(&mut self, fields: &Fields, index: usize, error: DecodeError) -> DecodeError {
        let name = &fields.names[index];
        if !name.is_empty() {
            self.slots.trouble.within(name);
        }
        error
    }

    /// Applies one op.
    #[inline]
    fn one(&mut self, op: &Op, depth: u32) -> Result<(), DecodeError> {
        match op {
            Op::Nothing => Ok(()),
            Op::Leaf(slot, leaf) => {
                let value = self.leaf(leaf).map_err(|error| error.in_slot(*slot))?;
                self.slots.set(*slot, value);
                Ok(())
            }
            Op::Union(branches) => {
                let start = self.at;
                let branch = self.index()?;
                match branches.get(branch) {
                    Some(op) => self.one(op, depth),
                    None => Err(self.no_branch(branch, branches.len(), start)),
                }
            }
            Op::Element(branches) => {
                let start = self.at;
                let branch = self.index()?;
                match branches.get(branch) {
                    Some(fields) => self.all(fields, depth),
                    None => Err(self.no_branch(branch, branches.len(), start)),
                }
            }
            Op::Record(presence, fields) => {
                self.check_depth(depth)?;
                self.slots.set_bits(*presence, 1);
                self.all(fields, depth + 1)
            }
            Op::List(slot, item) => self.list(*slot, item).map_err(|error| error.in_slot(*slot)),
            Op::Map(slot, item) => self.map(*slot, item).map_err(|error| error.in_slot(*slot)),
            Op::Points(items) => self.points(None, *items, depth),
            Op::PointsMap(values) => self.points(Some(&Leaf::String), *values, depth),
            Op::Skip(index) => self.skip(*index, depth),
        }
    }

    /// Pushes the items of an array.
    fn list(&mut self, slot: SlotIdx, item: &Item) -> Result<(), DecodeError> {
        while let Some(block) = self.block()? {
            for _ in 0..block.items {
                let value = self.item(item);
                let pushed = value.and_then(|value| {
                    self.slots.push(self.payload, slot, Slot::ABSENT, value).map(|()| value)
                });
                pushed.map_err(|error| self.within_item(slot, error))?;
            }
            self.end_of(&block)?;
        }
        Ok(())
    }

    /// Adds the item of a list that would come next to the path of the error.
    #[cold]
    fn within_item(&mut self, slot: SlotIdx, error: DecodeError) -> DecodeError {
        let index = self.slots.items(slot).count();
        self.slots.trouble.within(itoa::Buffer::new().format(index));
        error
    }

    /// Adds this key of a map to the path of the error.
    #[cold]
    fn within_key(&mut self, key: Slot, error: DecodeError) -> DecodeError {
        let key = String::from_utf8_lossy(self.slots.bytes_of(self.payload, key)).into_owned();
        self.slots.trouble.within(&key);
        error
    }

    /// Pushes the entries of a map.
    fn map(&mut self, slot: SlotIdx, item: &Item) -> Result<(), DecodeError> {
        while let Some(block) = self.block()? {
            for _ in 0..block.items {
                let key = self.leaf(&Leaf::String)?;
                let value = self.item(item).map_err(|error| self.within_key(key, error))?;
                if !value.is_absent() {
                    self.slots.push(self.payload, slot, key, value)?;
                }
            }
            self.end_of(&block)?;
        }
        Ok(())
    }

    /// Reads a scalar of a list or map; absent for null.
    fn item(&mut self, item: &Item) -> Result<Slot, DecodeError> {
        let Some((branch, count)) = item.branch else { return self.leaf(&item.leaf) };
        let start = self.at;
        match self.index()? {
            at if at == branch => self.leaf(&item.leaf),
            at if at < count => Ok(Slot::ABSENT),
            at => Err(self.no_branch(at, count, start)),
        }
    }

    /// Notes the range of each item, including its key. Null is not an element.
    fn points(
        &mut self,
        key: Option<&Leaf>,
        items: TypeIdx,
        depth: u32,
    ) -> Result<(), DecodeError> {
        self.slots.note_list();
        while let Some(block) = self.block()? {
            for _ in 0..block.items {
                let start = self.at;
                if let Some(key) = key {
                    self.skip_leaf(key)?;
                }
                let is_null = self.is_null_next(items);
                self.skip(items, depth + 1)?;
                if !is_null {
                    self.slots.push_element(start..self.at)?;
                }
            }
            self.end_of(&block)?;
        }
        Ok(())
    }

    /// Whether the value that comes next is the null of a union.
    fn is_null_next(&mut self, index: TypeIdx) -> bool {
        let types = self.types;
        let Type::Union(branches) = types.get(index) else { return false };
        let start = self.at;
        let branch = self.index().ok().and_then(|branch| branches.get(branch));
        self.at = start;
        branch.is_some_and(|branch| matches!(types.get(*branch), Type::Null))
    }

    /// Skips a value.
    fn skip(&mut self, index: TypeIdx, depth: u32) -> Result<(), DecodeError> {
        let types = self.types;
        if types.is_empty(index) {
            return Ok(());
        }
        match types.get(index) {
            Type::Null => Ok(()),
            Type::Leaf(leaf) => self.skip_leaf(leaf),
            Type::Union(branches) => {
                let start = self.at;
                let branch = self.index()?;
                self.check_depth(depth)?;
                match branches.get(branch) {
                    Some(one) => self.skip(*one, depth + 1),
                    None => Err(self.no_branch(branch, branches.len(), start)),
                }
            }
            Type::Record(_) => {
                self.check_depth(depth)?;
                types.walked(index).iter().try_for_each(|field| self.skip(*field, depth + 1))
            }
            Type::Array(items) => self.skip_blocks(None, *items, depth),
            Type::Map(values) => self.skip_blocks(Some(&Leaf::String), *values, depth),
        }
    }

    /// Skips an array or map. A block that states its size is skipped in one step.
    fn skip_blocks(
        &mut self,
        key: Option<&Leaf>,
        items: TypeIdx,
        depth: u32,
    ) -> Result<(), DecodeError> {
        self.check_depth(depth)?;
        let has_bytes = key.is_some() || !self.types.is_empty(items);
        while let Some(block) = self.block()? {
            if let Some(end) = block.end {
                self.at = end;
            } else if has_bytes {
                for _ in 0..block.items {
                    if let Some(key) = key {
                        self.skip_leaf(key)?;
                    }
                    self.skip(items, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Skips one value that is not a container.
    fn skip_leaf(&mut self, leaf: &Leaf) -> Result<(), DecodeError> {
        match leaf {
            Leaf::Boolean => self.take(1).map(drop),
            Leaf::Float => self.take(4).map(drop),
            Leaf::Double => self.take(8).map(drop),
            Leaf::Duration => self.take(12).map(drop),
            Leaf::UuidFixed => self.take(16).map(drop),
            Leaf::Fixed(size) | Leaf::Decimal { fixed: Some(size), .. } => {
                self.take(*size).map(drop)
            }
            Leaf::Bytes
            | Leaf::String
            | Leaf::UuidBytes
            | Leaf::BigDecimal
            | Leaf::Decimal { fixed: None, .. } => self.sized().map(drop),
            Leaf::Int
            | Leaf::Long
            | Leaf::Enum(..)
            | Leaf::Ticks(_)
            | Leaf::Date
            | Leaf::TimeMillis
            | Leaf::TimeMicros => self.long().map(drop),
        }
    }

    /// Reads one value as a slot.
    #[inline]
    fn leaf(&mut self, leaf: &Leaf) -> Result<Slot, DecodeError> {
        let start = self.at;
        Ok(match leaf {
            Leaf::Boolean => match self.array::<1>()? {
                [byte @ 0..=1] => Slot::bits(u64::from(byte)),
                [byte] => {
                    let words = format_args!("a boolean is {byte}, neither 0 nor 1");
                    self.slots.trouble.say(words);
                    return Err(malformed("a boolean is neither 0 nor 1", start));
                }
            },
            Leaf::Int => Slot::bits(self.int()?.cast_unsigned()),
            Leaf::Long | Leaf::Ticks(_) => Slot::bits(self.long()?.cast_unsigned()),
            Leaf::Float => Slot::bits(u64::from(u32::from_le_bytes(self.array()?))),
            Leaf::Double => Slot::bits(u64::from_le_bytes(self.array()?)),
            Leaf::Bytes | Leaf::BigDecimal => Slot::payload(self.sized()?),
            Leaf::Fixed(size) => Slot::payload(self.take(*size)?),
            Leaf::String => {
                let text = self.sized()?;
                if str::from_utf8(&self.payload[text.clone()]).is_err() {
                    let what = "text is not UTF-8";
                    return Err(DecodeError::new(Cause::PayloadNotUtf8, what).at(text.start));
                }
                Slot::payload(text)
            }
            Leaf::Enum(_, count) => {
                let symbol = self.index()?;
                if symbol >= *count {
                    let last = count.saturating_sub(1);
                    let words = format_args!("an enum has no symbol {symbol}, only 0 to {last}");
                    self.slots.trouble.say(words);
                    return Err(malformed("an enum has no such symbol", start));
                }
                Slot::bits(symbol as u64)
            }
            _ => self.logical(leaf).map_err(|error| match error.offset {
                Some(_) => error,
                None => error.at(start),
            })?,
        })
    }

    /// Reads a value whose logical type differs from its encoding.
    fn logical(&mut self, leaf: &Leaf) -> Result<Slot, DecodeError> {
        match leaf {
            Leaf::Decimal { fixed, scale } => {
                let range = match fixed {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                Ok(Slot::bits(text::decimal(&self.payload[range], *scale)?.to_bits()))
            }
            Leaf::Date => {
                let days = self.int()?;
                self.text_or_absent(|out| text::date(days, out))
            }
            Leaf::TimeMillis => {
                let millis = self.int()?;
                self.text_or_absent(|out| text::time(millis, 3, out))
            }
            Leaf::TimeMicros => {
                let micros = self.long()?;
                self.text_or_absent(|out| text::time(micros, 6, out))
            }
            Leaf::Duration => {
                let bytes = self.array()?;
                self.slots.make_text(|out| {
                    text::duration(bytes, out);
                    Ok(())
                })
            }
            _ => {
                if matches!(leaf, Leaf::UuidBytes) && self.long()? != 16 {
                    return Err(malformed("a uuid has not 16 bytes", self.at));
                }
                let bytes = self.array()?;
                self.slots.make_text(|out| {
                    text::uuid(bytes, out);
                    Ok(())
                })
            }
        }
    }

    /// A date or a time of day as text. If it is out of range, only this value is left out, as with
    /// a time that does not fit.
    fn text_or_absent(
        &mut self,
        make: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<Slot, DecodeError> {
        self.slots.make_text(make).or_else(|error| match error.cause {
            Cause::PayloadMismatch => {
                self.slots.times_out_of_range = self.slots.times_out_of_range.saturating_add(1);
                Ok(Slot::ABSENT)
            }
            _ => Err(error),
        })
    }

    /// The error of a branch that the union does not have.
    #[cold]
    fn no_branch(&mut self, branch: usize, count: usize, at: usize) -> DecodeError {
        let last = count.saturating_sub(1);
        self.slots.trouble.say(format_args!("a union has no branch {branch}, only 0 to {last}"));
        malformed("a union has no such branch", at)
    }

    /// Checks the bound on depth.
    fn check_depth(&self, depth: u32) -> Result<(), DecodeError> {
        if depth > self.depth_max {
            let what = "records nest deeper than the bound";
            return Err(DecodeError::new(Cause::PayloadTooDeep, what).at(self.at));
        }
        Ok(())
    }
}
