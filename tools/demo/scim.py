"""A small SCIM client and made-up people, for the demo."""

import json
import urllib.parse
import urllib.request

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_SCHEMA = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
GIVEN = ["Ada", "Zoë", "Kim", "Noor", "Emre", "Ines", "Jonas", "Mila", "Tariq", "Vera"]
FAMILY = ["Lee", "Okafor", "Brandt", "Silva", "Novak", "Haddad"]
DEPARTMENTS = ["Sales", "Finance", "Research", "Support"]


def person(group, number, user_name=None):
    """A user resource; different groups never share a username."""
    user_name = user_name or f"{group}.{number:03}@corp.example"
    return {
        "schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA],
        "userName": user_name,
        "name": {"givenName": GIVEN[number % len(GIVEN)], "familyName": FAMILY[number % len(FAMILY)]},
        "displayName": f"{GIVEN[number % len(GIVEN)]} {FAMILY[number % len(FAMILY)]}",
        "active": True,
        "emails": [{"value": user_name, "type": "work", "primary": True}],
        ENTERPRISE_SCHEMA: {"department": DEPARTMENTS[number % len(DEPARTMENTS)], "employeeNumber": str(1000 + number)},
    }


def people(count):
    return [person("person", number) for number in range(count)]


class Client:
    def __init__(self, base_url, token):
        self.base_url, self.token = base_url, token

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        request = urllib.request.Request(f"{self.base_url}{path}", data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def listing(self):
        return self.request("GET", "/Users?startIndex=1&count=1000")["Resources"]

    def count(self):
        return len(self.listing())

    def count_active(self):
        return sum(1 for user in self.listing() if user.get("active", True))

    def user(self, user_name):
        quoted = urllib.parse.quote(f'userName eq "{user_name}"')
        found = self.request("GET", f"/Users?filter={quoted}").get("Resources", [])
        if len(found) != 1:
            raise SystemExit(f"{len(found)} accounts with one username")
        return found[0]

    def active(self, user_name):
        return self.user(user_name).get("active", True)

    def create(self, resource):
        return self.request("POST", "/Users", resource)

    def patch(self, user_name, path, value):
        operation = {"op": "replace", "path": path, "value": value}
        self.request("PATCH", f"/Users/{self.user(user_name)['id']}", {"schemas": [PATCH_SCHEMA], "Operations": [operation]})

    def delete(self, user_name):
        self.request("DELETE", f"/Users/{self.user(user_name)['id']}")
