"""The network with a fixed egress address, deployed to the emulator, and the check of a vendor."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from local.processes import StackError
from local.stack import ROOT, LocalStack
from testing.deployed import Api

# The emulator's CloudFormation knows neither of these: stand-ins for what they return.
UNKNOWN = ("AWS::EC2::EIP", "AWS::EC2::NatGateway")
STAND_INS = {
    "NatGatewayA": "nat-00000000000000001",
    "NatGatewayB": "nat-00000000000000002",
    "AddressA.PublicIp": "198.51.100.1",
    "AddressB.PublicIp": "198.51.100.2",
}


def known(written: Any) -> Any:
    """A part of the template, with the stand-ins in it."""
    if isinstance(written, list):
        return [known(one) for one in written]
    if isinstance(written, str):
        for name, stand_in in STAND_INS.items():
            written = written.replace(f"${{{name}}}", stand_in)
        return written
    if not isinstance(written, dict):
        return written
    name = written.get("Ref") or ".".join(written.get("Fn::GetAtt", []))
    if len(written) == 1 and name in STAND_INS:
        return STAND_INS[name]
    return {key: known(value) for key, value in written.items()}


@pytest.fixture(scope="module", params=["1", "2"])
def network(stack: LocalStack, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The outputs of egress.yaml with one NAT gateway, and with one a zone."""
    template = yaml_parse((ROOT / "egress.yaml").read_text())
    resources = template["Resources"]
    template["Resources"] = {n: r for n, r in resources.items() if r["Type"] not in UNKNOWN}
    formation, name = stack.client("cloudformation"), f"egress-{request.param}"
    formation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(known(template)),
        Parameters=[{"ParameterKey": "NatGateways", "ParameterValue": request.param}],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    yield {one["OutputKey"]: one["OutputValue"] for one in outputs} | {"Count": request.param}
    formation.delete_stack(StackName=name)


def test_each_private_subnet_leaves_through_a_gateway_and_to_the_table_without(
    stack: LocalStack, network: dict[str, str]
) -> None:
    client, used, zones = stack.client("ec2"), [], set()
    (endpoint,) = [
        one
        for one in client.describe_vpc_endpoints()["VpcEndpoints"]
        if one["ServiceName"].endswith(".dynamodb") and one["VpcId"] == vpc(client, network)
    ]
    for subnet in network["SubnetIds"].split(","):
        (found,) = client.describe_subnets(SubnetIds=[subnet])["Subnets"]
        zones.add(found["AvailabilityZone"])
        (table,) = client.describe_route_tables(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
        )["RouteTables"]
        outward = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"]
        used += [route["NatGatewayId"] for route in outward]
        assert table["RouteTableId"] in endpoint["RouteTableIds"]
    gateways = [STAND_INS["NatGatewayA"], STAND_INS["NatGatewayB"]]
    assert used == (gateways if network["Count"] == "2" else gateways[:1] * 2)
    assert len(zones) == 2


def vpc(client: Any, network: dict[str, str]) -> str:
    """The network's own id."""
    subnet = network["SubnetIds"].partition(",")[0]
    found: str = client.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    return found


def test_the_outputs_name_every_address(network: dict[str, str]) -> None:
    addresses = [STAND_INS["AddressA.PublicIp"], STAND_INS["AddressB.PublicIp"]]
    assert network["Addresses"].split(",") == addresses[: int(network["Count"])]


def test_the_output_can_be_pasted_behind_parameter_overrides(network: dict[str, str]) -> None:
    assert network["ParameterOverrides"] == (
        f"SubnetIds={network['SubnetIds']} SecurityGroupIds={network['SecurityGroupIds']}"
    )
    assert len(network["SubnetIds"].split(",")) == 2
    assert network["SecurityGroupIds"].startswith("sg-")


def test_a_vendor_is_asked_from_inside_the_stack(stack: LocalStack) -> None:
    said = stack.run_smsgw("vendors", "check", "rajasms").splitlines()
    assert [line.split()[1] for line in said] == ["otp", "masking", "reguler"]
    assert all(re.search(r" \d+ IDR( until [-\d]{10} \(then it expires\))?$", one) for one in said)


def test_a_vendor_without_an_account_has_nothing_to_be_asked(stack: LocalStack) -> None:
    with pytest.raises(StackError, match="nobody: unknown vendor"):
        stack.run_smsgw("vendors", "check", "nobody")


def test_the_vendors_that_register_addresses_are_warned_of(api: Api) -> None:
    shown = api("GET", "/vendors").body["vendors"]
    warned = {one["vendor"] for one in shown if any("egress.md" in w for w in one["warnings"])}
    assert warned == {"dinisoft", "rajasms"}
