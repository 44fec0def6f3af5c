"""A fixed egress address: who is put into the operator's network, and the network itself."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from testing.paths import ROOT
from testing.template import TEMPLATE, deployed
from testing.transformed import of_type, resolved

CORE = ROOT / "layers" / "gateway" / "sms_gateway"
VENDOR_CLIENT = CORE / "vendors" / "http_client.py"
EGRESS: dict[str, Any] = yaml_parse((ROOT / "egress.yaml").read_text())
GIVEN = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
INSIDE = {name: {"Fn::Split": [",", given]} for name, given in GIVEN.items()}
HOURS = 730  # of a month


def imported(path: Path, seen: set[Path]) -> set[Path]:
    """A file and all of the core's that it imports."""
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sms_gateway."):
            place = CORE.joinpath(*str(node.module).split(".")[1:])
            names = [place / f"{one.name}.py" for one in node.names]
            for module in names if place.is_dir() else [place.with_suffix(".py")]:
                if module not in seen:
                    imported(module, seen)
    return seen


def callers() -> set[str]:
    """The functions that can call a vendor, by logical id."""
    return {
        name
        for name, one in TEMPLATE["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
        and VENDOR_CLIENT in imported(ROOT / one["Properties"]["CodeUri"] / "app.py", set())
    }


def joins(statements: list[dict[str, Any]]) -> bool:
    return any(
        action.startswith("ec2:")
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    )


def joiners(resources: dict[str, dict[str, Any]]) -> set[str]:
    """The functions whose role may make network interfaces."""
    return {
        name.removesuffix("Role")
        for name, role in of_type(resources, "AWS::IAM::Role").items()
        if any(joins(policy["PolicyDocument"]["Statement"]) for policy in role["Policies"])
        or "VPCAccess" in json.dumps(role.get("ManagedPolicyArns", []))
    }


def test_those_that_call_vendors_are_known_by_their_imports() -> None:
    assert callers() == {
        "BalanceFunction",
        "DispatchFunction",
        "SchedulerFunction",
        "VendorAccountFunction",
        "VerifyFunction",
    }


def test_those_that_call_vendors_and_no_others_are_in_the_network() -> None:
    resources = resolved(**GIVEN)
    functions = of_type(resources, "AWS::Lambda::Function")
    assert {n for n, one in functions.items() if one.get("VpcConfig") == INSIDE} == callers()
    assert {n for n, one in functions.items() if "VpcConfig" in one} == callers()
    assert joiners(resources) == callers()


def test_without_subnets_nobody_is_in_a_network_nor_may_join_one() -> None:
    resources = resolved()
    functions = of_type(resources, "AWS::Lambda::Function")
    assert [n for n, one in functions.items() if "VpcConfig" in one] == []
    assert joiners(resources) == set()


def test_subnets_without_a_security_group_are_refused_before_anything_is_deployed() -> None:
    rule = TEMPLATE["Rules"]["Network"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SubnetIds"}, ""]}]}
    (one,) = rule["Assertions"]
    assert one["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SecurityGroupIds"}, ""]}]}


@pytest.mark.parametrize(("name", "kind"), [("SubnetIds", "subnet"), ("SecurityGroupIds", "sg")])
def test_ids_are_checked_before_anything_is_deployed(name: str, kind: str) -> None:
    pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]
    for good in ("", f"{kind}-0a1", f"{kind}-0a1,{kind}-0b2"):
        assert re.fullmatch(pattern, good)
    for bad in (f"{kind}-0a1, {kind}-0b2", f"{kind}-0a1,", f"{kind}-", "10.0.0.0/24"):
        assert not re.fullmatch(pattern, bad)


@pytest.mark.parametrize(("given", "known"), [({}, "false"), (GIVEN, "true")])
def test_the_function_that_warns_knows_whether_there_is_a_network(
    given: dict[str, str], known: str
) -> None:
    balance = resolved(**given)["BalanceFunction"]["Properties"]
    assert balance["Environment"]["Variables"]["FIXED_EGRESS"] == known


def test_the_network_passes_the_linter() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), str(ROOT / "egress.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("count", ["1", "2"])
def test_the_network_has_as_many_gateways_and_addresses_as_it_costs(count: str) -> None:
    parameters = EGRESS["Parameters"] | {"NatGateways": {"Default": count}}
    made = deployed(EGRESS | {"Parameters": parameters}).values()
    kinds = [one["Type"] for one in made]
    assert kinds.count("AWS::EC2::NatGateway") == kinds.count("AWS::EC2::EIP") == int(count)
    paid = {"NatGateway", "EIP"}
    free = {"VPC", "InternetGateway", "VPCGatewayAttachment", "Subnet", "RouteTable", "Route",
            "SubnetRouteTableAssociation", "VPCEndpoint", "SecurityGroup"}  # fmt: skip
    assert {kind.removeprefix("AWS::EC2::") for kind in kinds} == paid | free


def test_nothing_gets_into_the_network() -> None:
    group = EGRESS["Resources"]["FunctionsSecurityGroup"]["Properties"]
    assert "SecurityGroupIngress" not in group
    subnets = of_type(EGRESS["Resources"], "AWS::EC2::Subnet").values()
    assert all("MapPublicIpOnLaunch" not in one for one in subnets)


def test_the_tables_traffic_costs_nothing() -> None:
    (endpoint,) = of_type(EGRESS["Resources"], "AWS::EC2::VPCEndpoint").values()
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["ServiceName"]["Fn::Sub"].endswith(".dynamodb")
    assert endpoint["RouteTableIds"] == [{"Ref": "PrivateRoutesA"}, {"Ref": "PrivateRoutesB"}]


def test_the_outputs_name_the_gateways_parameters() -> None:
    assert {"SubnetIds", "SecurityGroupIds"} <= set(EGRESS["Outputs"]) & set(TEMPLATE["Parameters"])
    pasted = EGRESS["Outputs"]["ParameterOverrides"]["Value"]["Fn::Sub"]
    assert [one.partition("=")[0] for one in pasted.split()] == ["SubnetIds", "SecurityGroupIds"]


def test_the_guide_tells_the_cost_of_the_price_list() -> None:
    prices = tomllib.loads((ROOT / "bench" / "prices.toml").read_text())["month"]
    guide = (ROOT / "docs" / "guides" / "egress.md").read_text()
    nat, address = prices["nat_gateway_hour"] * HOURS, prices["public_address_hour"] * HOURS
    for gateways in (1, 2):
        for cost in (nat, address, nat + address):
            assert f"{cost * gateways:.2f} $" in guide
