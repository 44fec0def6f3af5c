"""Texts are counted and cut as TS 23.038 says, and as an independent library does."""

import random
import sys

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from sms_gateway.sms.encoding import encoding_of, not_gsm7, segments, split
from sms_gateway.vendors.types import Encoding

EXTENSION = "\f^{}\\[~]|€"
LIMITS: dict[Encoding, tuple[int, int]] = {"gsm7": (160, 153), "ucs2": (70, 67)}
POOLS = {
    "plain": "abcdefghijklmnopqrstuvwxyz ABC 0123456789.,!?@£$¥èéùìòÇ\n\rØøΔΦΓ_",
    "extension": "abc defgh" + EXTENSION,
    "bengali": "আমার সোনার বাংলা তোমায়",
    "emoji": "ab😀🎉👍🏽👩‍👩‍👧 ",
    "combining": "e\u0301a\u0308n\u0303 o\u0302\u0331",
    "surrogates": "ab\ud83d😀\udc00",
    "mixed": "abc [€] é à ç ` \t “” … 😀 e\u0301",
}

texts = st.text(max_size=400) | st.text(st.sampled_from("ab€[]{}"), max_size=700)
wide = st.text(st.characters(codec=None), max_size=300)


def units(text: str, encoding: Encoding) -> int:
    if encoding == "gsm7":
        return sum(2 if char in EXTENSION else 1 for char in text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", "gsm7", 1),
        ("a" * 160, "gsm7", 1),
        ("a" * 161, "gsm7", 2),
        ("a" * 306, "gsm7", 2),
        ("a" * 307, "gsm7", 3),
        ("€" * 80, "gsm7", 1),
        ("€" * 81, "gsm7", 2),
        ("a" * 152 + "€" + "a" * 153, "gsm7", 3),  # the pair does not fit behind 152
        ("আ" * 70, "ucs2", 1),
        ("আ" * 71, "ucs2", 2),
        ("আ" * 134, "ucs2", 2),
        ("আ" * 135, "ucs2", 3),
        ("😀" * 35, "ucs2", 1),
        ("😀" * 36, "ucs2", 2),
        ("😀" * 67, "ucs2", 3),  # 33 pairs a part, not 33 and a half
    ],
)
def test_a_text_takes_the_segments_of_the_standard(
    text: str, encoding: Encoding, count: int
) -> None:
    assert (encoding_of(text), segments(text)) == (encoding, count)


def test_an_extension_character_is_never_split() -> None:
    assert split("a" * 152 + "€" + "a" * 100) == ["a" * 152, "€" + "a" * 100]


def test_a_surrogate_pair_is_never_split() -> None:
    assert split("আ" * 66 + "😀" + "আ" * 10) == ["আ" * 66, "😀" + "আ" * 10]


def test_a_text_of_the_gsm_alphabet_can_be_counted_as_unicode() -> None:
    assert segments("a" * 71, "ucs2") == 2
    assert split("€" * 71, "ucs2") == ["€" * 67, "€" * 4]


def test_the_gsm_alphabet_has_127_characters_and_10_more() -> None:
    alphabet = {char for char in map(chr, range(sys.maxunicode + 1)) if encoding_of(char) == "gsm7"}
    # The other library counts the escape of the default table as a character; alone it is none.
    assert alphabet == set(smsutil.codecs.GSM_CHARSET) - {"\x1b"}
    assert len(alphabet) == 137


def test_the_characters_that_force_unicode_are_named_once_in_order() -> None:
    assert not_gsm7("a“b” “c” é😀 ` 😀") == ["“", "”", "😀", "`"]


@given(wide)
def test_a_text_without_foreign_characters_is_gsm7(text: str) -> None:
    assert (encoding_of(text) == "gsm7") == (not_gsm7(text) == [])


@given(texts | wide)
@example("")
@example("\ud800" * 71)
def test_the_parts_joined_are_the_text_and_none_is_too_long(text: str) -> None:
    encoding = encoding_of(text)
    single, part = LIMITS[encoding]
    parts = split(text)
    assert "".join(parts) == text
    assert len(parts) == segments(text)
    sizes = [units(each, encoding) for each in parts]
    # A cut pair would add up to more, or to fewer, than the text's own units.
    assert sum(sizes) == units(text, encoding)
    assert max(sizes) <= (single if len(parts) == 1 else part)
    # No part but the last has room for the character that follows it.
    assert all(size >= part - 1 for size in sizes[:-1])


@given(st.text(st.sampled_from("aআ😀"), min_size=60, max_size=300))
def test_forced_unicode_is_counted_like_found_unicode(text: str) -> None:
    parts = split(text, "ucs2")
    assert "".join(parts) == text
    assert len(parts) == segments(text, "ucs2")
    assert all(units(each, "ucs2") <= 70 for each in parts)


@pytest.mark.parametrize("pool", POOLS)
def test_parts_agree_with_an_independent_library(pool: str) -> None:
    """1,000 texts of each pool, most of them of a length near a limit."""
    choose = random.Random(pool)  # noqa: S311 - texts, not secrets
    for _ in range(1000):
        near = choose.choice((0, 35, 67, 70, 80, 134, 153, 160, 201, 306, 459))
        text = "".join(choose.choices(POOLS[pool], k=max(0, near + choose.randint(-5, 5))))
        theirs = smsutil.split(text)
        assert split(text) == ([part.content for part in theirs.parts])
        # Where there is nothing to encode they say Unicode and this package the GSM alphabet.
        assert (encoding_of(text) == "gsm7") == (theirs.encoding == "gsm0338" or text == "")


def test_a_lone_escape_is_the_one_difference_to_the_independent_library() -> None:
    """Escape introduces an extension character (TS 23.038 6.2.1, note 1) and is none itself: they
    send it as one septet, which would swallow the character after it."""
    text = "\x1b" + "e" * 70
    assert (smsutil.split(text).encoding, len(smsutil.split(text).parts)) == ("gsm0338", 1)
    assert (encoding_of(text), segments(text)) == ("ucs2", 2)
