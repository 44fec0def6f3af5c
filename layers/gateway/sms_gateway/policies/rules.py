"""What the policies of a tenant and a key refuse, and how that is told."""

from collections.abc import Sequence
from datetime import datetime

from sms_gateway.config.senders import plain
from sms_gateway.core.ip_addresses import read_address
from sms_gateway.core.problems import ForbiddenError, InvalidRequestError
from sms_gateway.policies.document import Policy
from sms_gateway.sms.number_types import number_type_of
from sms_gateway.sms.phone_numbers import country_of

CURE = "the operator of the gateway can change that"


class Rules:
    """Policies that hold together: what one refuses is refused."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = policies

    def refuse_expired(self, now: datetime) -> None:
        """Raise ForbiddenError after the end of a policy."""
        if any(one.expires_at is not None and one.expires_at <= now for one in self._policies):
            raise ForbiddenError(
                f"The policy of this tenant or key ended, and nothing is sent any more: {CURE}.",
                slug="policy-expired",
            )

    def refuse_late(self, send_at: datetime, pointer: str) -> None:
        """Raise InvalidRequestError for a message that would leave after the end of a policy."""
        if any(one.expires_at is not None and one.expires_at <= send_at for one in self._policies):
            raise _refusal("policy-expired", "this time, which is after its end", pointer)

    def refuse_address(self, address: str | None) -> None:
        """Raise ForbiddenError for a request from an address that is not allowed."""
        for policy in self._policies:
            networks = policy.networks
            if networks is None:
                continue
            if address is None or not any(read_address(address) in one for one in networks):
                raise ForbiddenError(
                    f"The policy of this tenant or key does not allow this address: {CURE}.",
                    slug="address-not-allowed",
                )

    def refuse_recipient(
        self, to: str, category: str, sender: str | None, pointer: str, to_pointer: str
    ) -> None:
        """Raise InvalidRequestError for a message that is not allowed; `to` is E.164."""
        for policy in self._policies:
            if policy.recipients is not None and to not in policy.recipients:
                raise _refusal("recipient-not-allowed", "this number", to_pointer)
            if policy.countries is not None and country_of(to) not in policy.countries:
                raise _refusal("country-not-allowed", "numbers of this country", to_pointer)
            if policy.refused_number_types and number_type_of(to) in policy.refused_number_types:
                raise _refusal("number-type-not-allowed", "numbers of this type", to_pointer)
            if policy.categories is not None and category not in policy.categories:
                raise _refusal("category-not-allowed", "this category", f"{pointer}/category")
            if sender is not None and not _has(policy.senders, sender):
                raise _refusal("sender-not-allowed", "this sender", f"{pointer}/from")


def _has(senders: Sequence[str] | None, sender: str) -> bool:
    return senders is None or plain(sender) in map(plain, senders)


def _refusal(slug: str, what: str, pointer: str) -> InvalidRequestError:
    detail = f"The policy of this tenant or key does not allow {what}: {CURE}."
    return InvalidRequestError(detail, slug=slug, pointer=pointer)
