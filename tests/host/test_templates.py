"""Text files from templates, and the errors of wrong templates."""

from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host.templates import render


def test_variables_are_filled_in_and_the_last_newline_stays(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{% for n in names %}\n  hello {{ n }}\n{% endfor %}\n")
    assert render(tmp_path, "a.j2", {"names": ["x", "y"]}) == "  hello x\n  hello y\n"


def test_only_html_templates_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ value }}")
    assert render(tmp_path, "a.html", {"value": "<&>\"'"}) == "<&>\"'"


def test_the_error_for_an_undefined_variable_names_it_and_the_template(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("first\n{{ known }}\n{{ nodes_limit }}\n")
    with pytest.raises(SsiumlError, match=r"a\.j2:3: .*nodes_limit"):
        render(tmp_path, "a.j2", {"known": 1})


def test_an_undefined_attribute_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ node.adress }}\n")
    with pytest.raises(SsiumlError, match="adress"):
        render(tmp_path, "a.j2", {"node": {"address": "10.0.0.1"}})


def test_the_error_for_a_missing_template_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError) as caught:
        render(tmp_path, "absent.j2", {})
    assert str(caught.value).startswith(f"{tmp_path}/absent.j2:")


@pytest.mark.parametrize("bad", ["{% if %}", "{{ open", "{% endfor %}", "{% nonsense %}"])
def test_the_error_for_wrong_syntax_names_file_and_line(tmp_path: Path, bad: str) -> None:
    (tmp_path / "a.j2").write_text(f"fine\nfine too\n{bad}\n")
    with pytest.raises(SsiumlError) as caught:
        render(tmp_path, "a.j2", {})
    assert str(caught.value).startswith(f"{tmp_path}/a.j2:3: ")


def test_the_error_for_a_template_that_is_not_utf8_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_bytes(b"caf\xe9\n")
    with pytest.raises(SsiumlError, match=r"a\.j2"):
        render(tmp_path, "a.j2", {})


def test_the_error_for_a_value_of_the_wrong_type_names_the_template(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ 1 + text }}\n")
    with pytest.raises(SsiumlError, match=r"a\.j2:1: "):
        render(tmp_path, "a.j2", {"text": "one"})
