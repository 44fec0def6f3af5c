"""`smsgw audit`: who changed what, and when."""

import click
import msgspec

from sms_gateway.core.timestamps import from_ms, rfc3339
from sms_gateway.storage.items import Item
from smsgw import arguments, audit_log
from smsgw.line import Area
from smsgw.tables import Row, show

AREA = Area("audit", "Who changed what, and when.")


@AREA.command("list", help="List the latest records, newest first.", reads=True, lists=True)
@click.option("--limit", type=arguments.count, default="100", help="So many at most.")
def show_all(limit: int) -> None:
    """Print the latest records, newest first."""
    columns = {"began": "BEGAN", "end": "END", "who": "WHO", "what": "WHAT", "with": "WITH"}
    show([_row(item) for item in audit_log.latest(limit)], columns, "There is no record.")


def _row(item: Item) -> Row:
    return {
        "began": rfc3339(from_ms(int(item["began"]["N"]) * 1000)),
        "end": item["end"]["S"],
        "who": item["who"]["S"],
        "what": item["what"]["S"],
        "with": _Given(msgspec.json.decode(item["with"]["S"])),
    }


class _Given(dict[str, object]):
    """What a command was given, on one line."""

    def __str__(self) -> str:
        return " ".join(
            f"{name}={','.join(value) if isinstance(value, list) else value}"
            for name, value in self.items()
        )
