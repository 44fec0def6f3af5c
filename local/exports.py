"""What a shell must know to use the running stack."""

import shlex

from local.stack import LocalStack


def exports(stack: LocalStack) -> str:
    """Return `export` lines: base URL, keys and simulators, and the emulator for the AWS CLI."""
    variables = {
        "URL": stack.facts["url"],
        "KEY": stack.facts["key"],
        "ADMIN_KEY": stack.facts["admin_key"],
        "SIMULATORS": stack.simulators,
        **{name: v for name, v in stack.environment.items() if name.startswith("AWS_")},
    }
    return "".join(f"export {name}={shlex.quote(v)}\n" for name, v in variables.items())
