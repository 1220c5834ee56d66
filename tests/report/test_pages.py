"""The report of a built image: a page that needs nothing else, with what it is about in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from checkouts import Checkout

from ssiuml.pipeline.explain import Kind, State
from ssiuml.pipeline.step import Step
from ssiuml.report.graphviz import draw_graph
from ssiuml.report.timeline import Bar, draw_timeline

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that what is opened is closed, in order; collects texts and whatever would be fetched."""

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


@pytest.mark.cluster
def test_a_report_tells_steps_sizes_packages_digests_and_the_cluster_test(
    built: Checkout, released: Path
) -> None:
    page = page_of(built)
    values = json.loads((built.images / "manifest.json").read_text())
    assert {"fetch", "copy-root", "release-root", "root_fs", "linux-ssi", "initrd-ssi.img", "libc6"} <= set(
        page.texts
    )
    assert {values["kernel"]["sha256"], values["initrd"]["sha256"], values["root_fs"]["tree_sha256"]} <= set(
        page.texts
    )
    assert str(len(values["packages"])) in page.texts
    assert "passed" in page.texts
    assert any(re.fullmatch(r"2 nodes ready in [\d.]+ s", text) for text in page.texts)
    assert any("resource groups" in text for text in page.texts), "the map is not there"
    assert (page.fetched, page.scripts) == ([], 0)


@pytest.mark.cluster
def test_a_cluster_test_of_other_images_is_not_told(built: Checkout, released: Path) -> None:
    stamp = built.images / "steps" / "cluster-test.json"
    text = stamp.read_text()
    try:
        stamp.write_text(text.replace('"nodes": 2', '"nodes": 3', 1))  # as if other inputs had been tested
        page = page_of(built)
    finally:
        stamp.write_text(text)
    assert "passed" not in page.texts
    assert "not run" in page.texts


@pytest.mark.cluster
def test_a_report_of_2002_tells_what_is_not_verified_and_no_words_become_tags(historic: Checkout) -> None:
    text = "description: 'small & <script>alert(1)</script>'\nextends: small\n"
    hostile = historic.write_recipe("hostile", text)
    hostile.build()
    page = page_of(hostile)
    assert page.scripts == 0
    assert "small & <script>alert(1)</script>" in page.texts
    assert "Not verified" in page.texts
    assert "not possible" in page.texts


def made_up(name: str, *after: Step) -> Step:
    return Step(name=name, stamp=Path("/nowhere"), after=after, inputs=dict, make=dict)


def test_the_graph_tells_states_in_words_and_leaves_out_lines_that_say_nothing() -> None:
    first = made_up("first & <b>")
    second = made_up("second", first)
    third = made_up("third", first, second)
    states = [
        State(first, Kind.CURRENT, (), 1.25),
        State(second, Kind.STALE, ('changed: "x" -> <y>',), None),
        State(third, Kind.FOLLOWS, ("after second",), 60.0),
    ]
    root = ElementTree.fromstring(draw_graph(states, "title <&>"))  # noqa: S314 - our own
    words = ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("}text")]
    assert {"title <&>", "first & <b>", "up to date, 1.2 s", "would be made", "would follow, 60.0 s"} <= set(
        words
    )
    edges = [each for each in root.iter() if each.get("class") == "edge"]
    assert len(edges) == 2


def test_bars_lie_where_and_as_long_as_the_steps_took() -> None:
    drawn = draw_timeline([Bar("one", 0.0, 10.0, earlier=False), Bar("<two>", 10.0, 5.0, earlier=False)])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    (one, two) = (each for each in root.iter() if each.get("class") == "bar")
    end_of_one = float(one.get("x", 0)) + float(one.get("width", 0))
    assert float(two.get("x", 0)) == pytest.approx(end_of_one, abs=0.2)
    assert float(one.get("width", 0)) == pytest.approx(2 * float(two.get("width", 0)), rel=0.01)
    assert "<two>" in [each.text for each in root.iter()]
