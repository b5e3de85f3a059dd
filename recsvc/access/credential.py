"""What a caller may do, as a key or a token says that was checked. Imports next to nothing."""

from dataclasses import dataclass, field

from recsvc.errors import ForbiddenError


@dataclass(frozen=True, slots=True)
class Credential:
    """What a credential that was checked says.

    Attributes:
        customer_id: its subject; ``""`` for the key of a service, which may act for anybody.
        scopes: what it allows.
        expires_at: unix seconds; 0 for a key, which holds until it is revoked.
        issuer: ``""`` where it names none.
        name: who it is in the log.
        caller: tells it from all others of its issuer.
        rate: requests a second that it may make, 0 for any number; None, as many as is usual.
        payer: whose requests are counted together; made once, and not for every call of a key.
    """

    customer_id: str
    scopes: frozenset[str]
    expires_at: int
    issuer: str = ""
    name: str = "shopper"
    caller: str = ""
    rate: float | None = None
    payer: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # An issuer may name a shopper like a key.
        kind = "shopper" if self.customer_id else "service"
        object.__setattr__(self, "payer", f"{kind} {self.issuer} {self.caller}")

    def require(self, scope: str) -> None:
        """Refuse what the token does not allow.

        Raises:
            ForbiddenError: it lacks the scope (SCOPE_MISSING).
        """
        if scope not in self.scopes:
            raise ForbiddenError(
                f"the token lacks the scope {scope}; get one that has it",
                metadata={"scope": scope},
            )
