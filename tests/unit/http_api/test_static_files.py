"""The console's function serves the files of its folder, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from sms_gateway.http_api.static_files import StaticFiles


@pytest.fixture
def files(tmp_path: Path) -> StaticFiles:
    """A console with a page, a script, a hidden mark and a neighbour."""
    folder = tmp_path / "files"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets/index-abc.js").write_text("1")
    (folder / ".built").write_text("digest")
    (tmp_path / "app.html").write_text("outside")
    return StaticFiles(folder)


def get(files: StaticFiles, path: str, file: str | None = None) -> dict[str, Any]:
    parameters = {"file": file} if file is not None else None
    resource = path.rstrip("/") if file is None else "/console/{file+}"
    event = {"httpMethod": "GET", "path": path, "resource": resource, "requestContext": {}}
    return files.answer(event | {"pathParameters": parameters}).to_proxy_result()


def test_a_page_is_asked_for_each_time_and_what_its_content_names_is_kept(
    files: StaticFiles,
) -> None:
    page = get(files, "/console/index.html", "index.html")
    assert (page["statusCode"], page["body"]) == (200, "<!doctype html>")
    assert page["headers"]["Cache-Control"] == "no-cache"
    script = get(files, "/console/assets/index-abc.js", "assets/index-abc.js")
    assert script["headers"]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert script["headers"]["Content-Type"] == "text/javascript; charset=utf-8"


def test_a_page_loads_nothing_from_elsewhere_and_stands_in_no_frame(files: StaticFiles) -> None:
    headers = get(files, "/console/index.html", "index.html")["headers"]
    policy = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/console", "console/index.html"),
        ("/console/", "../console/index.html"),
        ("/docs", "console/docs.html"),
        ("/docs/", "../console/docs.html"),
    ],
)
def test_the_first_page_is_found_from_wherever_the_api_lies(
    files: StaticFiles, path: str, location: str
) -> None:
    answer = get(files, path)
    assert (answer["statusCode"], answer["headers"]["Location"]) == (302, location)


@pytest.mark.parametrize(
    "name",
    [
        *("../app.html", "..%2fapp.html", "assets/../index.html", "/index.html", "./index.html"),
        *("assets", "assets/", "", ".built", "index.html/", "INDEX.HTML", "index.html\0", "app.py"),
    ],
)
def test_nothing_but_a_files_own_name_is_found(files: StaticFiles, name: str) -> None:
    answer = get(files, f"/console/{name}", name)
    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Type"] == "application/problem+json"


def test_a_console_that_was_not_built_says_so(tmp_path: Path) -> None:
    answer = get(StaticFiles(tmp_path / "none"), "/console")
    assert answer["statusCode"] == 404
    assert "was not built" in answer["body"]
