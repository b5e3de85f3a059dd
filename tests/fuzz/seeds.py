"""Files that every reader takes: what hostile ones are made from."""

import base64
import hmac
import io
import json
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
import polars as pl

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.artifacts.journal import Action, Entry, Gate, Note
from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.pointer import Pointer
from tests.certificates import signed_pair
from training import gate
from training.nightly_state import State

NOW: Final = datetime(2026, 4, 1, tzinfo=UTC)

EVENTS: Final = """\
customer_id,product_id,event_time,event_type,quantity,unit_price,currency,store_id,event_id,latitude,longitude
anna,espresso,2026-03-01T10:00:00Z,PURCHASE,2,7.50,GBP,leeds-1,e1,53.8,-1.5
ben,milk,2026-03-02,,1,1.15,GBP,,e2,,
anna,espresso,1772500000,RETURN,1,7.50,GBP,leeds-1,e3,,
clara,"jam, plum",2026-03-04T11:30:00+01:00,VIEW,,,,york-1,e4,,
dora,tea,20260305,PURCHASE,-1,3.10,GBP,york-1,e5,,
"""
PRODUCTS: Final = """\
product_id,title,category_path,brand,price,currency,available_from,sensitive,group_id,attribute_roast
espresso,Espresso beans,Drinks > Coffee,Alta,7.50,GBP,2025-01-01,no,,dark
soap,"Olive soap, 3",Household>Soap,Alta,4.00,GBP,,yes,soaps,
tea,Green tea,Drinks > Tea,Leaf,,,,0,,
"""
STORES: Final = """\
store_id,name,country_code,subdivision_code,postal_code,latitude,longitude
leeds-1,Leeds Station,GB,GB-ENG,LS1 4DY,53.79,-1.55
york-1,York Market,gb,,YO1 8SA,,
"""
CUSTOMERS: Final = """\
customer_id,store_id,country_code,latitude,longitude
anna,leeds-1,GB,53.8,-1.5
ben,,,,
"""
EVENT_LINES: Final = "".join(
    json.dumps(row) + "\n"
    for row in (
        {"customer_id": "anna", "product_id": "tea", "event_time": "2026-03-01T10:00:00Z",
         "event_type": "PURCHASE", "quantity": 2, "unit_price": 3.1, "currency": "GBP"},
        {"visitor_id": "v1", "product_id": "tea", "event_type": "FEEDBACK", "rating": 4,
         "latitude": 53.8, "longitude": -1.5, "channel": "WEB", "store_id": "leeds-1"},
    )
)  # fmt: skip
SENT: Final = [
    "4-0-",
    {"n_rows": 3, "outcomes": {"ACCEPTED": 2}, "n_unreadable": 0, "first_refused": [[3, "no"]],
     "reasons": {"no": 1}},
]  # fmt: skip
"""Of a file of four bytes, changed at the beginning of time."""
RULES: Final = {
    "defaults": {"in_stock_only": True, "diversity": "low", "exclude_purchased": False},
    "rules": [
        {"rule_id": "spring", "action": "boost", "factor": 1.5, "note": "till May",
         "select": {"categories": ["Drinks > Tea"], "price_max": 10, "currency": "GBP",
                    "attributes": {"label": ["organic"]}},
         "when": {"surfaces": ["recommend"], "channels": ["WEB"], "stages": ["cart"],
                  "places": [{"country_code": "GB", "postal_code": "LS14DY"}],
                  "from": "2026-03-01T00:00:00Z", "to": "2026-05-01T00:00:00Z",
                  "days": ["mon", "sun"], "hours": "09:00-24:00", "time_zone": "Europe/London"}},
        {"rule_id": "first", "action": "pin", "position": 1, "select": {"product_ids": ["tea"]},
         "says": {"en": "Our tea of the month"}},
        {"rule_id": "mixed", "action": "at_most", "limit": 2, "first": 10, "per": "category:1"},
        {"rule_id": "none", "action": "exclude", "select": {"brands": ["Crumb"]}},
    ],
}  # fmt: skip
RULES_TOML: Final = """\
# Rules of a shop.
[defaults]
in_stock_only = true
diversity = "low"

[[rules]]
rule_id = "spring"
action = "boost"
factor = 1.5
select = { categories = ["Drinks > Tea"], price_max = 10, currency = "GBP" }
when.days = ["mon", "sun"]
when.hours = "09:00-18:00"
when.from = 2026-03-01T00:00:00Z
when.time_zone = "Europe/London"

[[rules]]
rule_id = "mixed"
action = "at_most"
limit = 2
first = 10
per = "brand"
"""
EXPERIMENT: Final = {
    "experiment_id": "blue",
    "variants": [
        {"variant_id": "control", "weight": 0.5},
        {"variant_id": "bold", "weight": 0.5, "model": "v2", "rules": "current",
         "diversity": "high"},
    ],
    "participants": {"share": 0.5, "channels": ["WEB"], "placements": ["home"],
                     "places": [{"country_code": "GB"}], "segments": ["loyal"]},
    "start_time": "2026-03-01T00:00:00Z",
    "end_time": "2026-05-01T00:00:00Z",
}  # fmt: skip
SETTINGS: Final = """\
preset = "fast"
seed = 3
without = ["ease", "trees"]

[als]
n_factors = 32
regularization = 10.0
"""


TOKEN_SECRET: Final = "s" * 32
TOKEN_ISSUER, TOKEN_AUDIENCE = "shop", "recsvc"
TOKEN_HEADER: Final = {"alg": "HS256", "typ": "JWT"}
TOKEN_CLAIMS: Final = {
    "sub": "anna",
    "iss": TOKEN_ISSUER,
    "aud": [TOKEN_AUDIENCE],
    "exp": 4_000_000_000,
    "nbf": 1_700_000_000,
    "iat": 1_700_000_000,
    "scope": "recommend events",
}


def token() -> bytes:
    """A token that is believed."""
    return signed(json.dumps(TOKEN_HEADER).encode(), json.dumps(TOKEN_CLAIMS).encode())


def signed(header: bytes, claims: bytes) -> bytes:
    """Both as a token, signed by hand: no library would sign what is not to be."""
    said = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims))
    digest = hmac.digest(TOKEN_SECRET.encode(), said, "sha256")
    return said + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")


@cache
def pointer() -> str:
    """The text of a pointer."""
    return Pointer("v2", 3, ("v1",), NOW).to_json()


@cache
def journal() -> str:
    """Some lines of a journal."""
    note = Note("anna@trainer", Gate.REFUSED, ("worse on new products",))
    actions = (Action.PROMOTED, Action.REFUSED, Action.ROLLED_BACK)
    return "".join(
        Entry(NOW, action, "v2", "v1", number, note).to_json() + "\n"
        for number, action in enumerate(actions, 1)
    )


@cache
def night() -> str:
    """What a night has decided."""
    refused = gate.Decision(
        passed=False, reasons=("worse",), warnings=("few",), details={"n_judged": 3}
    )
    return State(3, "v1", "t1", refused, "v2", refusal_recorded=True).to_json()


@cache
def ledger() -> str:
    """Some lines of a ledger, one of each kind."""
    return "".join(
        LedgerEntry(NOW, decision, ("a" * 32, "b" * 32)).to_json() + "\n" for decision in Decision
    )


@cache
def api_keys() -> str:
    """A file of two keys."""
    keys = [new_key(name, [Scope.RECOMMEND, Scope.EVENTS], NOW)[0] for name in ("web", "till")]
    return write_api_keys(keys).decode()


@cache
def pems() -> tuple[bytes, bytes]:
    """A certificate with its key, and a public key."""
    pair = signed_pair("shop")
    return pair.pem + pair.key_pem(), _public_pem(pair.key.public_key())


def _public_pem(key: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # beside what it is for
        Encoding,
        PublicFormat,
    )

    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # all public keys have it, and no class in common
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


@cache
def web_keys() -> dict[str, object]:
    """A JSON Web Key Set of one key of each kind that is believed."""
    import jwt  # noqa: PLC0415  # beside what it is for
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415  # likewise
        ec,
        ed25519,
        rsa,
    )

    elliptic = jwt.algorithms.ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True
    )
    edwards = jwt.algorithms.OKPAlgorithm.to_jwk(
        ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True
    )
    numbers = jwt.algorithms.RSAAlgorithm.to_jwk(
        rsa.generate_private_key(65_537, 2_048).public_key(), as_dict=True
    )
    kinds = zip(("RS256", "ES256", "EdDSA"), (numbers, elliptic, edwards), strict=True)
    return {"keys": [{**key, "alg": alg, "use": "sig", "kid": alg.lower()} for alg, key in kinds]}


@cache
def npy() -> bytes:
    """An array as a file."""
    file = io.BytesIO()
    np.save(file, np.arange(12, dtype=np.float32).reshape(3, 4))
    return file.getvalue()


@cache
def frame(text: str) -> pl.DataFrame:
    """A table, each column of the type that it looks like."""
    return pl.read_csv(text.encode(), infer_schema_length=None)
