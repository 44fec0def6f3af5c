"""How long a chain of invocations through queues grows, and where Lambda would end it.

Source: "Use Lambda recursive loop detection to prevent infinite loops" in the Lambda developer
guide. Its limit is about 16 invocations of one function in a chain of requests.
"""

import json
from collections import Counter
from collections.abc import Collection
from threading import Lock

from testing.loops import in_loops
from testing.transformed import of_type, resolved

LIMIT = 16


class Lineage:
    """Counts for what each queue message is about how often its chain has come through a loop.

    A function outside of the loops begins a new chain. `refused` are messages that Lambda would not
    hand on; `spared` are those that it would not without RecursiveLoop of a function in `allowed`.
    """

    def __init__(self, looping: Collection[str], allowed: Collection[str]) -> None:
        self._looping = looping
        self._allowed = allowed
        self._chain: Counter[str] = Counter()
        self._lock = Lock()
        self.longest = 0
        self.refused: list[str] = []
        self.spared: list[str] = []

    def sent(self, function: str, body: str) -> bool:
        """Note that a function (its logical id) sends a message; whether Lambda hands it on."""
        subject = subject_of(body)
        with self._lock:
            self._chain[subject] = self._chain[subject] + 1 if function in self._looping else 1
            self.longest = max(self.longest, self._chain[subject])
            if self._chain[subject] <= LIMIT:
                return True
            (self.spared if function in self._allowed else self.refused).append(subject)
            return function in self._allowed


def of_template(*, with_property: bool = True) -> Lineage:
    """Return the lineage of the template's functions, with or without their RecursiveLoop."""
    resources = resolved(Events="all", SendFromBucket="true", DeclaredVendors="true")
    functions = of_type(resources, "AWS::Lambda::Function")
    allowed = {name for name, one in functions.items() if one.get("RecursiveLoop") == "Allow"}
    return Lineage(in_loops(resources), allowed if with_property else ())


def subject_of(body: str) -> str:
    """Return what a queue message is about: a submission's key, a delivery's id, a campaign's."""
    if body.startswith("{"):
        return str(json.loads(body).get("id", body))
    words = body.split(" ")
    return words[1] if len(words) > 2 else body
