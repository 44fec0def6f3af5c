"""The addresses that customers may have us call, and every trick to have us call another one."""

import pytest

from sms_gateway.core.public_addresses import is_public_address
from sms_gateway.webhooks.url_policy import (
    UrlError,
    loopback_allowed,
    parse_allowed_url,
    parse_url,
)

GOOD = [
    ("https://example.com", "example.com", 443, "/"),
    ("https://example.com/", "example.com", 443, "/"),
    ("HTTPS://Hooks.Example.COM/Sms?a=1&b=%20", "hooks.example.com", 443, "/Sms?a=1&b=%20"),
    ("https://example.com:8443/x", "example.com", 8443, "/x"),
    ("https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443, "/x"),
    ("https://93.184.215.14/x", "93.184.215.14", 443, "/x"),
    ("https://[2606:2800:21f:cb07::8b2c]:444/", "2606:2800:21f:cb07::8b2c", 444, "/"),
    ("https://1.example.com/", "1.example.com", 443, "/"),
    ("https://example.com/@me", "example.com", 443, "/@me"),
]
BAD = [
    # Not https.
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "example.com",
    "",
    # This machine, by name.
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://intern/",
    # This machine, and others inside, as an address in every spelling.
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://127.000.000.001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/v2/credentials/",
    "https://2852039166/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://192.0.2.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[:::]/",
    # One host to one reader, and another to the next.
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://user:secret@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com#@127.0.0.1/",
    "https://example.com?x",
    "https://example.com:80:443/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:/",
    "https://example.com:\uff1443/",
    "https://ex%61mple.com/",
    "https://1\u2024example.com/",
    "https://\u24d4xample.com/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://example.com\u3002/",
    "https://example.com./",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nHost: inside",
    "https://example.com/\u00e9",
    " https://example.com/",
    "https://example.com/\n",
    "https://-example.com/",
    "https://example..com/",
    "https://" + "a" * 64 + ".com/",
    "https://example.com/" + "a" * 2000,
]


@pytest.mark.parametrize(("url", "host", "port", "path"), GOOD)
def test_an_address_of_the_public_internet_is_read(
    url: str, host: str, port: int, path: str
) -> None:
    target = parse_url(url)
    assert (target.scheme, target.host, target.port, target.path) == ("https", host, port, path)


@pytest.mark.parametrize("url", BAD)
def test_a_trick_is_refused(url: str) -> None:
    with pytest.raises(UrlError) as refused:
        parse_url(url)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("0.0.0.0", False),  # noqa: S104 - refused, not bound
        ("10.1.2.3", False),
        ("172.31.255.255", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("100.127.255.254", False),
        ("169.254.169.254", False),
        ("192.0.0.8", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("224.0.0.251", False),
        ("239.255.255.250", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", False),
        ("::7f00:1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("2001:0:a00:1::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fd12:3456::1", False),
        ("fec0::1", False),
        ("ff05::2", False),
        ("2001:db8::1", False),
        ("192.0.0.9", False),  # globally reachable by the registry, and nobody's webhook
        ("192.0.0.10", False),
        ("192.0.0.171", False),
        ("192.0.2.1", False),
        ("192.31.196.1", False),
        ("192.52.193.1", False),
        ("192.88.99.2", False),
        ("192.175.48.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("100::1", False),
        ("100:0:0:1::1", False),
        ("64:ff9b:1::1", False),
        ("2001:1::1", False),
        ("2001:1::2", False),
        ("2001:1::3", False),
        ("2001:2::1", False),
        ("2001:3::1", False),
        ("2001:4:112::1", False),
        ("2001:10::1", False),
        ("2001:20::1", False),
        ("2001:30::1", False),
        ("2620:4f:8000::1", False),
        ("3fff::1", False),
        ("3fff:fff:ffff::1", False),
        ("5f00::1", False),
        ("4000::1", False),
        ("2001:200::1", True),
        ("2400:cb00::1", True),
        ("192.0.1.1", True),
        ("198.17.255.255", True),
        ("198.20.0.1", True),
        ("100.63.255.255", True),
        ("100.128.0.1", True),
        ("223.255.255.255", True),
        ("not an address", False),
        ("", False),
    ],
)
def test_an_ip_address_is_judged(address: str, good: bool) -> None:
    assert is_public_address(address) is good


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/x", "http://localhost:1/", "http://[::1]:9/"]
)
def test_plain_http_to_this_machine_is_for_development_only(url: str) -> None:
    assert parse_url(url, loopback=True).scheme == "http"
    with pytest.raises(UrlError):
        parse_url(url)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "http://0x7f.1/", "http://127.0.0.1.:1/"]
)
def test_development_opens_nothing_else(url: str) -> None:
    with pytest.raises(UrlError):
        parse_url(url, loopback=True)
    assert not is_public_address("10.0.0.1", loopback=True)
    assert not is_public_address("169.254.169.254", loopback=True)


def test_the_host_header_has_the_port_only_where_it_is_not_the_usual_one() -> None:
    assert parse_url("https://example.com:443/").authority == "example.com"
    assert parse_url("https://example.com:8443/").authority == "example.com:8443"
    assert parse_url("https://example.com/").origin == parse_url("https://EXAMPLE.com:443/x").origin


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
def test_the_usual_ports_are_allowed(port: str) -> None:
    assert parse_allowed_url(f"https://hooks.example.com{port}/").host == "hooks.example.com"


@pytest.mark.parametrize("port", [1, 22, 25, 80, 444, 3306, 6379, 8080, 9200, 11_211, 65_535])
def test_no_other_port_is(port: int) -> None:
    with pytest.raises(UrlError, match="443 or 8443"):
        parse_allowed_url(f"https://hooks.example.com:{port}/")


def test_the_operator_says_which_ports_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_PORTS", "443,9443")
    assert parse_allowed_url("https://hooks.example.com:9443/").port == 9443
    with pytest.raises(UrlError, match="443 or 9443"):
        parse_allowed_url("https://hooks.example.com:8443/")


LOCAL = "http://127.0.0.1:9000/sms"


@pytest.mark.parametrize("aws", ["http://127.0.0.1:4566", "http://localhost:4566"])
def test_where_aws_is_on_this_machine_webhooks_may_be_too(
    monkeypatch: pytest.MonkeyPatch, aws: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    with pytest.raises(UrlError):
        parse_allowed_url(LOCAL)
    monkeypatch.setenv("WEBHOOK_LOOPBACK", "true")
    assert parse_allowed_url(LOCAL).port == 9000
    with pytest.raises(UrlError):
        parse_allowed_url("https://hooks.example.com:9000/")


@pytest.mark.parametrize(
    "aws",
    [
        None,
        "",
        "https://dynamodb.eu-central-1.amazonaws.com",
        "https://127.0.0.1.example.com",
        "https://127.0.0.1@example.com",
        "http://10.0.0.1:4566",
        "127.0.0.1",
    ],
)
def test_on_aws_no_parameter_opens_this_machine(
    monkeypatch: pytest.MonkeyPatch, aws: str | None
) -> None:
    monkeypatch.setenv("WEBHOOK_LOOPBACK", "true")
    if aws is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    assert not loopback_allowed()
    for url in (LOCAL, "https://127.0.0.1/", "https://localhost/", "https://[::1]/"):
        with pytest.raises(UrlError):
            parse_allowed_url(url)
