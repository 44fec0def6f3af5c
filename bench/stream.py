"""What a life writes into the table, as the readers of its stream are given it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testing.stream import ARN, PATTERNS, matches

Record = dict[str, Any]


@contextmanager
def written(client: Any) -> Iterator[list[Record]]:
    """The records of PutItem and of UpdateItem that the template's filters let through, of what a
    client does within while a Meter that peeks listens to it."""
    records: list[Record] = []

    def ends(parsed: Any, context: Any, model: Any, **_: Any) -> None:
        if "Error" in parsed:
            return
        old = None
        if model.name == "PutItem":
            new = context["counted"]["Item"]
        elif model.name == "UpdateItem" and "Attributes" in parsed:
            old, new = context["before"], parsed["Attributes"]
        else:
            return
        change = {"Keys": {name: new[name] for name in ("pk", "sk")}, "NewImage": new}
        change |= {"OldImage": old} if old else {}
        record = {
            "eventID": f"{len(records)}",
            "eventName": "MODIFY" if old else "INSERT",
            "eventSourceARN": ARN,
            "dynamodb": change
            | {"SequenceNumber": f"{len(records)}", "ApproximateCreationDateTime": 1795316698.0},
        }
        if any(matches(pattern, record) for pattern in PATTERNS):
            records.append(record)

    client.meta.events.register("after-call.dynamodb", ends)
    try:
        yield records
    finally:
        client.meta.events.unregister("after-call.dynamodb", ends)
