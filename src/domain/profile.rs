//! The directory profile: a flat map from attribute name to value.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hash::ShortHash;

/// The attributes that every directory has, in the order in which they are documented.
pub const DIRECTORY_ATTRIBUTES: [&str; 26] = [
    "userName",
    "email",
    "givenName",
    "middleName",
    "familyName",
    "displayName",
    "nickName",
    "title",
    "userType",
    "employeeNumber",
    "department",
    "division",
    "organization",
    "costCenter",
    "manager",
    "phoneNumber",
    "mobilePhone",
    "streetAddress",
    "locality",
    "region",
    "postalCode",
    "country",
    "preferredLanguage",
    "locale",
    "timezone",
    "status",
];

/// A person's attributes. Holds no nulls: an attribute without a value is absent. `status` is not stored here; it is
/// the person's state, and expressions see it as an attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(Map<String, Value>);

impl Profile {
    /// A profile without attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of an attribute; `None` when it has none.
    pub fn get(&self, attribute: &str) -> Option<&Value> {
        self.0.get(attribute)
    }

    /// The value of an attribute that is a text.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.get(attribute).and_then(Value::as_str)
    }

    /// Sets an attribute; null removes it.
    pub fn set(&mut self, attribute: impl Into<String>, value: Value) {
        let attribute = attribute.into();
        if value.is_null() {
            self.0.remove(&attribute);
        } else {
            self.0.insert(attribute, value);
        }
    }

    /// Attributes with values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The directory username.
    pub fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// The primary e-mail address.
    pub fn email(&self) -> Option<&str> {
        self.text("email")
    }

    /// The canonical hash: equal profiles have equal hashes.
    pub fn hash(&self) -> ShortHash {
        ShortHash::of_json(self)
    }

    /// The attributes as a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromIterator<(String, Value)> for Profile {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        let mut profile = Self::new();
        for (attribute, value) in pairs {
            profile.set(attribute, value);
        }
        profile
    }
}
