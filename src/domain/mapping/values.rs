//! Between JSON and the interpreter's values. Texts are lent, not copied, and only what the expressions name is lent.

use std::collections::{BTreeSet, HashMap};

use cel::{
    Context,
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
        value::Val,
    },
};
use serde_json::{Map, Number, Value};

use super::{
    Variables, functions,
    path::{self, Root},
};

/// The most that expressions may read of one person, in bytes: what bounds the cost of all operations on it (G3).
const BUDGET: usize = 256 * 1024;
/// The most that an expression gives, in bytes: what it reads may stand in its result many times (G3).
const RESULT: usize = 512 * 1024;

/// Which attributes of the variables an expression names.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    user: BTreeSet<String>,
    assignment: Names,
    app: Names,
}

#[derive(Clone, Debug, Default)]
struct Names {
    /// The variable as a whole.
    all: bool,
    some: BTreeSet<String>,
}

impl Needs {
    /// Notes that this attribute is read; `None` for the variable as a whole.
    pub(super) fn note(&mut self, root: Root, attribute: Option<&str>) {
        let names = match root {
            Root::User => {
                self.user.extend(attribute.map(str::to_owned));
                return;
            }
            Root::Assignment => &mut self.assignment,
            Root::App => &mut self.app,
        };
        match attribute {
            Some(attribute) => {
                names.some.insert(attribute.to_owned());
            }
            None => names.all = true,
        }
    }

    /// Adds what another expression names.
    pub(super) fn extend(&mut self, other: &Self) {
        self.user.extend(other.user.iter().cloned());
        for (names, others) in [(&mut self.assignment, &other.assignment), (&mut self.app, &other.app)] {
            names.all |= others.all;
            names.some.extend(others.some.iter().cloned());
        }
    }

    /// A context that holds what is needed of these variables.
    pub(super) fn bind<'v>(&self, variables: Variables<'v>) -> Result<Context<'v, 'v>, String> {
        let mut lender = Lender { left: BUDGET };
        let mut user = HashMap::with_capacity(self.user.len());
        for attribute in &self.user {
            let value = match path::user_attribute(variables, attribute) {
                std::borrow::Cow::Borrowed(value) => lender.lend(value)?,
                std::borrow::Cow::Owned(value) => lender.give(&value)?,
            };
            user.insert(CelMapKey::from(attribute.clone()), value);
        }
        let assignment = match variables.assignment {
            Some(values) => lender.fields(values, &self.assignment)?,
            None => Box::new(CelNull),
        };
        let app = match variables.app {
            Some(Value::Object(fields)) => lender.fields(fields, &self.app)?,
            Some(value) => lender.lend(value)?,
            None => Box::new(CelNull),
        };
        let mut context = Context::with_env(functions::environment());
        context.add_variable_as_val(Root::User.name(), Box::new(CelMap::from(user)));
        context.add_variable_as_val(Root::Assignment.name(), assignment);
        context.add_variable_as_val(Root::App.name(), app);
        Ok(context)
    }
}

/// Makes values of JSON until the budget is spent.
struct Lender {
    left: usize,
}

impl Lender {
    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| format!("what it reads is larger than {} KiB", BUDGET / 1024))?;
        Ok(())
    }

    fn fields<'v>(&mut self, fields: &'v Map<String, Value>, names: &Names) -> Result<Box<dyn Val + 'v>, String> {
        let mut map = HashMap::new();
        if names.all {
            for (name, value) in fields {
                map.insert(self.key(name)?, self.lend(value)?);
            }
        } else {
            for name in &names.some {
                if let Some(value) = path::member(fields, name) {
                    map.insert(CelMapKey::from(name.clone()), self.lend(value)?);
                }
            }
        }
        Ok(Box::new(CelMap::from(map)))
    }

    fn key<'v>(&mut self, name: &'v str) -> Result<CelMapKey<'v>, String> {
        self.spend(name.len())?;
        Ok(CelMapKey::from(name))
    }

    fn lend<'v>(&mut self, value: &'v Value) -> Result<Box<dyn Val + 'v>, String> {
        self.spend(size_of::<Value>())?;
        Ok(match value {
            Value::String(text) => {
                self.spend(text.len())?;
                Box::new(CelString::from(text.as_str()))
            }
            Value::Array(elements) => {
                let elements: Result<Vec<_>, _> = elements.iter().map(|element| self.lend(element)).collect();
                Box::new(CelList::from(elements?))
            }
            Value::Object(fields) => {
                let mut map = HashMap::with_capacity(fields.len());
                for (name, value) in fields {
                    map.insert(self.key(name)?, self.lend(value)?);
                }
                Box::new(CelMap::from(map))
            }
            Value::Null => Box::new(CelNull),
            Value::Bool(flag) => Box::new(CelBool::from(*flag)),
            Value::Number(number) => self::number(number),
        })
    }

    /// Like [`Lender::lend`], for a value that does not live long enough; only texts and null are made on the way.
    fn give<'v>(&mut self, value: &Value) -> Result<Box<dyn Val + 'v>, String> {
        self.spend(size_of::<Value>())?;
        Ok(match value {
            Value::String(text) => Box::new(CelString::from(text.clone())),
            _ => Box::new(CelNull),
        })
    }
}

fn number<'v>(number: &Number) -> Box<dyn Val + 'v> {
    if let Some(integer) = number.as_i64() {
        Box::new(CelInt::from(integer))
    } else if let Some(unsigned) = number.as_u64() {
        Box::new(CelUInt::from(unsigned))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or_default()))
    }
}

/// The value as JSON. Fails on what JSON has no form for.
pub(super) fn to_json(value: &dyn Val) -> Result<Value, String> {
    convert(value, &mut { RESULT })
}

/// `left`: how many bytes the result may still have.
fn convert(value: &dyn Val, left: &mut usize) -> Result<Value, String> {
    let size = size_of::<Value>() + value.downcast_ref::<CelString>().map_or(0, |text| text.inner().len());
    *left = left.checked_sub(size).ok_or_else(|| format!("it gives more than {} KiB", RESULT / 1024))?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Ok(Value::from(text.inner()));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(flag) = value.downcast_ref::<CelBool>() {
        return Ok(Value::from(*flag.inner()));
    }
    if let Some(integer) = value.downcast_ref::<CelInt>() {
        return Ok(Value::from(*integer.inner()));
    }
    if let Some(unsigned) = value.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*unsigned.inner()));
    }
    if let Some(fraction) = value.downcast_ref::<CelDouble>() {
        return Number::from_f64(*fraction.inner()).map(Value::Number).ok_or_else(|| "it gives a number that is not finite".to_owned());
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().map(|element| convert(element.as_ref(), left)).collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let mut fields = Map::new();
        for (key, value) in map.inner() {
            let CelMapKey::String(key) = key else { return Err("it gives a map whose keys are not texts".to_owned()) };
            fields.insert(key.inner().to_owned(), convert(value.as_ref(), left)?);
        }
        return Ok(Value::Object(fields));
    }
    Err("it gives something that is neither text, number, true, false, list nor map".to_owned())
}
