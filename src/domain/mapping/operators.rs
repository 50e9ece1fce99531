//! Which kinds of values an operator takes, and what it makes of them.

use cel::common::ast::operators;

use super::{failure, kind::Kind};

/// The kind that an operator gives, or why it cannot; `None` if it is no operator.
pub(super) fn result(operator: &str, operands: &[Kind]) -> Option<Result<Kind, String>> {
    let refused = || Err(failure::does_not_apply(operator, operands));
    let checked = |fits: bool, kind: Kind| if fits { Ok(kind) } else { refused() };
    Some(match (operator, operands) {
        (operators::CONDITIONAL, &[condition, then, otherwise]) => {
            if condition.fits(Kind::Bool) && condition != Kind::Null {
                Ok(then.or(otherwise))
            } else {
                Err(format!("before `?` stands a condition, not {}", condition.word()))
            }
        }
        (operators::LOGICAL_AND | operators::LOGICAL_OR, &[left, right]) => checked(is_condition(left) && is_condition(right), Kind::Bool),
        (operators::LOGICAL_NOT, &[operand]) => checked(is_condition(operand), Kind::Bool),
        (operators::NOT_STRICTLY_FALSE, [_]) => Ok(Kind::Bool),
        (operators::NEGATE, &[operand]) => checked(operand == Kind::Any || operand.is_numeric(), operand),
        (operators::EQUALS | operators::NOT_EQUALS, &[left, right]) => {
            // Different kinds are never equal: that is a mistake, such as a number for a text of digits.
            let comparable = left.fits(right) || right.fits(left) || (left.is_numeric() && right.is_numeric());
            checked(comparable, Kind::Bool)
        }
        (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, &[left, right]) => {
            checked(ordered(left, right), Kind::Bool)
        }
        (operators::IN, &[_, list]) => checked(matches!(list, Kind::Any | Kind::List | Kind::Map), Kind::Bool),
        (operators::ADD, &[left, right]) => match common(left, right) {
            Some(kind @ (Kind::Any | Kind::Int | Kind::Number | Kind::Text | Kind::List)) => Ok(kind),
            _ => refused(),
        },
        (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO, &[left, right]) => match common(left, right) {
            Some(kind @ (Kind::Any | Kind::Int | Kind::Number)) => Ok(kind),
            _ => refused(),
        },
        (operators::INDEX, &[value, key]) => {
            let by_name = matches!(value, Kind::Map | Kind::Any | Kind::Null) && matches!(key, Kind::Text | Kind::Any);
            let by_number = matches!(value, Kind::List | Kind::Any | Kind::Null) && matches!(key, Kind::Int | Kind::Number | Kind::Any);
            checked(by_name || by_number, Kind::Any)
        }
        _ => return None,
    })
}

fn is_condition(kind: Kind) -> bool {
    matches!(kind, Kind::Bool | Kind::Any)
}

fn ordered(left: Kind, right: Kind) -> bool {
    let has_order = |kind| !matches!(kind, Kind::Null | Kind::List | Kind::Map);
    has_order(left) && has_order(right) && (common(left, right).is_some() || (left.is_numeric() && right.is_numeric()))
}

/// The one kind that both operands are of; arithmetic does not mix kinds.
fn common(left: Kind, right: Kind) -> Option<Kind> {
    match (left, right) {
        (Kind::Null, _) | (_, Kind::Null) => None,
        (Kind::Any, kind) | (kind, Kind::Any) => Some(kind),
        (left, right) => (left == right).then_some(left),
    }
}
