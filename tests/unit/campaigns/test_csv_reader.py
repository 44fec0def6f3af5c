"""A campaign's file, in blocks cut anywhere: the same records, each with the byte behind it."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms_gateway.campaigns.columns import build_draft, fill_template, parse_head
from sms_gateway.campaigns.csv_reader import (
    BOM,
    MAX_RECORD_BYTES,
    FileError,
    Layout,
    Record,
    read_records,
)
from sms_gateway.campaigns.result_rows import without_formula
from sms_gateway.core.problems import InvalidRequestError
from sms_gateway.messages.request import Draft

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
TABLES = st.lists(
    st.tuples(CELLS, CELLS).filter(lambda row: "".join(row).strip()), min_size=1, max_size=12
)
LAYOUT = Layout(("to", "text"))


def written(table: Sequence[Sequence[str]], ending: str, bom: bool) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=ending).writerows(table)
    return (BOM if bom else b"") + out.getvalue().encode()


def cut(raw: bytes, places: Sequence[int]) -> Iterator[bytes]:
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return (raw[start:end] for start, end in pairwise(edges))


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.lists(st.integers(0)))
def test_records_do_not_depend_on_where_blocks_end(
    table: list[tuple[str, str]], ending: str, bom: bool, places: list[int]
) -> None:
    raw = written(table, ending, bom)
    found = list(read_records(cut(raw, places)))
    assert [tuple(one.cells or ()) for one in found] == table
    assert found[-1].end == len(raw)


@given(TABLES, st.booleans(), st.lists(st.integers(0)), st.data())
def test_reading_goes_on_at_the_end_of_any_record(
    table: list[tuple[str, str]], bom: bool, places: list[int], data: st.DataObject
) -> None:
    raw = written(table, "\r\n", bom)
    found = list(read_records([raw]))
    done = data.draw(st.integers(1, len(found)))
    start = found[done - 1].end
    assert list(read_records(cut(raw[start:], places), start)) == found[done:]


@given(st.binary(max_size=300), st.lists(st.integers(0)))
def test_any_bytes_are_read_to_their_end_or_refused_as_a_file(
    raw: bytes, places: list[int]
) -> None:
    try:
        found = list(read_records(cut(raw, places)))
    except FileError:
        return
    ends = [one.end for one in found]
    assert ends == sorted(set(ends))
    assert not ends or ends[-1] <= len(raw)
    assert found == list(read_records([raw]))


def cells(raw: str, layout: Layout = LAYOUT) -> list[Sequence[str] | None]:
    return [one.cells for one in read_records([raw.encode()], 0, layout)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('a,b\nc,"d\ne,f\n', [["a", "b"], None, ["e", "f"]]),
        ('a,"b"x\nc,d\n', [None, ["c", "d"]]),
        ('a,"b\nc,d\ne,"f"\n', [None, ["c", "d"], ["e", "f"]]),
        ('a,"b\nc,d",e\nf,g\n', [None, ["c", 'd"', "e"], ["f", "g"]]),
        ("a,b\rc,d\ne,f\n", [None, ["e", "f"]]),
        ("\n\r\na,b\n\n", [["a", "b"]]),
        ("a,b\n,\n , \n,,,\nc,d\n", [["a", "b"], ["c", "d"]]),
        ('a,"b\nc, d"\ne,f\n', [["a", "b\nc, d"], ["e", "f"]]),
        (
            '+8801000000041,"Big sale today\n+8801000000042,Your code is 1234\n'
            '+8801000000043,Your new TV is 55"\n+8801000000044,bye\n',
            [
                None,
                ["+8801000000042", "Your code is 1234"],
                ["+8801000000043", 'Your new TV is 55"'],
                ["+8801000000044", "bye"],
            ],
        ),
        (
            '+8801000000041,"Big sale\n"01712345678",Hi 5"\n+8801000000044,bye\n',
            [None, ["01712345678", 'Hi 5"'], ["+8801000000044", "bye"]],
        ),
    ],
)
def test_a_broken_record_gives_up_its_first_line_only(
    raw: str, expected: list[Sequence[str] | None]
) -> None:
    assert cells(raw) == expected


def test_a_quote_that_is_never_closed_does_not_fill_the_memory() -> None:
    line = f"a,{'x' * 1000}\n".encode()
    found = list(read_records([b'a,"\n', *[line] * 500]))
    assert found[0] == Record(4, None, "a quote is opened and never closed")
    assert len(found) == 501


def test_a_line_that_never_ends_is_no_file() -> None:
    endless = (b"x" * 1000 for _ in iter(int, 1))
    with pytest.raises(FileError, match=r"line at byte 4 has more than 1048576 .* line feed"):
        list(read_records(block for some in ([b"a,b\n"], endless) for block in some))


@pytest.mark.parametrize("size", [7, 999, 70_000, 1 << 20])
@pytest.mark.parametrize("row", [b"c,%s\n", b'c,"%s"\n', b'c,"d\n%s\n"\n'])
def test_a_row_that_is_too_long_is_refused_alone(row: bytes, size: int) -> None:
    long = row % (b"x" * 40_000)
    raw = b"a,b\n" + long + b"e,f\n" + b"x" * MAX_RECORD_BYTES
    blocks = (raw[at : at + size] for at in range(0, len(raw), size))
    found = list(read_records(blocks, 0, LAYOUT))
    assert [one.cells for one in found if one.cells] == [
        ["a", "b"],
        ["e", "f"],
        [raw[-MAX_RECORD_BYTES:].decode()],
    ]
    assert found[-1].end == len(raw)
    widest = max(map(len, long.splitlines(keepends=True)))
    faults = [one.error for one in found if one.cells is None]
    assert faults.count(f"it has {widest} bytes and may have 32768") == 1
    (place,) = [one.end for one in found if one.cells == ["e", "f"]]
    assert place == raw.index(b"e,f\n") + 4
    assert list(read_records([raw[place:]], place, LAYOUT)) == found[-1:]


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"a,b\nc,\xe9\n", 6),
        (b'a,b\nc,"\xe9"\n', 7),
        (b'a,b\nc,"d\n\xe9"\n', 9),
        (BOM + b"a,\xe9\n", 5),
        (BOM + b'a,"\xe9"\n', 6),
    ],
)
def test_a_character_that_is_not_utf_8_is_named_by_its_byte(raw: bytes, place: int) -> None:
    assert raw[place] == 0xE9
    with pytest.raises(FileError, match=rf"not UTF-8 \(byte {place}\)"):
        list(read_records([raw]))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("raw", ["to,text\n+1,Hi\n", '"to","text"\r\n"+1","Hi"\r\n'])
def test_utf_16_is_called_so(raw: str, encoding: str) -> None:
    with pytest.raises(FileError, match="UTF-16") as error:
        parse_head(raw.encode(encoding))
    assert error.value.slug == "campaign-encoding"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'to,"text\n', "can't be read: unexpected end of data"),
        (b"to,text\r+1,Hi\r", "can't be read: a carriage return stands alone"),
        (b"to," + b"x" * 40_000, "can't be read: it has 40003 bytes"),
    ],
)
def test_a_first_line_that_can_not_be_read_says_why(raw: bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        parse_head(raw)


def test_braces_and_placeholders() -> None:
    row = {"name": "Ani", "a b": "{name}", "none": ""}
    assert fill_template("{{{name}}} { name } {a b} {}x"[:-3], row) == "{Ani} Ani {name} "
    for template in ("{nobody}", "{none}", "{}"):
        with pytest.raises(InvalidRequestError, match="does not have"):
            fill_template(template, row)


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        ("to,text,,\n", ","),
        ("sep=,\nto,text\n", ","),
        ('"sep=;"\r\nto;text\r\n', ";"),
        ("SEP=|\nto|text\n", "|"),
        (" To , TEXT\n", ","),
        ("to;text\n", ";"),
        ("to\ttext\n", "\t"),
        ("\ufeff\ufeffto,text\n", ","),
        ('\ufeff"to","text"\n', ","),
        ("\ufeffsep=,\n\ufeffTo,Text\u200b\n", ","),
        (",,\nto,text\n", ","),
    ],
)
def test_what_spreadsheets_add_to_a_first_line_is_no_content(head: str, delimiter: str) -> None:
    found = parse_head((head + f"+8801000000041{delimiter}Hi\n").encode())
    assert [name for name in found.layout.columns if name] == ["to", "text"]
    assert found.layout.delimiter == delimiter
    rest = (head + f"+8801000000041{delimiter}Hi{delimiter * 2}\n").encode()[found.end :]
    (row,) = read_records([rest], found.end, found.layout)
    draft = build_draft(0, row, found.layout.columns, {})
    assert (draft.to, draft.text) == ("+8801000000041", "Hi")


@pytest.mark.parametrize(
    "head", ["name,text\n", "to,to,text\n", "To,TO,text\n", "to,text,template\n"]
)
def test_a_first_line_that_sends_nothing_is_refused(head: str) -> None:
    with pytest.raises(FileError) as refused:
        parse_head(head.encode())
    assert refused.value.slug == "campaign-columns"


def row(columns: str, cells: str) -> Draft:
    head = parse_head(f"{columns}\n".encode())
    (record,) = read_records([f"{cells}\n".encode()], head.end, head.layout)
    return build_draft(0, record, head.layout.columns, {"category": "otp"})


def test_a_template_finds_its_columns_whatever_their_case_and_spaces() -> None:
    found = row("To, First  Name ,Template", '+8801000000041,Ani,"Hi {first name}, {FIRST NAME}!"')
    assert found.text == "Hi Ani, Ani!"


def test_a_nameless_column_is_no_placeholder() -> None:
    with pytest.raises(InvalidRequestError, match="needs the column"):
        row("to,template,", "+8801000000041,Hi {},Ani")


def test_a_row_has_a_region_and_a_number_kept_as_text() -> None:
    found = row("to,text,region", '"=""01712345678""",Hi,bd')
    assert (found.to, found.options.region) == ("01712345678", "BD")


@pytest.mark.parametrize(
    ("words", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+44", "'+44"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "  '=1"),
        ("\t=1", "\t'=1"),
        ("\0=1", "\0'=1"),
        ("\x1b\ufeff\u202e=1", "\x1b\ufeff\u202e'=1"),
        ("refused;\u200b@SUM(A1)", "refused;\u200b'@SUM(A1)"),
        ("refused;=HYPERLINK(1)", "refused;'=HYPERLINK(1)"),
        ('a,"=1"', 'a,"\'=1"'),
        ("\uff1d1", "'\uff1d1"),
        ("not a number: 1=1, a-b", "not a number: 1=1, a-b"),
        (None, ""),
    ],
)
def test_no_word_is_a_formula_in_a_results_file(words: str | None, cell: str) -> None:
    assert without_formula(words) == cell
