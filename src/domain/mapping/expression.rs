//! One expression: compiled once, evaluated per person.

use std::{borrow::Cow, sync::Arc};

use cel::{
    Context,
    common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue},
};
use serde_json::{Map, Value};

use super::{
    EvaluationError, Problem, ProblemKind, Scope, Variables, analyse, caret, failure,
    kind::Kind,
    lower,
    parse::{self, Fault},
    path::Path,
    preset,
    values::{self, Needs},
};

/// A compiled CEL expression. Cheap to clone.
///
/// What an app's resource, an assignment or a person does not have is null, at any depth: `app.name.givenName` is null
/// where there is no `name`, and so is `app.emails[0]` where there are no e-mail addresses. Helpers make null of null
/// (`lower(app.nickName)`); operators fail on it (`user.givenName + "!"`); `has(x.y)` asks for a value that is not null.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    field: String,
    text: String,
    kind: Kind,
    code: Code,
}

#[derive(Debug)]
enum Code {
    Constant(Value),
    Path(Path),
    /// The record's e-mail address (MA-1, TD-6).
    Email,
    Program(Program),
}

/// Something for the interpreter.
#[derive(Debug)]
pub(super) struct Program {
    root: IdedExpr,
    pub(super) needs: Needs,
}

impl Expression {
    /// Compiles an expression that stands in `field`.
    pub fn compile(field: &str, text: &str, scope: Scope) -> Result<Self, Problem> {
        Self::try_compile(field, text, scope).map_err(|fault| problem(field, text, fault))
    }

    /// Compiles a condition; refuses what can only give something else than true or false.
    pub fn compile_condition(field: &str, text: &str, scope: Scope) -> Result<Self, Problem> {
        Self::compile_kind(field, text, scope, Kind::Bool)
    }

    /// Compiles what gives a text, such as a username; refuses what can only give something else.
    pub fn compile_text(field: &str, text: &str, scope: Scope) -> Result<Self, Problem> {
        Self::compile_kind(field, text, scope, Kind::Text)
    }

    fn compile_kind(field: &str, text: &str, scope: Scope, wanted: Kind) -> Result<Self, Problem> {
        let compiled = Self::compile(field, text, scope)?;
        let kind = compiled.0.kind;
        if kind.fits(wanted) {
            return Ok(compiled);
        }
        let message = format!("it gives {}, where {} is needed", kind.word(), wanted.word());
        Err(problem(field, text, Fault { kind: ProblemKind::TypeMismatch, message, at: Some(0) }))
    }

    fn try_compile(field: &str, text: &str, scope: Scope) -> Result<Self, Fault> {
        let (mut root, source) = parse::parse(text)?;
        let analysis = analyse::analyse(&root, &source, scope)?;
        let code = if let Some(value) = constant(&root) {
            Code::Constant(value)
        } else if let Some(path) = Path::of(&root) {
            Code::Path(path)
        } else {
            lower::lower(&mut root)?;
            Code::Program(Program { root, needs: analysis.needs })
        };
        Ok(Self(Arc::new(Compiled { field: field.to_owned(), text: text.to_owned(), kind: analysis.kind, code })))
    }

    /// The default of `toDirectory.usernameFormat` (TD-6): the record's primary e-mail address, else the one of type work,
    /// else the only one.
    pub fn default_to_directory_user_name() -> Self {
        Self(Arc::new(Compiled {
            field: "spec.toDirectory.usernameFormat".to_owned(),
            text: "the primary e-mail address, else that of type work, else the only one".to_owned(),
            kind: Kind::Text,
            code: Code::Email,
        }))
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Is it read without the interpreter?
    pub fn is_plain(&self) -> bool {
        !matches!(self.0.code, Code::Program(_))
    }

    /// Evaluates to any JSON value; null if the path that it is has no value.
    pub fn evaluate(&self, variables: Variables<'_>) -> Result<Value, EvaluationError> {
        self.evaluate_in(variables, &mut Bound::default())
    }

    /// Evaluates to a condition; anything but true or false is an error.
    pub fn holds(&self, variables: Variables<'_>) -> Result<bool, EvaluationError> {
        match self.evaluate(variables)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(self.error(format!("it gives {}, where {} is needed", Kind::of_json(&other).word(), Kind::Bool.word()))),
        }
    }

    /// Evaluates with values that are made once for several expressions.
    pub(super) fn evaluate_in<'v>(&self, variables: Variables<'v>, bound: &mut Bound<'v>) -> Result<Value, EvaluationError> {
        match &self.0.code {
            Code::Constant(value) => Ok(value.clone()),
            Code::Path(path) => path.read(variables).map(Cow::into_owned).map_err(|message| self.error(message)),
            Code::Email => Ok(variables.app.and_then(preset::email).cloned().unwrap_or_default()),
            Code::Program(program) => bound.run(program, variables).map_err(|message| self.error(message)),
        }
    }

    /// What the interpreter has to be given, if it is needed.
    pub(super) fn program(&self) -> Option<&Program> {
        match &self.0.code {
            Code::Program(program) => Some(program),
            _ => None,
        }
    }

    /// An error of this expression.
    pub(super) fn error(&self, problem: String) -> EvaluationError {
        EvaluationError { field: self.0.field.clone(), problem }
    }
}

/// The values of one person in the interpreter's form, made when the first expression needs them.
#[derive(Default)]
pub(super) struct Bound<'v> {
    needs: Option<&'v Needs>,
    context: Option<Context<'v, 'v>>,
}

impl<'v> Bound<'v> {
    /// For expressions that need at most this.
    pub(super) fn of(needs: &'v Needs) -> Self {
        Self { needs: Some(needs), context: None }
    }

    fn run(&mut self, program: &Program, variables: Variables<'v>) -> Result<Value, String> {
        let context = match self.context.take() {
            Some(context) => context,
            None => self.needs.unwrap_or(&program.needs).bind(variables)?,
        };
        let result = cel::Value::resolve_val(&program.root, &context)
            .map_err(|error| failure::words(&error))
            .and_then(|value| values::to_json(value.as_ref()));
        self.context = Some(context);
        result
    }
}

fn problem(field: &str, text: &str, fault: Fault) -> Problem {
    let Fault { kind, message, at } = fault;
    Problem { field: field.to_owned(), kind, message: caret::point(text, at, &message) }
}

/// The value of an expression that reads nothing: literals, and lists and maps of them.
fn constant(node: &IdedExpr) -> Option<Value> {
    match &node.expr {
        Expr::Literal(LiteralValue::Bytes(_)) => None,
        Expr::Literal(literal) => values::to_json(literal.to_val().as_ref()).ok(),
        Expr::List(list) => list.elements.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::Array),
        Expr::Map(map) => {
            let mut fields = Map::new();
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else { return None };
                let Some(Value::String(key)) = constant(&entry.key) else { return None };
                // A key that stands twice is an error of the interpreter.
                if fields.insert(key, constant(&entry.value)?).is_some() {
                    return None;
                }
            }
            Some(Value::Object(fields))
        }
        _ => None,
    }
}
