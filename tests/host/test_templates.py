"""Text files from templates, and what is said when a template is wrong."""

from pathlib import Path

import pytest

from ssiuml.host.templates import RenderError, render


def test_variables_are_filled_in_and_the_last_line_end_stays(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{% for n in names %}\n  hello {{ n }}\n{% endfor %}\n")
    assert render(tmp_path, "a.j2", {"names": ["x", "y"]}) == "  hello x\n  hello y\n"


def test_nothing_is_escaped_as_if_it_were_html(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ value }}")
    assert render(tmp_path, "a.html", {"value": "<&>\"'"}) == "<&>\"'"


def test_a_missing_variable_is_an_error_that_names_it_and_the_template(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("first\n{{ known }}\n{{ nodes_limit }}\n")
    with pytest.raises(RenderError, match=r"a\.j2:3: .*nodes_limit"):
        render(tmp_path, "a.j2", {"known": 1})


def test_a_missing_attribute_of_a_variable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ node.adress }}\n")
    with pytest.raises(RenderError, match="adress"):
        render(tmp_path, "a.j2", {"node": {"address": "10.0.0.1"}})


def test_a_missing_template_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(RenderError) as caught:
        render(tmp_path, "absent.j2", {})
    assert str(caught.value).startswith(f"{tmp_path}/absent.j2:")


@pytest.mark.parametrize("bad", ["{% if %}", "{{ open", "{% endfor %}", "{% nonsense %}"])
def test_a_syntax_error_names_file_and_line(tmp_path: Path, bad: str) -> None:
    (tmp_path / "a.j2").write_text(f"fine\nfine too\n{bad}\n")
    with pytest.raises(RenderError) as caught:
        render(tmp_path, "a.j2", {})
    assert str(caught.value).startswith(f"{tmp_path}/a.j2:3: ")


def test_a_template_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_bytes(b"caf\xe9\n")
    with pytest.raises(RenderError, match=r"a\.j2"):
        render(tmp_path, "a.j2", {})


def test_a_value_that_does_not_fit_its_use_names_the_template(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{{ 1 + text }}\n")
    with pytest.raises(RenderError, match=r"a\.j2:1: "):
        render(tmp_path, "a.j2", {"text": "one"})
