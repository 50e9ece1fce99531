"""Made-up people: the same number always gives the same person."""

from typing import Any

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

GIVEN = (
    "Ada", "Bruno", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kemi", "Lars",
    "Mina", "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Samir", "Tove", "Uma", "Viktor", "Wanda",
)  # fmt: skip
FAMILY = (
    "Lovelace", "Almeida", "Berger", "Castell", "Dahl", "Eriksen", "Fontaine", "Gruber", "Hale", "Ibsen",
    "Jansen", "Kovac", "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato",
    "Tanaka", "Ueda", "Varga", "Weiss",
)  # fmt: skip
DEPARTMENTS = ("Engineering", "Sales", "Finance", "Support", "Legal", "People")


def person(number: int) -> dict[str, Any]:
    """Return person ``number`` as a SCIM User; the username holds the number, so names may repeat."""
    # 23 and 24 share no divisor: all 552 pairs of names come before any repeats.
    given = GIVEN[number % len(GIVEN)]
    family = FAMILY[number % len(FAMILY)]
    username = f"{given}.{family}.{number:03}@corp.example".lower()
    return {
        "schemas": [CORE, ENTERPRISE],
        "userName": username,
        "name": {"givenName": given, "familyName": family, "formatted": f"{given} {family}"},
        "displayName": f"{given} {family}",
        "emails": [{"value": username, "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE: {
            "department": DEPARTMENTS[number % len(DEPARTMENTS)],
            "employeeNumber": f"E{number:05}",
        },
    }
