//! Lines with unsigned integers, rewritten for a store that has only signed ones.
//!
//! The spool may hold segments in the richer dialect after the store was changed. Each field value
//! that ends in `u` becomes one that ends in `i`; a line with a value above the largest signed
//! integer is refused.

use crate::model::line::{self, FieldValue};

/// A line with a value that does not fit into a signed integer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` is {value}, past the largest integer of the store")]
pub(super) struct OutOfRange {
    /// The field's key, as written (escapes included), bounded by the mapping that wrote it.
    field: String,
    value: u64,
}

/// Appends `line` to `into` with signed integers only; on an error `into` is as it was.
pub(super) fn signed(line: &[u8], into: &mut Vec<u8>) -> Result<(), OutOfRange> {
    let mark = into.len();
    let mut copied = 0;
    let mut fields = line::fields(line);
    while let Some((key, value)) = fields.next() {
        if value.last() != Some(&b'u') {
            continue;
        }
        let Some(FieldValue::Unsigned(value)) = FieldValue::read(value) else { continue };
        if i64::try_from(value).is_err() {
            into.truncate(mark);
            return Err(OutOfRange { field: String::from_utf8_lossy(key).into_owned(), value });
        }
        let end = line.len() - fields.rest().len();
        into.extend_from_slice(&line[copied..end - 1]);
        into.push(b'i');
        copied = end;
    }
    into.extend_from_slice(&line[copied..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_signed(line: &str, expect: &str) {
        let mut into = b"before".to_vec();
        assert_eq!(signed(line.as_bytes(), &mut into), Ok(()));
        assert_eq!(String::from_utf8_lossy(&into), format!("before{expect}"));
    }

    #[test]
    fn only_unsigned_values_are_rewritten() {
        check_signed("m x=1u 5\n", "m x=1i 5\n");
        check_signed("m,t=7u,u=8u a=1i,b=2u,c=3.5,d=t 5\n", "m,t=7u,u=8u a=1i,b=2i,c=3.5,d=t 5\n");
        check_signed("m s=\"1u, b=2u\\\" 3u\n4u\",n=9u\n", "m s=\"1u, b=2u\\\" 3u\n4u\",n=9i\n");
        check_signed(r"m\ 1u,t=\,a\=2u k\=1u\,x=3u 5", r"m\ 1u,t=\,a\=2u k\=1u\,x=3i 5");
        check_signed("m x=9223372036854775807u 5\n", "m x=9223372036854775807i 5\n");
        check_signed("m x=\"\",y=\"u\" 5u\n", "m x=\"\",y=\"u\" 5u\n");
        // A backslash is a character but before a separator.
        check_signed("m,t=a\\\\ b x=1u 5\n", "m,t=a\\\\ b x=1i 5\n");
        check_signed("m,t=a k\\\\\"=1u,y=\"2u\" 5\n", "m,t=a k\\\\\"=1i,y=\"2u\" 5\n");
        for broken in ["", "m", "m ", "m x", "m x=", "m x=\"u", "m x=u 1", "m x=1u,", "m x=1u"] {
            let mut into = Vec::new();
            assert_eq!(signed(broken.as_bytes(), &mut into), Ok(()), "{broken}");
        }
    }

    #[test]
    fn a_value_past_the_signed_range_is_told_and_nothing_is_written() {
        let mut into = b"before".to_vec();
        let error = signed(b"m a=1u,big=9223372036854775808u 5\n", &mut into);
        assert_eq!(into, b"before");
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err("field `big` is 9223372036854775808, past the largest integer of the store"
                .to_owned())
        );
    }
}
