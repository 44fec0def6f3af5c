"""`gsm7` writes what looks alike, refuses what does not, and never changes a meaning."""
# ruff: noqa: RUF001 - look-alikes are what this is about

import random
import sys
import unicodedata

import pytest
import smsutil
import text_unidecode
from hypothesis import example, given
from hypothesis import strategies as st

from sms_gateway.sms.encoding import encoding_of, segments, split
from sms_gateway.sms.transliteration import describe_character, name_of, to_gsm7

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
ASSIGNED = [one for one in EVERY if unicodedata.category(one) not in ("Cn", "Co", "Cs")]
wide = st.text(st.characters(codec=None), max_size=60)
latin = st.text(st.characters(max_codepoint=0x2FFF, categories=["L", "M", "P", "S", "Z"]))

POOLS: dict[str, str | list[str]] = {
    "typographic": "abc def “”‘’„«»–—…\u00a0\u2009\u202f-.,",
    "accents": "ŁódźčěšřžýáíéůúőűŐŰãõñçêîâşğıİțșđĐŵŷ aeiou",
    "decomposed": ["e\u0301", "a\u0308", "n\u0303", "o\u0302\u0323", "c\u0327", "z\u030c", " "],
    "full width": "Ａｂｃ１２３！？ ＠［］ ﬁﬂ №™ Ⅳ",
    "greek capitals": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ ΆΈΉ",
    "extension": "“€” [{^}] ～｜ \\ `´ – …",
}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("“It’s” ‘here’ „now‟ «or» ‹not›", "\"It's\" 'here' \"now\" \"or\" 'not'"),
        ("a–b—c‑d−e", "a-b-c-d-e"),
        ("a\u00a0b\u2009c\u3000d\te", "a b c d e"),
        ("one\u2028two\u2029three\u0085four", "one\ntwo\nthree\nfour"),
        ("and so on…", "and so on..."),
        ("Łódź, Příbram, Győr, São, Đà Nẵng", "Lodz, Pribram, Gyor, Sao, Dà Nang"),
        ("ǻ ǘ ḉ Ç", "å ü c Ç"),  # as much of the accents as the alphabet has
        ("e\u0301 = é, a\u030a = å, n\u0303 = ñ", "é = é, å = å, ñ = ñ"),
        ("ﬁne oﬀer, Œuvre, ĳs", "fine offer, OEuvre, ijs"),
        ("Ｈｅｌｌｏ 𝐁𝐨𝐥𝐝 №５™", "Hello Bold No5TM"),
        ("ΚΑΛΗΜΕΡΑ ΩΡΑ", "KAΛHMEPA ΩPA"),
        ("soft\u00adhyphen zero\u200bwidth\ufeff ©\ufe0f", "softhyphen zerowidth (C)"),
        ("`code´ 5′ 6″", "'code' 5' 6''"),
        ("already @£$€[ok]", "already @£$€[ok]"),
        ("", ""),
    ],
)  # fmt: skip
def test_look_alikes_are_written(text: str, written: str) -> None:
    assert to_gsm7(text) == (written, [])


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("1 ≠ 2", "≠"),  # not "1 = 2"
        ("10² m³", "²³"),  # not 102
        ("3½ ¼", "½¼"),  # not 31/2
        ("s\u0336a\u0336le", "\u0336"),  # struck out is not what stands there
        ("\u202e321", "\u202e"),  # shown as 123
        ("50₹ or ৳5", "₹৳"),
        ("25°C", "°"),
        ("Привет", "Привет"),  # another script is nothing alike, whatever its letters look like
        ("καλημέρα", "καλημέρ"),
        ("আমি", "আমি"),
        ("你好", "你好"),
        ("a😀b👍🏽", "😀👍🏽"),
        ("①", "①"),
        ("\x00\x1b\ud800", "\x00\x1b\ud800"),
    ],
)
def test_what_looks_like_nothing_is_named_once_in_order(text: str, without: str) -> None:
    assert to_gsm7(text)[1] == list(without)


def test_a_character_is_named_by_number_and_name() -> None:
    assert describe_character("’") == "U+2019 RIGHT SINGLE QUOTATION MARK"
    assert describe_character("😀") == "U+1F600 GRINNING FACE"
    assert (describe_character("\x00"), name_of("\x00")) == ("U+0000", None)


@given(wide | latin)
@example("´")
def test_a_text_is_written_whole_or_what_is_in_the_way_is_named(text: str) -> None:
    written, without = to_gsm7(text)
    assert (encoding_of(written) == "gsm7") == (without == [])
    assert set(without) <= set(written)
    assert all(encoding_of(one) == "ucs2" for one in without)
    if not without:
        assert to_gsm7(written) == (written, [])


@given(st.text(st.sampled_from("aé@€[]\n ÄΩ'\"")))
def test_a_text_of_the_alphabet_stays_as_it_is(text: str) -> None:
    assert to_gsm7(text) == (text, [])


@given(latin)
def test_composed_and_decomposed_texts_are_written_alike(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert to_gsm7(composed) == to_gsm7(decomposed)


@pytest.mark.parametrize("pool", POOLS)
def test_what_is_written_is_counted_as_an_independent_library_counts_it(pool: str) -> None:
    """1,000 texts of each pool, most of them of a length near a limit. No differences: the one
    that there is (a lone escape, see test_encoding) is never written."""
    choose = random.Random(pool)  # noqa: S311 - texts, not secrets
    for _ in range(1000):
        near = choose.choice((0, 35, 70, 140, 153, 160, 201, 306, 459))
        asked = "".join(choose.choices(POOLS[pool], k=max(1, near + choose.randint(-5, 5))))
        text, without = to_gsm7(asked)
        assert without == []
        theirs = smsutil.split(text)
        assert (theirs.encoding, len(theirs.parts)) == ("gsm0338", segments(text))
        assert [part.content for part in theirs.parts] == split(text)


def explained(character: str, ours: str, theirs: str) -> bool:
    """Whether a difference to text-unidecode, which writes ASCII for any script, has a reason."""
    return (
        theirs in ("", "[?]", "[?] ")  # it does not know the character
        or ours.casefold() == theirs.casefold()
        # The GSM alphabet has accents, and signs, that ASCII lacks.
        or (not ours.isascii() and text_unidecode.unidecode(ours) == theirs)
        or ours in "£¥"
        # Both draw it with other punctuation, such as two hyphens for an em dash.
        or not any(one.isalnum() for one in ours + theirs)
        # Ours go by the shape of Greek capitals, as the GSM alphabet does; theirs by the sound.
        or unicodedata.name(character).startswith("GREEK")
        # Theirs: "@" for a schwa, the two engs swapped, no dot between two l.
        or character in "Əəŋ\u014aĿŀ"
    )


def test_look_alikes_agree_with_an_independent_library() -> None:
    compared = 0
    for character in ASSIGNED:
        if encoding_of(character) == "gsm7":
            continue
        written, without = to_gsm7(character)
        if without:
            continue
        theirs = text_unidecode.unidecode(character)
        compared += 1
        assert written == theirs or explained(character, written, theirs), describe_character(
            character
        )
    assert compared > 2000


def test_what_is_no_character_yet_has_no_look_alike() -> None:
    others = sorted(set(EVERY) - set(ASSIGNED))
    assert to_gsm7("".join(others)) == ("".join(others), others)


def test_every_latin_letter_of_a_living_alphabet_has_a_look_alike() -> None:
    """Latin-1, Latin Extended-A, the Romanian letters, and Vietnamese and the like."""
    codes = [*range(0xC0, 0x180), *range(0x218, 0x21C), *range(0x1E00, 0x1E9A), 0x1E9E]
    codes += range(0x1EA0, 0x1EFA)
    letters = [chr(code) for code in codes if chr(code).isalpha()]
    assert [one for one in letters if to_gsm7(one)[1]] == []
