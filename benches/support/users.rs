//! The canned users: enterprise users of about 0.8 kB, all invented.

use serde_json::{Value, json};
use uuid::Uuid;

/// Users per page.
pub const PAGE: usize = 100;

/// A user. Ids come in no order, as in most apps.
pub fn user(index: usize) -> Value {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, &index.to_le_bytes());
    let (given, family) = (GIVEN[index % GIVEN.len()], FAMILY[index / GIVEN.len() % FAMILY.len()]);
    let address = format!("{}.{}.{index}@example.com", given.to_lowercase(), family.to_lowercase());
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "id": id,
        "userName": address,
        "name": {"givenName": given, "familyName": family},
        "displayName": format!("{given} {family}"),
        "title": "Clerk",
        "locale": "en-GB",
        "active": true,
        "emails": [{"value": address, "type": "work", "primary": true}],
        "phoneNumbers": [{"value": format!("+44 20 7946 {index:06}"), "type": "work"}],
        "addresses": [{"type": "work", "streetAddress": format!("{index} Example Road"), "locality": "London", "postalCode": "EC1A 1AA", "country": "GB"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": format!("{index:08}"), "department": "Accounts", "costCenter": format!("{}", 4000 + index % 40)
        },
        "meta": {"resourceType": "User", "created": "2024-01-01T00:00:00Z", "lastModified": "2024-01-01T00:00:00Z"}
    })
}

/// The page that begins with this user.
pub fn page(first: usize, people: usize) -> String {
    let users: Vec<Value> = (first..people.min(first + PAGE)).map(user).collect();
    list(people, first + 1, &users)
}

/// A list answer.
pub fn list(total: usize, start: usize, users: &[Value]) -> String {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": users.len(),
        "Resources": users
    })
    .to_string()
}

const GIVEN: [&str; 8] = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Niklaus"];
const FAMILY: [&str; 8] = ["Archer", "Baker", "Carter", "Dyer", "Fletcher", "Mason", "Potter", "Weaver"];
