"""What the benchmarks measure, and how samples become those of a machine at its full speed."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any

import pytest

from bench.calm import ENOUGH, LEARNED, Samples, reference
from bench.campaign import apart
from bench.cpu import _looked_at
from bench.emulator import PATIENCE, patient
from bench.scale import _deviations
from sms_gateway.aws import clients
from sms_gateway.storage import dynamodb


def beside(times: Iterator[float]) -> Samples:
    """Samples whose references take 1 while it learns, then `times`."""
    learning = iter([1.0] * LEARNED)
    return Samples(lambda: next(learning, None) or next(times))


def test_a_slow_machines_time_is_made_that_of_its_full_speed() -> None:
    samples = beside(iter([1.4, 1.6]))
    samples.take("a", lambda: 6.0)
    assert samples.of("a") == [4.0]
    assert samples.speed == pytest.approx(1 / 1.5)


def test_what_was_waited_takes_as_long_on_a_slow_machine() -> None:
    samples = beside(iter(()))
    samples.add("a", 6.0, 1.4, 1.6, waited=10.0)
    assert samples.of("a") == [14.0]


def test_the_calmer_half_counts_whatever_it_took() -> None:
    samples = beside(iter(()))
    for cpu, slow in ((900.0, 1.0), (1.0, 1.2), (800.0, 1.0), (2.0, 1.5)):
        samples.add("a", cpu, slow, slow)
    assert samples.of("a") == [900.0, 800.0]


def test_full_speed_is_what_was_learned_until_the_end() -> None:
    samples = beside(iter([0.5] * 4))
    samples.add("a", 9.0, 1.0, 1.0)
    assert samples.of("a") == [9.0]
    for _ in range(4):
        samples.look()
    assert samples.of("a") == [4.5]


def test_one_freak_does_not_set_the_measure() -> None:
    samples = beside(iter([0.1, 1.0]))
    samples.add("a", 7.0, samples.look(), samples.look())
    assert samples.of("a") == [7.0]


def test_all_cases_are_taken_in_turn_until_enough_of_each_count() -> None:
    asked: list[str] = []

    def work(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    samples = Samples(lambda: 1.0)
    found = samples.all({"a": lambda: work("a"), "b": lambda: work("b")})
    assert asked == ["a", "b"] * 2 * ENOUGH
    assert [len(kept) for kept in found.values()] == [ENOUGH, ENOUGH]


def test_the_reference_takes_time() -> None:
    assert reference() > 0.0005


def test_benchmarks_sign_as_the_layer_does() -> None:
    """Without awscrt, which the emulator brings here."""
    ask = "import bench.one, botocore.compat; print(botocore.compat.HAS_CRT)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_patient_client_is_the_functions_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CONFIGS", {**clients.CONFIGS})  # put back afterwards
    patient()
    try:
        config: Any = dynamodb.client().meta.config
        assert config.read_timeout == PATIENCE
        assert config.user_agent == "sms-gateway"
        assert config.max_pool_connections == 2 * dynamodb.MAX_PARALLEL_WRITES
        assert dynamodb.client() is clients.client("dynamodb")
    finally:
        clients.reset()


def test_pools_work_in_the_main_thread_while_lines_are_looked_at() -> None:
    """Which alone is given the signal."""
    with ThreadPoolExecutor(2) as pool:
        with _looked_at(Counter()):
            assert list(pool.map(lambda _: get_ident(), range(3))) == [get_ident()] * 3
        assert pool.submit(get_ident).result() != get_ident()


def test_what_is_due_must_cost_neither_more_nor_less_where_more_is() -> None:
    rows = _deviations("CPU time", {100: 1.05, 1_000: 1.0, 10_000: 0.8})
    assert [(row.value, row.met) for row in rows] == [(5.0, True), (20.0, False)]


def test_a_chunk_of_a_campaign_takes_eight_write_units_beside_its_messages() -> None:
    """Its record in a transaction, its batch's end, the campaign's own moves."""
    found = apart("units")
    assert found["writes"] <= 8
    assert found["reads"] <= 4
    assert found["results"] <= 60
    assert found["calls"] <= 11
