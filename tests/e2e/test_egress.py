"""The network with a fixed egress address, deployed to the emulator, and the check of a vendor."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2e.conftest import Api

from local.processes import StackError
from local.stack import ROOT, LocalStack

NAME = "sms-gateway-egress"


@pytest.fixture(scope="module", params=["1", "2"])
def network(stack: LocalStack, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The outputs of egress.yaml with one NAT gateway, and with one a zone."""
    formation = stack.client("cloudformation")
    name = f"{NAME}-{request.param}"
    formation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "egress.yaml").read_text(),
        Parameters=[{"ParameterKey": "NatGateways", "ParameterValue": request.param}],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    yield {one["OutputKey"]: one["OutputValue"] for one in outputs} | {"Count": request.param}
    formation.delete_stack(StackName=name)


def gateways(stack: LocalStack, network: dict[str, str]) -> list[str]:
    """Where each private subnet's calls leave to the internet."""
    found = []
    for subnet in network["SubnetIds"].split(","):
        tables = stack.client("ec2").describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
        )["RouteTables"]
        (table,) = tables
        outward = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
        found += [route["NatGatewayId"] for route in outward]
    return found


def test_calls_leave_from_the_addresses_that_the_outputs_name(
    stack: LocalStack, network: dict[str, str]
) -> None:
    used = gateways(stack, network)
    assert len(used) == 2
    assert len(set(used)) == int(network["Count"])
    found: list[dict[str, Any]] = stack.client("ec2").describe_nat_gateways(
        NatGatewayIds=sorted(set(used))
    )["NatGateways"]
    addresses = stack.client("ec2").describe_addresses()["Addresses"]
    known = {one["AllocationId"]: one["PublicIp"] for one in addresses}
    shown = {known[one["NatGatewayAddresses"][0]["AllocationId"]] for one in found}
    assert shown == set(network["Addresses"].split(","))


def test_the_output_can_be_pasted_behind_parameter_overrides(network: dict[str, str]) -> None:
    assert network["ParameterOverrides"] == (
        f"SubnetIds={network['SubnetIds']} SecurityGroupIds={network['SecurityGroupIds']}"
    )
    assert len(network["SubnetIds"].split(",")) == 2
    assert network["SecurityGroupIds"].startswith("sg-")


def test_a_vendor_is_asked_from_inside_the_stack(stack: LocalStack) -> None:
    said = stack.run_smsgw("vendors", "check", "rajasms").splitlines()
    assert [line.split()[1] for line in said] == ["otp", "masking", "reguler"]
    assert all(line.endswith(" IDR") for line in said)


def test_a_vendor_without_an_account_has_nothing_to_be_asked(stack: LocalStack) -> None:
    with pytest.raises(StackError, match="invalid choice"):
        stack.run_smsgw("vendors", "check", "acme")


def test_the_vendors_that_register_addresses_are_warned_of(api: Api) -> None:
    shown = api("GET", "/vendors").body["vendors"]
    warned = {one["vendor"] for one in shown if any("egress.md" in w for w in one["warnings"])}
    assert warned == {"dinisoft", "rajasms"}
