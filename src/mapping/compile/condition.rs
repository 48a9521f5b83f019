//! `when` over named values, such as the columns of a row.

use std::cmp::Ordering;

use super::when::{self, Expr, Literal};
use crate::{mapping::Comparison, model::Value};

/// A parsed `when` that is evaluated for rows.
#[derive(Clone, Debug)]
pub struct Condition(Expr);

impl Condition {
    /// Parses it.
    ///
    /// # Errors
    /// What to tell the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        when::parse(text).map(Self)
    }

    /// The names that it uses, each once, in their order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.0.paths(&mut paths);
        let mut names: Vec<String> = Vec::new();
        for path in paths {
            let name = plain(path);
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Whether it holds for these values. A comparison with an absent value is false.
    pub fn holds<'v>(&self, value: impl Fn(&str) -> Option<&'v Value>) -> bool {
        holds(&self.0, &|path| value(plain(path)))
    }
}

/// A name without its quotes.
fn plain(path: &str) -> &str {
    path.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(path)
}

/// The depth is bounded by the parser.
fn holds<'v>(expr: &Expr, value: &dyn Fn(&str) -> Option<&'v Value>) -> bool {
    match expr {
        Expr::And(all) => all.iter().all(|expr| holds(expr, value)),
        Expr::Or(all) => all.iter().any(|expr| holds(expr, value)),
        Expr::Not(inner) => !holds(inner, value),
        Expr::Exists(path) => value(path).is_some(),
        Expr::In(path, literals) => value(path).is_some_and(|value| {
            literals.iter().any(|literal| compare(value, literal) == Some(Ordering::Equal))
        }),
        Expr::Compare(path, comparison, literal) => {
            let ordering = value(path).and_then(|value| compare(value, literal));
            ordering.is_some_and(|ordering| match comparison {
                Comparison::Equal => ordering.is_eq(),
                Comparison::NotEqual => ordering.is_ne(),
                Comparison::Less => ordering.is_lt(),
                Comparison::LessOrEqual => ordering.is_le(),
                Comparison::Greater => ordering.is_gt(),
                Comparison::GreaterOrEqual => ordering.is_ge(),
            })
        }
    }
}

/// `None` if the two are of different types.
fn compare(value: &Value, literal: &Literal) -> Option<Ordering> {
    #[expect(clippy::cast_precision_loss, reason = "a literal beside a float is one")]
    let float = |literal: &Literal| match literal {
        Literal::Integer(number) => Some(*number as f64),
        Literal::Float(number) => Some(*number),
        Literal::Boolean(_) | Literal::Text(_) => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "an integer beside a fraction is one")]
    let integer = |number: i128| match literal {
        Literal::Integer(literal) => Some(number.cmp(literal)),
        Literal::Float(literal) => (number as f64).partial_cmp(literal),
        Literal::Boolean(_) | Literal::Text(_) => None,
    };
    match (value, literal) {
        (Value::Float(number), _) => number.partial_cmp(&float(literal)?),
        (Value::Integer(number), _) => integer((*number).into()),
        (Value::Unsigned(number), _) => integer((*number).into()),
        (Value::Timestamp(moment), _) => integer(moment.0.into()),
        (Value::Boolean(value), Literal::Boolean(literal)) => Some(value.cmp(literal)),
        (Value::String(text), Literal::Text(literal)) => Some(text.as_str().cmp(literal)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_held_against_values_by_their_names() {
        let check = |text: &str, expect: bool| {
            let condition = Condition::parse(text).expect("it is well formed");
            let (soc, gear, mode) =
                (Value::Float(60.5), Value::Integer(3), Value::String("eco".to_owned()));
            let value = |name: &str| match name {
                "soc" => Some(&soc),
                "gear" => Some(&gear),
                "drive mode" => Some(&mode),
                _ => None,
            };
            assert_eq!(condition.holds(value), expect, "{text}");
        };
        check("soc > 60", true);
        check("soc > 60 and gear == 4", false);
        check("not (soc <= 60) or nothing == 1", true);
        check("gear < 3.5 and \"drive mode\" in ['eco', 'sport']", true);
        check("nothing < 5", false);
        check("exists(soc) and not exists(nothing)", true);
        check("gear == 'three'", false);
        let condition =
            Condition::parse("soc > 1 or soc < 0 or \"a b\" == 1").expect("a condition");
        assert_eq!(condition.paths(), ["soc", "a b"]);
        assert!(Condition::parse("soc >").is_err());
    }
}
