"""What a dashboard adds up is logged, without names; without a dashboard nothing is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sms_gateway.messages.cancel import cancel_message
from sms_gateway.core.timestamps import utc_now
from sms_gateway.vendor_accounts.balances import get_balances
from sms_gateway.config import vendor_accounts
from testing.callbacks import server2sms
from testing.gateway import Gateway
from testing.settings import set_account, set_routes
from testing.vendor_answers import SUBMIT, TAKES
