"""The shape of the code: one module for each kind of I/O, and lean workers."""

import ast
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from sms_gateway.vendors.registry import VENDORS

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "layers" / "gateway" / "sms_gateway"
MODULES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.py"))
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
IO = {"boto3", "botocore", "urllib3", "socket", "http", "requests", "ssl", "aws_lambda_powertools"}


@cache
def imports(path: Path) -> set[str]:
    """The modules that a file imports, by their full names; not those for type checkers only."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "sms_gateway":
            found |= {f"sms_gateway.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_package_inits_are_empty() -> None:
    """Code in one would be run by every start that touches the package."""
    inits = [CORE / module for module in MODULES if module.name == "__init__.py"]
    assert {one.parent for one in inits} == {(CORE / module).parent for module in MODULES}
    assert [one for one in inits if one.read_text()] == []


def importers(name: str) -> set[str]:
    """The core's modules that import a package, or a part of it."""
    return {
        str(module)
        for module in MODULES
        if any(one.split(".")[0] == name for one in imports(CORE / module))
    }


def test_botocore_is_known_to_the_aws_package_alone() -> None:
    assert {name for name in importers("botocore") if not name.startswith("aws/")} == set()


def test_one_module_talks_http() -> None:
    assert importers("urllib3") == {"vendors/http_client.py"}
    assert importers("requests") == set()


def test_the_two_http_clients_share_one_socket() -> None:
    clients = {"vendors/http_client.py", "webhooks/http_client.py"}
    assert importers("socket") == clients | {"core/deadline_socket.py"}
    users = [CORE / one for one in MODULES if "deadline_socket" in (CORE / one).read_text()]
    assert {str(path.relative_to(CORE)) for path in users} == clients


def test_one_module_calls_customers_addresses() -> None:
    assert importers("http") == {"webhooks/http_client.py"}
    assert "http_client.resolve_public" in (CORE / "webhooks/management.py").read_text()


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("dynamodb", "storage/dynamodb.py"),
        ("sqs", "aws/sqs.py"),
        ("s3", "campaigns/s3_files.py"),
        ("events", "events/eventbridge.py"),
        ("secretsmanager", "config/secrets.py"),
    ],
)
def test_one_module_talks_to_each_service(service: str, module: str) -> None:
    asking = f'clients.client("{service}"'
    assert {str(path) for path in MODULES if asking in (CORE / path).read_text()} == {module}
    makers = {
        str(path)
        for path in MODULES
        if "botocore.session" in imports(CORE / path)
        or "create_client" in (CORE / path).read_text()
    }
    assert makers == {"aws/botocore_shortcuts.py", "aws/clients.py"}
    assert importers("boto3") == set()


@pytest.mark.parametrize(
    "module", [one for one in MODULES if one.parent.parent.name == "vendors"], ids=str
)
def test_adapters_do_no_io(module: Path) -> None:
    used = imports(CORE / module)
    assert not {name.split(".")[0] for name in used} & (IO | {"os", "time", "pathlib", "random"})
    assert "sms_gateway.vendors.http_client" not in used


@cache
def stack() -> Any:
    return yaml_parse((ROOT / "template.yaml").read_text())


def variables(function: str) -> set[str]:
    """The names of the environment variables that the template gives a function."""
    template = stack()
    (own,) = (
        one["Properties"]
        for one in template["Resources"].values()
        if one["Properties"].get("CodeUri") == f"functions/{function}"
    )
    shared: dict[str, str] = template["Globals"]["Function"]["Environment"]["Variables"]
    return set(shared) | set(own.get("Environment", {}).get("Variables", {}))


def loaded(function: str) -> set[str]:
    """The modules in memory after a function's own was imported, in a process of its own."""
    code = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    path = os.pathsep.join([str(ROOT / "functions" / function), str(CORE.parent)])
    # Only what the template gives the function: 1 is a number and a text.
    environment = dict.fromkeys(variables(function) - {"POWERTOOLS_LOG_LEVEL"}, "1") | {
        "PYTHONPATH": path,
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_start_with_what_they_need_only(function: str) -> None:
    """Nothing is made at import: there is no region, so that no client could be."""
    modules = loaded(function)
    assert "aws_lambda_powertools.event_handler" not in modules
    assert not {f"sms_gateway.vendors.{one}.adapter" for one in (*VENDORS, "sandbox")} & modules
    assert not {one for one in modules if one.startswith("sms_gateway.vendors.declared")}
    assert not {"re2", "defusedxml", "defusedxml.ElementTree"} & modules
    assert not {"moto", "hypothesis", "pytest", "pydantic", "standardwebhooks"} & modules
    assert "phonenumbers" not in modules  # imported for numbers that have to be read
    assert "aws_lambda_powertools.utilities.parameters" not in modules
    assert "asyncio" not in modules
    assert not {"boto3.session", "s3transfer"} & modules
    if function != "from_cognito":
        assert "aws_encryption_sdk" not in modules


def test_a_start_reads_the_tables_description_and_makes_no_client() -> None:
    """What takes long about a client is done while a function starts; what is secret is not."""
    code = (
        "from sms_gateway.aws import clients;"
        "loader = clients._session.get_component('data_loader');"
        "read = ' '.join(str(key) for key in loader._cache if 'service-2' in str(key));"
        "print(len(clients._clients), clients._session._credentials,"
        " *(s for s in ('dynamodb', 'sqs', 'secretsmanager') if s in read))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(CORE.parent), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["0", "None", "dynamodb"]


def test_every_module_and_public_name_says_what_it_is() -> None:
    silent = []
    for module in MODULES:
        tree = ast.parse((CORE / module).read_text())
        nodes = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef))]
        for node in nodes:
            name = getattr(node, "name", "module")
            if not name.startswith("_") and tree.body and not ast.get_docstring(node):
                silent.append(f"{module}: {name}")
    assert silent == []
