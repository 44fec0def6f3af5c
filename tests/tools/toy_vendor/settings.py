"""What the captured cases of Acme can't say: settings."""

import pytest

from testing.vendor_cases import adapter


@pytest.mark.parametrize("name", ["token", "sender"])
def test_an_empty_setting_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        adapter("acme", **{name: ""})
