"""An upload to the stack's bucket becomes messages, with IAM enforced on every call."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from e2e.conftest import Api

from local.stack import LocalStack

PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def bucket(stack: LocalStack) -> str:
    return str(stack.facts["campaigns_bucket"])


def campaign(stack: LocalStack, name: str) -> str:
    """The id of the campaign of a file, as soon as it has one."""

    def listed() -> str | None:
        lines = stack.operate("campaigns", "list").splitlines()
        found = [line.split()[0] for line in lines if line.endswith(f"/{name}.csv")]
        return found[0] if found else None

    return str(wait(listed))


def wait(reached: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := reached()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


def put(stack: LocalStack, bucket: str, name: str, body: str, tenant: str = "demo") -> str:
    key = f"campaigns/{tenant}/{name}.csv"
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return campaign(stack, name)


def results(
    stack: LocalStack, bucket: str, name: str, tenant: str = "demo"
) -> list[dict[str, str]]:
    answer = stack.client("s3").get_object(Bucket=bucket, Key=f"results/{tenant}/{name}.csv")
    return list(csv.DictReader(io.StringIO(answer["Body"].read().decode())))


def test_an_upload_is_sent_and_its_results_stand_beside_it(
    api: Api, stack: LocalStack, bucket: str
) -> None:
    body = "\ufeffto,name,template,reference\r\n" + "".join(
        f'+9110000000{nth:02d},"Ani, {nth}","Hi {{name}}",c-{nth}\r\n' for nth in range(40)
    )
    identifier = put(stack, bucket, "spring", body + "+1,x,Hi,\r\n")

    def done() -> Any:
        answer = api("GET", f"/batches/{identifier}")
        assert answer.status == 200, answer.body
        return answer.body if answer.body["campaign"]["results"] else None

    shown = wait(done)
    assert shown["campaign"] | {"counted_at": ""} == {
        "file": "campaigns/demo/spring.csv",
        "state": "done",
        "rows": 41,
        "rows_read": 41,
        "rows_sent": 40,
        "rows_refused": 1,
        "counted_at": "",
        "results": "results/demo/spring.csv",
        "problem": None,
    }
    lines = results(stack, bucket, "spring")
    assert len(lines) == 41
    assert lines[-1]["status"] == "refused"
    message = api.final(lines[0]["id"])
    assert (message["text"], message["reference"]) == ("Hi Ani, 0", "c-0")


def test_a_file_that_can_not_be_sent_says_why(api: Api, stack: LocalStack, bucket: str) -> None:
    identifier = put(stack, bucket, "strange", "number;text\r\n+447700900001;Hi\r\n")
    shown = wait(
        lambda: (one := api("GET", f"/batches/{identifier}").body)["campaign"]["results"] and one
    )
    assert shown["campaign"]["state"] == "failed"
    assert shown["campaign"]["problem"]["type"] == "/problems/campaign-columns"
    (line,) = results(stack, bucket, "strange")
    assert line["status"] == "failed"
    assert "commas" in line["problem"]
    assert "only one that is running" in _refused(stack, "pause", identifier)


def _refused(stack: LocalStack, what: str, identifier: str) -> str:
    from local.stack import StackError

    with pytest.raises(StackError) as error:
        stack.operate("campaigns", what, identifier)
    return str(error.value)
