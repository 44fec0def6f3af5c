"""The text of an otp at rest: it takes the message, its submission and the stack's secret."""

from copy import replace

import pytest

from sms_gateway.messages.sealed_text import SealBrokenError, new_seed, open_content, seal
from sms_gateway.storage.models import ItemKey, Message, MessageContent, SealedText

SECRET = b"a secret of the stack, 32 bytes or more"
KEY = ItemKey("01M80KD8NAXEPBMQYG8412XQAJ", "M#007")
TEXTS = [
    "",
    "1",
    "Your code is 482913",
    "Ваш код 482913 🎉",
    "\0 zeros at both ends\0" * 200,
]


def stored(text: str, seed: bytes) -> Message:
    """Return a message as a worker reads it."""
    content = MessageContent(to="+8801000000001", text=text, category="otp")
    message = Message(KEY, replace(content, text=""), None, ())
    data = seal(content, message.id, seed, lambda: SECRET)
    assert data is not None
    return replace(message, sealed=SealedText(seed, data))


@pytest.mark.parametrize("text", TEXTS)
def test_a_sealed_text_opens_as_it_was(text: str) -> None:
    assert open_content(stored(text, new_seed()), lambda: SECRET).text == text


def test_the_same_text_is_never_sealed_to_the_same_bytes() -> None:
    sealed = [stored("Your code is 482913", new_seed()).sealed for _ in range(100)]
    assert len({one.data for one in sealed if one}) == 100
    assert not any(b"482913" in one.data for one in sealed if one)


@pytest.mark.parametrize("missing", ["sealed", "seed", "secret", "id", "data"])
def test_without_one_of_its_parts_a_text_stays_closed(missing: str) -> None:
    message, secret = stored("Your code is 482913", new_seed()), SECRET
    sealed = message.sealed
    assert sealed
    match missing:
        case "sealed":
            message = replace(message, sealed=None)
        case "seed":
            message = replace(message, sealed=replace(sealed, seed=new_seed()))
        case "secret":
            secret = SECRET[::-1]
        case "id":
            message = replace(message, key=replace(KEY, sort="M#008"))
        case _:
            other = bytes([*sealed.data[:-1], sealed.data[-1] ^ 1])
            message = replace(message, sealed=replace(sealed, data=other))
    with pytest.raises(SealBrokenError, match="message key"):
        open_content(message, lambda: secret)


def unasked() -> bytes:
    """A key that nobody may ask for: to read it is a call of Secrets Manager."""
    raise AssertionError


def test_other_categories_are_not_sealed() -> None:
    content = MessageContent(to="+8801000000001", text="Your order is on its way")
    assert seal(content, KEY.batch + "007", b"", unasked) is None
    assert open_content(Message(KEY, content, None, ()), unasked).text == content.text
