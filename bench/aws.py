"""The former place of testing/aws.py, for whoever still imports it from here."""

from testing.aws import ENVIRONMENT, served

__all__ = ["ENVIRONMENT", "served"]
