"""The description of a vendor: what it may say. docs/describing-a-vendor.md explains it.

msgspec reads these structs and makes the published schema of them. What types can't say is checked
in `checks`. `Node` is a request's tree of values, which `trees` explains.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

END = r"$(?!\n)"  # Python's $ alone also stands before a last line break
NODE = {"$ref": "#/$defs/Node"}
Node = Annotated[Any, Meta(extra_json_schema=NODE)]
Fields = Annotated[Any, Meta(extra_json_schema={"type": "object", "additionalProperties": NODE})]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,30}" + END)]
Pointer = Annotated[str, Meta(pattern="^(/[^/]*)*$", description="A JSON Pointer (RFC 6901).")]
Pattern = Annotated[str, Meta(min_length=1, description="A regular expression as RE2 reads it.")]
Http = Annotated[str, Meta(pattern="^[1-5](xx|[0-9][0-9])" + END)]
Words = Annotated[list[str], Meta(min_length=1)]
Currency = Annotated[str, Meta(pattern="^([A-Z]{3}|credits|[{][a-z][a-z0-9_]*[}])" + END)]
Format = Literal["json", "xml", "form", "json-in-form"]
Kind = Literal["text", "secret", "url", "path", "switch", "choice", "by_category"]


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a description, which knows all its fields."""


class Setting(Part, frozen=True, kw_only=True):
    """A setting of an account. Without a `default` it must be given, unless it is `optional`."""

    name: Name
    kind: Kind = "text"
    optional: bool = False
    default: str | bool | dict[str, str] | UnsetType = UNSET
    choices: list[str] = []


class Source(Part, frozen=True, kw_only=True):
    """Where an answer says something: what stands at `at`, else in the whole body.

    With a `pattern` its first group counts, or all of it. `none` are words that stand for nothing.
    """

    at: Pointer | None = None
    pattern: Pattern | None = None
    none: list[str] = []


# A pointer, which `checks` looks at: msgspec 0.22 ends an interpreter with a crash where several
# fields have a union of a text with a pattern and a list of it.
type Find = str | Source | list[str | Source]


class Where(Part, frozen=True, kw_only=True):
    """A condition: what stands at `at` is one of these words, in any case."""

    at: Pointer
    any_of: Words


class Rule(Part, frozen=True, kw_only=True):
    """Conditions, which must all hold; `words` are told where the vendor gave no text."""

    http: list[Http] = []
    code: list[str] = []
    text: list[str] = []
    where: list[Where] = []
    pattern: Pattern | None = None
    words: str | None = None


class SubmitRule(Rule, frozen=True, kw_only=True):
    """What an answer to a send means; `account_fault` is a fault of our account."""

    verdict: Literal["accepted", "refused", "retry", "unknown"]
    account_fault: bool = False


class ReportRule(Rule, frozen=True, kw_only=True):
    """What a delivery word means: `none` is no news, `unknown` a word that no document lists."""

    status: Literal["delivered", "undelivered", "expired", "none", "unknown"]
    account_fault: bool = False


class BalanceRule(Rule, frozen=True, kw_only=True):
    """What an answer to a balance means; `limited`: it was asked too often."""

    verdict: Literal["ok", "refused"]
    retryable: bool = False
    limited: bool = False


class Time(Part, frozen=True, kw_only=True):
    """A time: `epoch`, `epoch-ms`, `iso`, or directives such as `%Y-%m-%d %H:%M:%S` in a zone."""

    at: Find
    formats: Annotated[list[str], Meta(min_length=1)]
    zone: str = "UTC"


class Schedule(Part, frozen=True, kw_only=True):
    """How `{send_at}` is written: `epoch`, or directives, in a zone."""

    format: str
    zone: str = "UTC"


class Reading(Part, frozen=True, kw_only=True):
    """How an answer is read: the first format that fits, and the first `root` that is an object."""

    read: Annotated[list[Format], Meta(min_length=1)] = field(default_factory=lambda: ["json"])
    root: Annotated[list[Pointer], Meta(min_length=1)] = field(default_factory=lambda: [""])
    code: Find | None = None
    text: Find | None = None


class Rows(Part, frozen=True, kw_only=True):
    """Where the rows stand, the first that is there; and where in each row its object stands."""

    at: Annotated[list[Pointer], Meta(min_length=1)]
    root: Annotated[list[Pointer], Meta(min_length=1)] = field(default_factory=lambda: [""])


class SubmitRows(Rows, frozen=True, kw_only=True):
    """A row for each message, matched by our reference, else by number, else by position."""

    reference: Find | None = None
    number: Find | None = None
    id: Find | None = None
    code: Find | None = None
    text: Find | None = None
    price: Find | None = None
    rules: list[SubmitRule]


class SubmitAnswer(Reading, frozen=True, kw_only=True):
    """The answer to a send. A message without a row of its own gets what `rules` say of all."""

    id: Find | None = None
    price: Find | None = None
    currency: Currency | None = None
    rules: list[SubmitRule]
    rows: SubmitRows | None = None


class ReportAnswer(Reading, frozen=True, kw_only=True):
    """Delivery reports: one, or with `rows` many; `read_once`: it can't be read again."""

    id: Find | None = None
    reference: Find | None = None
    number: Find | None = None
    time: Time | None = None
    rules: list[ReportRule]
    rows: Rows | None = None
    read_once: bool = False


class BalanceAnswer(Reading, frozen=True, kw_only=True):
    """The answer to a balance. Without a rule that holds, a code refuses and none is `ok`."""

    amount: Find
    expires: Time | None = None
    rules: list[BalanceRule] = []


class RequestPart(Part, frozen=True, kw_only=True):
    """A request; at most one of `form`, `json` and `xml`."""

    method: Literal["GET", "POST"]
    url: Node
    headers: Fields = {}
    query: Fields = {}
    form: Fields | UnsetType = UNSET
    json: Node | UnsetType = UNSET
    xml: Fields | UnsetType = UNSET


class Send(Part, frozen=True, kw_only=True):
    """How messages are sent, and what the vendor can't carry."""

    request: RequestPart
    answer: SubmitAnswer
    schedule: Schedule | None = None
    max_characters: Annotated[int, Meta(ge=1)] | None = None
    encodings: list[Literal["gsm7", "ucs2"]] = field(default_factory=lambda: ["gsm7", "ucs2"])
    sender_pattern: Pattern | None = None


class BalancePart(Part, frozen=True, kw_only=True):
    """How a balance is asked; `per` names a setting by category, each of whose values has one."""

    request: RequestPart
    answer: BalanceAnswer
    unit: Currency
    per: Name | None = None


class Poll(Part, frozen=True, kw_only=True):
    """How receipts are asked; `size` is of a call that asks for many."""

    request: RequestPart
    answer: ReportAnswer
    size: Annotated[int, Meta(ge=1, le=1000)] = 100


class Repeated(Part, frozen=True, kw_only=True):
    """A secret setting that a callback repeats: one that says another is dropped."""

    at: Pointer
    setting: Name


class Callback(Part, frozen=True, kw_only=True):
    """What a callback says; with `query` the query's parameters count too.

    `account`: the vendor calls one address for the whole account; a switch's name, or always.
    """

    answer: ReportAnswer
    query: bool = False
    account: bool | Name = False
    secrets: list[Repeated] = []


class Numbers(Part, frozen=True, kw_only=True):
    """National numbers: `country_code` such as 62, `trunk_prefix` such as 0.

    `only`: numbers with another beginning are refused.
    """

    country_code: Annotated[str, Meta(pattern="^[1-9][0-9]{0,2}" + END)] | None = None
    trunk_prefix: Annotated[str, Meta(pattern="^[0-9]{1,2}" + END)] | None = None
    only: list[Annotated[str, Meta(pattern="^[+][1-9][0-9]{0,14}" + END)]] = []


class Basic(Part, tag_field="kind", tag="basic", frozen=True, kw_only=True):
    """Basic authentication, of placeholders of settings."""

    user: str
    password: str


class Bearer(Part, tag_field="kind", tag="bearer", frozen=True, kw_only=True):
    """A bearer token."""

    token: str


class Header(Part, tag_field="kind", tag="header", frozen=True, kw_only=True):
    """A header with a key."""

    name: str
    value: str


class Hmac(Part, tag_field="kind", tag="hmac", frozen=True, kw_only=True):
    """A signature over named parts, joined: `{method}`, `{path}`, `{query}`, `{body}`, settings."""

    algorithm: Literal["sha1", "sha256", "sha512"]
    key: str
    parts: Annotated[list[str], Meta(min_length=1)]
    join: str = ""
    encode: Literal["hex", "base64"] = "hex"
    header: str
    prefix: str = ""


class Description(Part, frozen=True, kw_only=True):
    """A vendor. `source` says which document it was written from, and when that was read."""

    format: Literal[1]
    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9]{1,19}" + END)]
    title: Annotated[str, Meta(min_length=1, max_length=40)]
    source: Annotated[str, Meta(min_length=1)]
    settings: list[Setting]
    defaults: dict[str, str | bool | int | float] = {}
    numbers: Numbers = Numbers()
    auth: Basic | Bearer | Header | Hmac | None = None
    send: Send
    balance: BalancePart | None = None
    poll: Poll | None = None
    callback: Callback | None = None
    unregistered_address: str | None = None
