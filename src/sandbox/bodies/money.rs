//! How amounts are written.

use rust_decimal::Decimal;
use serde_json::{Number, Value, json};

const CURRENCY: &str = "USD";

/// Two decimals, as a string.
pub(super) fn text(amount: Decimal) -> String {
    let mut rounded = amount.round_dp(2);
    rounded.rescale(2);
    rounded.to_string()
}

/// The `*_set` object: the same amount in both currencies.
pub(super) fn set(amount: Decimal) -> Value {
    let one = json!({ "amount": text(amount), "currency_code": CURRENCY });
    json!({ "shop_money": one, "presentment_money": one })
}

/// The amount as a JSON number, which refunds alone use.
pub(super) fn number(amount: Decimal) -> Value {
    let shortest = amount.normalize().to_string();
    shortest
        .parse::<Number>()
        .map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_strings_but_in_refunds() {
        assert_eq!(text(Decimal::new(199, 0)), "199.00");
        assert_eq!(text(Decimal::new(1995, 2)), "19.95");
        assert_eq!(number(Decimal::new(19900, 2)).to_string(), "199");
        assert_eq!(number(Decimal::new(1995, 2)).to_string(), "19.95");
    }
}
