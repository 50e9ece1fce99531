//! What can be known of an expression before anybody is evaluated: unknown names, kinds that do not fit, and the limits.
//! The interpreter checks none of it.

use cel::common::{
    ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo},
    types::CelString,
};

use super::{
    ProblemKind, Scope,
    functions::{SIGNATURES, Signature},
    kind::Kind,
    lower, operators as rules,
    parse::Fault,
    path::{Path, Root, Step},
    regex,
    values::Needs,
};
use crate::domain::profile::DIRECTORY_ATTRIBUTES;

/// The most nodes of an expression, its macros expanded.
const MAX_NODES: usize = 500;
/// The longest text in an expression, in bytes.
const MAX_LITERAL: usize = 1024;
/// The most loops (`map`, `filter`, `exists`, …) one after the other; none may stand inside another.
const MAX_LOOPS: usize = 4;

/// What an expression gives and what it reads.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) kind: Kind,
    pub(super) needs: Needs,
}

/// Walks over a parsed expression.
pub(super) fn analyse(expression: &IdedExpr, source: &SourceInfo, scope: Scope) -> Result<Analysis, Fault> {
    let nodes = lower::count(expression);
    if nodes > MAX_NODES {
        return Err(Fault::syntax(format!("too large: it has {nodes} parts, at most {MAX_NODES} are allowed"), None));
    }
    let mut walk = Walk { source, scope, locals: Vec::new(), in_loop: false, loops: 0, needs: Needs::default() };
    let kind = walk.kind(expression)?;
    Ok(Analysis { kind, needs: walk.needs })
}

struct Walk<'a> {
    source: &'a SourceInfo,
    scope: Scope,
    /// The variables of the loop that the walk is in.
    locals: Vec<(String, Kind)>,
    in_loop: bool,
    loops: usize,
    needs: Needs,
}

impl Walk<'_> {
    fn fault<T>(&self, node: &IdedExpr, kind: ProblemKind, message: impl Into<String>) -> Result<T, Fault> {
        let start = self.source.offset_for(node.id).and_then(|(start, _)| usize::try_from(start).ok());
        // The parser counts bytes.
        let at = start.and_then(|start| self.source.source.get(..start)).map(|before| before.chars().count());
        Err(Fault { kind, message: message.into(), at })
    }

    fn kind(&mut self, node: &IdedExpr) -> Result<Kind, Fault> {
        if let Some(path) = Path::of(node) {
            return self.path(node, &path);
        }
        match &node.expr {
            Expr::Literal(value) => self.literal(node, value),
            Expr::Ident(name) => self.local(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.kind(element)?;
                }
                Ok(Kind::List)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let key = self.kind(&entry.key)?;
                        if !key.fits(Kind::Text) || key == Kind::Null {
                            return self.fault(
                                &entry.key,
                                ProblemKind::TypeMismatch,
                                format!("a key of a map is a text, not {}", key.word()),
                            );
                        }
                        self.kind(&entry.value)?;
                    }
                }
                Ok(Kind::Map)
            }
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension),
            Expr::Struct(_) => {
                self.fault(node, ProblemKind::SyntaxError, "messages `Name{…}` do not exist here; a map reads `{\"name\": value}`")
            }
            Expr::Unspecified => self.fault(node, ProblemKind::SyntaxError, "not a valid expression"),
        }
    }

    fn literal(&self, node: &IdedExpr, value: &LiteralValue) -> Result<Kind, Fault> {
        Ok(match value {
            LiteralValue::Boolean(_) => Kind::Bool,
            LiteralValue::Int(_) => Kind::Int,
            LiteralValue::Double(_) | LiteralValue::UInt(_) => Kind::Number,
            LiteralValue::Null => Kind::Null,
            LiteralValue::String(text) => {
                if CelString::inner(text).len() > MAX_LITERAL {
                    return self.fault(node, ProblemKind::SyntaxError, format!("too long: a text has at most {MAX_LITERAL} bytes"));
                }
                Kind::Text
            }
            LiteralValue::Bytes(_) => {
                return self.fault(node, ProblemKind::TypeMismatch, "there are no bytes in mappings; write a text without the `b`");
            }
        })
    }

    fn local(&self, node: &IdedExpr, name: &str) -> Result<Kind, Fault> {
        if let Some((_, kind)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Ok(*kind);
        }
        self.fault(node, ProblemKind::UnknownAttribute, format!("`{name}` is unknown; {}", self.variables()))
    }

    /// Which variables there are.
    fn variables(&self) -> String {
        let names: Vec<String> = Root::of_scope(self.scope).iter().map(|root| format!("`{}`", root.name())).collect();
        match names.as_slice() {
            [one] => format!("the only variable here is {one}"),
            _ => format!("the variables here are {}", names.join(", ")),
        }
    }

    fn path(&mut self, node: &IdedExpr, path: &Path) -> Result<Kind, Fault> {
        if !Root::of_scope(self.scope).contains(&path.root) {
            return self.fault(
                node,
                ProblemKind::UnknownAttribute,
                format!("`{}` is unknown here; {}", path.root.name(), self.variables()),
            );
        }
        let first = match path.steps.first() {
            Some(Step::Key(name)) => Some(name.as_str()),
            Some(Step::Index(_)) | None => None,
        };
        self.needs.note(path.root, first);
        match (path.root, first) {
            (Root::User, Some(attribute)) => self.user_attribute(node, attribute, path.steps.len()),
            (Root::User, None) => {
                self.fault(node, ProblemKind::TypeMismatch, "`user` is a person; name an attribute, such as `user.email`")
            }
            (_, None) if path.steps.is_empty() => Ok(Kind::Map),
            (_, None) => self.fault(node, ProblemKind::TypeMismatch, format!("`{}` is read by names, not by numbers", path.root.name())),
            (_, Some(_)) => Ok(Kind::Any),
        }
    }

    fn user_attribute(&self, node: &IdedExpr, attribute: &str, steps: usize) -> Result<Kind, Fault> {
        if !DIRECTORY_ATTRIBUTES.contains(&attribute) {
            return self.fault(node, ProblemKind::UnknownAttribute, unknown_attribute(attribute));
        }
        if steps > 1 {
            return self.fault(node, ProblemKind::TypeMismatch, format!("`user.{attribute}` is a text and has no parts"));
        }
        Ok(Kind::Text)
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Result<Kind, Fault> {
        // `has(user.title)` asks for a part of `user`, which alone would be refused.
        if let Some(path) = Path::of(&select.operand) {
            self.path(node, &path.then(Step::Key(select.field.clone())))?;
            return Ok(if select.test { Kind::Bool } else { Kind::Any });
        }
        let operand = self.kind(&select.operand)?;
        if !operand.fits(Kind::Map) {
            return self.fault(node, ProblemKind::TypeMismatch, super::failure::no_attributes(operand.word()));
        }
        Ok(if select.test { Kind::Bool } else { Kind::Any })
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<Kind, Fault> {
        let CallExpr { func_name: name, target, args } = call;
        let mut kinds = Vec::with_capacity(args.len() + 1);
        // A target that is no value, such as `math` in `math.abs(…)`, is reported as the unknown name that it is.
        for operand in target.as_deref().into_iter().chain(args) {
            kinds.push(self.kind(operand)?);
        }
        if target.is_none()
            && let Some(result) = rules::result(name, &kinds)
        {
            return result.or_else(|message| self.fault(node, ProblemKind::TypeMismatch, message));
        }
        let signature = self.signature(node, name, target.is_some())?;
        if signature.parameters.len() != kinds.len() {
            let (wanted, got) = (signature.parameters.len() - usize::from(signature.member), args.len());
            return self.fault(
                node,
                ProblemKind::TypeMismatch,
                format!("`{name}` takes {wanted} argument{}, not {got}", if wanted == 1 { "" } else { "s" }),
            );
        }
        let operands = target.as_deref().into_iter().chain(args);
        for ((kind, wanted), operand) in kinds.iter().zip(signature.parameters).zip(operands) {
            if !kind.fits(*wanted) {
                return self.fault(operand, ProblemKind::TypeMismatch, format!("`{name}` needs {}, not {}", wanted.word(), kind.word()));
            }
        }
        match (name.as_str(), kinds.as_slice(), args.last()) {
            ("matches", _, Some(pattern)) => self.pattern(pattern).map(|()| Kind::Bool),
            ("default", &[value, fallback], _) => Ok(value.or(fallback)),
            _ => Ok(signature.result),
        }
    }

    fn signature(&self, node: &IdedExpr, name: &str, member: bool) -> Result<&'static Signature, Fault> {
        if let Some(found) = SIGNATURES.iter().find(|signature| signature.name == name && signature.member == member) {
            return Ok(found);
        }
        let message = if let Some(other) = SIGNATURES.iter().find(|signature| signature.name == name) {
            let written = if other.member { format!("x.{name}(…)") } else { format!("{name}(x, …)") };
            format!("`{name}` is written `{written}`")
        } else {
            let mut names: Vec<&str> = SIGNATURES.iter().map(|signature| signature.name).collect();
            names.sort_unstable();
            names.dedup();
            format!(
                "the function `{name}` does not exist; there are {} and CEL's macros has, all, exists, exists_one, map, filter",
                names.join(", ")
            )
        };
        self.fault(node, ProblemKind::UnknownAttribute, message)
    }

    /// The pattern of `matches`. It is compiled when it is first met, so it must be known and cheap.
    fn pattern(&self, node: &IdedExpr) -> Result<(), Fault> {
        let Expr::Literal(LiteralValue::String(pattern)) = &node.expr else {
            return self.fault(node, ProblemKind::TypeMismatch, "the pattern of `matches` must be written out");
        };
        regex::check(CelString::inner(pattern)).or_else(|message| self.fault(node, ProblemKind::SyntaxError, message))
    }

    fn comprehension(&mut self, node: &IdedExpr, comprehension: &ComprehensionExpr) -> Result<Kind, Fault> {
        self.loops += 1;
        if self.in_loop {
            return self.fault(
                node,
                ProblemKind::SyntaxError,
                "a loop inside a loop; `map`, `filter`, `all` and `exists` may follow each other only",
            );
        }
        if self.loops > MAX_LOOPS {
            return self.fault(node, ProblemKind::SyntaxError, format!("too many loops; at most {MAX_LOOPS} may follow each other"));
        }
        let variable = comprehension.iter_var.as_str();
        if Root::parse(variable).is_some() {
            return self.fault(
                node,
                ProblemKind::SyntaxError,
                format!("`{variable}` is a variable already; the loop's needs another name"),
            );
        }
        let range = self.kind(&comprehension.iter_range)?;
        if !range.fits(Kind::List) && range != Kind::Map {
            return self.fault(node, ProblemKind::TypeMismatch, format!("{} has no elements to walk over", range.word()));
        }
        let start = self.kind(&comprehension.accu_init)?;
        self.in_loop = true;
        self.locals = vec![(variable.to_owned(), Kind::Any), (comprehension.accu_var.clone(), start)];
        let inside = [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result].map(|part| self.kind(part));
        self.locals.clear();
        self.in_loop = false;
        let [condition, step, result] = inside;
        condition?;
        step?;
        result
    }
}

/// What is wrong with the name of an attribute of `user`, and what is meant where that is plain.
pub(super) fn unknown_attribute(name: &str) -> String {
    match DIRECTORY_ATTRIBUTES.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => format!("`{name}` is no attribute of the directory; it is written `{known}`"),
        None => format!("`{name}` is no attribute of the directory; there are {}", DIRECTORY_ATTRIBUTES.join(", ")),
    }
}
