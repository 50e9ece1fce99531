//! The preset `SCIMCore` (MA-1), as data.
//!
//! `manager` is not in it: its value is another person, whose account has to be found first (MA-10).

use serde_json::Value;

use crate::domain::scim_path::{ENTERPRISE_USER, FilterValue, ScimPath, ValueFilter};

/// Where in a resource an attribute of the directory stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// `attribute`
    Core(&'static str),
    /// `attribute.sub`
    Sub(&'static str, &'static str),
    /// `attribute[type eq "kind"].sub`
    Typed(&'static str, &'static str, &'static str),
    /// `urn:…:enterprise:2.0:User:attribute`
    Enterprise(&'static str),
}

/// Each attribute of the directory and its place, in the order in which they are sent.
pub(super) const SCIM_CORE: [(&str, Place); 23] = [
    ("displayName", Place::Core("displayName")),
    ("givenName", Place::Sub("name", "givenName")),
    ("middleName", Place::Sub("name", "middleName")),
    ("familyName", Place::Sub("name", "familyName")),
    ("nickName", Place::Core("nickName")),
    ("title", Place::Core("title")),
    ("userType", Place::Core("userType")),
    ("preferredLanguage", Place::Core("preferredLanguage")),
    ("locale", Place::Core("locale")),
    ("timezone", Place::Core("timezone")),
    (EMAIL, Place::Typed("emails", "work", "value")),
    ("phoneNumber", Place::Typed("phoneNumbers", "work", "value")),
    ("mobilePhone", Place::Typed("phoneNumbers", "mobile", "value")),
    ("streetAddress", Place::Typed("addresses", "work", "streetAddress")),
    ("locality", Place::Typed("addresses", "work", "locality")),
    ("region", Place::Typed("addresses", "work", "region")),
    ("postalCode", Place::Typed("addresses", "work", "postalCode")),
    ("country", Place::Typed("addresses", "work", "country")),
    ("employeeNumber", Place::Enterprise("employeeNumber")),
    ("department", Place::Enterprise("department")),
    ("division", Place::Enterprise("division")),
    ("organization", Place::Enterprise("organization")),
    ("costCenter", Place::Enterprise("costCenter")),
];

/// The attribute that is read by [`email`], not at its place.
pub(super) const EMAIL: &str = "email";

/// The flag that goes with a work e-mail address that is sent: MA-1 makes it the primary one.
pub(super) fn primary_flag() -> ScimPath {
    Place::Typed("emails", "work", "primary").path()
}

impl Place {
    /// As a path.
    pub(super) fn path(self) -> ScimPath {
        let (schema, attribute, filter, sub) = match self {
            Self::Core(attribute) => (None, attribute, None, None),
            Self::Sub(attribute, sub) => (None, attribute, None, Some(sub)),
            Self::Typed(attribute, kind, sub) => (None, attribute, Some(kind), Some(sub)),
            Self::Enterprise(attribute) => (Some(ENTERPRISE_USER), attribute, None, None),
        };
        ScimPath {
            schema: schema.map(str::to_owned),
            attribute: attribute.to_owned(),
            filter: filter.map(|kind| ValueFilter { attribute: "type".to_owned(), value: FilterValue::Text(kind.to_owned()) }),
            sub_attribute: sub.map(str::to_owned),
        }
    }
}

/// A record's e-mail address: the primary one, else the one of type work, else the only one (TD-6).
pub(super) fn email(record: &Value) -> Option<&Value> {
    let emails = Place::Core("emails").path();
    let addresses: Vec<&Value> = emails.get(record)?.as_array()?.iter().filter(|email| value_of(email).is_some()).collect();
    let chosen = addresses.iter().find(|email| is_primary(email)).or_else(|| addresses.iter().find(|email| is_work(email)));
    let chosen = match (chosen, addresses.as_slice()) {
        (Some(chosen), _) => chosen,
        (None, [only]) => only,
        (None, _) => return None,
    };
    value_of(chosen)
}

fn value_of(email: &Value) -> Option<&Value> {
    Place::Core("value").path().get(email).filter(|value| value.is_string())
}

fn is_primary(email: &Value) -> bool {
    match Place::Core("primary").path().get(email) {
        Some(Value::Bool(primary)) => *primary,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"), // SC-1
        _ => false,
    }
}

fn is_work(email: &Value) -> bool {
    Place::Core("type").path().get(email).and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("work"))
}
