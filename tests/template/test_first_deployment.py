"""A first deployment: nothing asks, nothing tracked is written, parameters say what they are."""

import subprocess
import tomllib

from testing.paths import ROOT
from testing.template import TEMPLATE

PARAMETERS = TEMPLATE["Parameters"]


def test_each_parameter_is_described_and_in_one_group() -> None:
    assert [name for name, one in PARAMETERS.items() if not one.get("Description")] == []
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(PARAMETERS)


def test_each_parameter_has_a_default_so_that_nothing_is_asked() -> None:
    assert [name for name, one in PARAMETERS.items() if "Default" not in one] == []


def test_sam_deploy_waits_for_no_answer_and_has_what_it_needs() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]
    assert settings["parameters"]["confirm_changeset"] is False
    assert settings["parameters"]["resolve_s3"] is True
    assert settings["parameters"]["capabilities"] == "CAPABILITY_IAM"


def test_parameters_of_ones_own_are_not_tracked() -> None:
    command = ["git", "check-ignore", "--no-index", "deploy.toml"]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_no_recipe_uses_a_path_of_a_build_without_quotes() -> None:
    for layer in ("gateway", "cognito"):
        _, _, recipe = (ROOT / "layers" / layer / "Makefile").read_text().partition("build-")
        for variable in ("$(LAYER)", "$(ARM)"):
            assert recipe.count(variable) == recipe.count(f'"{variable}')
