//! Turns a parsed expression into what is evaluated: reads that give null for what is missing, `default` as a choice that
//! looks at its fallback only when it must, loops with a limit.

use cel::common::{
    ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators},
    types::CelString,
};

use super::{access, parse::Fault, regex};

/// How many steps a loop may take in all: its elements times the nodes that are evaluated for each (G3).
const MAX_STEPS: usize = 10_000;
/// How deep a tree may be. Evaluating it recurses, and takes about 30 KiB of a stack of 2 MiB a level where it is not
/// optimised.
const MAX_LEVELS: usize = 32;
/// What a regular expression costs, in nodes.
const REGEX_WEIGHT: usize = 500;
/// The most elements of a list that `in` searches inside a loop, and what that costs in nodes.
const SEARCHED: usize = 64;

/// Rewrites the expression in place; refuses what is too deep to be evaluated. The analysis has bounded its size.
pub(super) fn lower(node: &mut IdedExpr) -> Result<(), Fault> {
    rewrite(node, false);
    if depth(node) > MAX_LEVELS {
        return Err(Fault::syntax(format!("too deep: at most {MAX_LEVELS} operations may build on each other"), None));
    }
    Ok(())
}

fn rewrite(node: &mut IdedExpr, in_loop: bool) {
    if let Expr::Comprehension(comprehension) = &mut node.expr {
        rewrite_loop(comprehension, in_loop);
        return;
    }
    for child in children_mut(node) {
        rewrite(child, in_loop);
    }
    let expression = std::mem::take(&mut node.expr);
    node.expr = match expression {
        Expr::Select(select) => {
            let function = if select.test { access::HAS } else { access::SELECT };
            call(function, vec![*select.operand, literal(LiteralValue::String(CelString::from(select.field)))])
        }
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => call(access::INDEX, args),
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::ADD && !is_accumulator(args.first()) => {
            call(access::ADD, args)
        }
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::IN && in_loop => match <[_; 2]>::try_from(args) {
            Ok([searched, list]) if matches!(list.expr, Expr::List(_)) => call(operators::IN, vec![searched, list]),
            Ok([searched, list]) => call(operators::IN, vec![searched, bounded(list, SEARCHED)]),
            Err(args) => call(operators::IN, args),
        },
        Expr::Call(CallExpr { func_name, target, args }) if func_name == "matches" => {
            call(regex::MATCHES, target.into_iter().map(|text| *text).chain(args).collect())
        }
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == "default" => match <[_; 2]>::try_from(args) {
            Ok([value, fallback]) => choice(value, fallback),
            Err(args) => call("default", args),
        },
        other => other,
    };
}

fn rewrite_loop(comprehension: &mut ComprehensionExpr, in_loop: bool) {
    let limit = MAX_STEPS / weight(&comprehension.loop_step).saturating_add(weight(&comprehension.loop_cond)).max(1);
    rewrite(&mut comprehension.iter_range, in_loop);
    for part in [&mut comprehension.loop_cond, &mut comprehension.loop_step] {
        rewrite(part, true);
    }
    let range = std::mem::take(&mut comprehension.iter_range);
    comprehension.iter_range = bounded(range, limit);
    let variable = comprehension.iter_var.clone();
    guard_elements(&mut comprehension.loop_step, &variable);
}

/// `@result + [x]` becomes `@result + [@element(x)]`, but for the loop's own variable: a list that is there already.
fn guard_elements(step: &mut IdedExpr, variable: &str) {
    let Expr::Call(call) = &mut step.expr else { return };
    if call.func_name == operators::CONDITIONAL {
        call.args.iter_mut().for_each(|arg| guard_elements(arg, variable));
    } else if call.func_name == operators::ADD
        && is_accumulator(call.args.first())
        && let Some(IdedExpr { expr: Expr::List(list), .. }) = call.args.get_mut(1)
    {
        for element in list.elements.iter_mut().filter(|element| !matches!(&element.expr, Expr::Ident(name) if name == variable)) {
            let value = std::mem::take(element);
            *element = node(self::call(access::ELEMENT, vec![value]));
        }
    }
}

/// `value`, or `fallback` if it is null. The value is evaluated once, as the start of a loop that never runs: written as
/// `value == null ? fallback : value`, nested defaults would double with each level.
fn choice(value: IdedExpr, fallback: IdedExpr) -> Expr {
    const HELD: &str = "@value";
    let held = || node(Expr::Ident(HELD.to_owned()));
    let is_null = node(call(operators::EQUALS, vec![held(), literal(LiteralValue::Null)]));
    Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: node(Expr::List(ListExpr::default())),
        iter_var: "@none".to_owned(),
        iter_var2: None,
        accu_var: HELD.to_owned(),
        accu_init: value,
        loop_cond: literal(LiteralValue::Boolean(false.into())),
        loop_step: held(),
        result: node(call(operators::CONDITIONAL, vec![is_null, fallback, held()])),
    }))
}

fn bounded(range: IdedExpr, limit: usize) -> IdedExpr {
    let limit = i64::try_from(limit).unwrap_or_default();
    node(call(access::RANGE, vec![range, literal(LiteralValue::Int(limit.into()))]))
}

fn is_accumulator(node: Option<&IdedExpr>) -> bool {
    matches!(node, Some(IdedExpr { expr: Expr::Ident(name), .. }) if name.starts_with('@'))
}

fn call(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args })
}

fn literal(value: LiteralValue) -> IdedExpr {
    node(Expr::Literal(value))
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

/// What evaluating it once costs, counted in nodes.
fn weight(node: &IdedExpr) -> usize {
    let own = match &node.expr {
        Expr::Call(call) if call.func_name == "matches" => REGEX_WEIGHT,
        Expr::Call(call) if call.func_name == operators::IN && !matches!(call.args.get(1).map(|list| &list.expr), Some(Expr::List(_))) => {
            SEARCHED
        }
        _ => 1,
    };
    children(node).into_iter().map(weight).sum::<usize>() + own
}

/// The number of nodes.
pub(super) fn count(node: &IdedExpr) -> usize {
    1 + children(node).into_iter().map(count).sum::<usize>()
}

/// The number of levels.
fn depth(node: &IdedExpr) -> usize {
    1 + children(node).into_iter().map(depth).max().unwrap_or_default()
}

fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Select(select) => vec![&select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(message) => message.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The children of anything but a loop, whose parts are rewritten one by one.
fn children_mut(node: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut node.expr {
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .flat_map(|entry| match &mut entry.expr {
                EntryExpr::StructField(field) => vec![&mut field.value],
                EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
            })
            .collect(),
        _ => Vec::new(),
    }
}
