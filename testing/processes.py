"""Workers and functions as a new process has them."""

from importlib import util
from types import ModuleType

from aws_lambda_powertools.utilities.circuit_breaker import base as breaker

from sms_gateway.dispatch import circuit_breaker
from sms_gateway.policies import quota, thresholds
from testing.paths import ROOT


def new_worker() -> None:
    """As a new process begins: it has counted no failure and no request, and reads all anew."""
    quota._known.clear()
    thresholds._stored.clear()
    for counted in (
        breaker._LOCAL_FAILURES,
        breaker._LOCAL_SUCCESSES,
        breaker._LAST_OBSERVED_STATE,
    ):
        counted.clear()
    circuit_breaker._store.cache_clear()


def function(name: str) -> ModuleType:
    """Return a function's module: several files are called app.py."""
    spec = util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
