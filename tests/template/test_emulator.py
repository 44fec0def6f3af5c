"""What the emulator is told so that it judges requests as AWS does, and what it must not forget."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.emulator import leading_keys
from testing.paths import ROOT

ITEM = {"pk": {"S": "KEYS"}, "sk": {"S": "0"}}
OTHER = {"pk": {"S": "CAMPAIGNS"}, "sk": {"S": "0"}}


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ({"Key": ITEM}, ["KEYS"]),
        ({"Item": ITEM | {"data": {"S": "x"}}}, ["KEYS"]),
        ({"RequestItems": {"table": {"Keys": [ITEM, OTHER]}}}, ["CAMPAIGNS", "KEYS"]),
        (
            {
                "RequestItems": {
                    "table": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": OTHER}}]
                }
            },
            ["CAMPAIGNS", "KEYS"],
        ),
        (
            {"TransactItems": [{"ConditionCheck": {"Key": ITEM}}, {"Put": {"Item": OTHER}}]},
            ["CAMPAIGNS", "KEYS"],
        ),
        (
            {
                "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
                "ExpressionAttributeValues": {":low": {"S": "0"}, ":pk": {"S": "KEYS"}},
            },
            ["KEYS"],
        ),
        (
            {
                "KeyConditionExpression": "#shard = :shard",
                "ExpressionAttributeValues": {":shard": {"S": "07"}},
            },
            ["07"],
        ),
        ({"TableName": "table"}, []),
    ],
)
def test_a_request_names_its_partitions(request_: dict[str, Any], keys: list[str]) -> None:
    assert leading_keys(request_) == keys


def in_an_emulator(state: Path, program: str) -> str:
    """Run a program in the emulator's place, and return what it prints."""
    begin = (
        "from local.emulator import keep_streams; keep_streams()\n"
        "from ministack.core.persistence import load_state, save_state\n"
        "from ministack.services import dynamodb\n"
        "place = ('000000000000', 'us-east-1', 'table')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", begin + program],
        cwd=ROOT,
        env={**os.environ, "PERSIST_STATE": "1", "STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stream_goes_on_behind_what_was_read_before_a_restart(tmp_path: Path) -> None:
    in_an_emulator(
        tmp_path,
        "dynamodb._stream_records.set_scoped(*place, [{'eventID': '1'}, {'eventID': '2'}])\n"
        "dynamodb._stream_trimmed.set_scoped(*place, 3)\n"
        "save_state('dynamodb', dynamodb.get_state())",
    )
    after = in_an_emulator(
        tmp_path,
        "dynamodb.load_persisted_state(load_state('dynamodb'))\n"
        "table = {'account_id': place[0], 'region': place[1]}\n"
        "print(dynamodb.stream_start_position('table', **table),"
        " dynamodb.stream_end_position('table', **table))",
    )
    assert after.split() == ["3", "5"]
