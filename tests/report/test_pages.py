"""The report of a built image: a page that needs no other file and has the facts of the build."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from checkouts import Checkout

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Check that tags are closed in order; collect texts, and addresses that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.fetched: list[str] = []
        self.scripts = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.fetched += [
            f"{tag} {name}={value}" for name, value in attributes if name in ("src", "href", "xlink:href")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def page_of(checkout: Checkout) -> Page:
    checkout.build("report")
    text = (checkout.images / "report.html").read_text()
    assert not re.search(r"url\(|@import", text)
    return Page(text)


@pytest.mark.boot
def test_a_report_has_steps_sizes_packages_digests_and_the_cluster_test(
    built: Checkout, released: Path
) -> None:
    page = page_of(built)
    values = json.loads((built.images / "manifest.json").read_text())
    assert {"fetch", "copy-root", "release-root", "root_fs", "linux-ssi", "initrd-ssi.img", "libc6"} <= set(
        page.texts
    )
    assert {values[key]["sha256"] for key in ("kernel", "initrd", "root_fs")} <= set(page.texts)
    assert str(len(values["packages"])) in page.texts
    assert "passed" in page.texts
    assert any(re.fullmatch(r"2 nodes ready in [\d.]+ s", text) for text in page.texts)
    assert any("resource groups" in text for text in page.texts), "the map is missing"
    assert (page.fetched, page.scripts) == ([], 0)


@pytest.mark.boot
def test_a_cluster_test_of_other_images_is_left_out(built: Checkout, released: Path) -> None:
    stamp = built.images / "steps" / "cluster-test.json"
    text = stamp.read_text()
    try:
        stamp.write_text(text.replace('"nodes": 2', '"nodes": 3', 1))  # as if the test had other inputs
        page = page_of(built)
    finally:
        stamp.write_text(text)
    assert "passed" not in page.texts
    assert "not run" in page.texts


@pytest.mark.boot
def test_a_report_of_2002_lists_what_is_not_verified_and_no_text_becomes_a_tag(historic: Checkout) -> None:
    text = "description: 'small & <script>alert(1)</script>'\nextends: small\n"
    hostile = historic.write_recipe("hostile", text)
    hostile.build()
    page = page_of(hostile)
    assert page.scripts == 0
    assert "small & <script>alert(1)</script>" in page.texts
    assert "Not verified" in page.texts
    assert "not possible" in page.texts
