"""No webhook leads inside, however its address is written."""

import pytest

from testing.deployed import NUMBERS, Api

INSIDE = [
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.16689662/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2001:0:a9fe:a9fe::]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://192.0.2.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://0.0.0.0/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://example.com@169.254.169.254/",
    "https://169.254.169.254#@example.com/",
    "https://example.com\\@169.254.169.254/",
    "https://169.254.169.254%2f@example.com/",
    "https://\uff11\uff16\uff19.254.169.254/",
    "https://169\u3002254\u3002169\u3002254/",
    "https://example.com:22/\r\nHost: inside",
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "https:///path",
    "https://",
    "https://example.com:0/",
    "https://example.com:99999/",
]


@pytest.mark.parametrize("url", INSIDE)
def test_an_endpoint_never_leads_inside(url: str, admin: Api) -> None:
    answer = admin("POST", "/webhooks", {"url": url, "events": ["MessageDelivered"]})
    assert answer.status == 422
    assert "/url" in str(answer.body)


@pytest.mark.parametrize("url", INSIDE)
def test_a_status_url_never_leads_inside(url: str, api: Api) -> None:
    answer = api(
        "POST",
        "/messages",
        {"to": NUMBERS["rajasms"], "text": "x", "status_url": url},
    )
    assert answer.status == 422
    assert "status_url" in str(answer.body)
