"""Rules of Makefiles; make itself reads them."""

from pathlib import Path

import pytest

from ssiuml.host.run import CommandError, run
from ssiuml.layers.makefile import MakefileError, require_rule, rules

MAKEFILE = """
ROOT := /nowhere
.PHONY: help
help: ; @touch made
include more.mk
install_%: help
\ttouch $@
one two: one.c
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "more.mk").write_text("double::\n")
    return tmp_path


def test_rules_are_those_of_the_makefile_and_what_it_includes_and_none_is_made(folder: Path) -> None:
    assert rules(folder) == ["double", "help", "install_%", "one", "two"]
    assert not (folder / "made").exists()


@pytest.mark.parametrize("rule", ["help", "double", "install_ssi_redhat"])
def test_rule_that_is_there_is_found_as_make_finds_it(folder: Path, rule: str) -> None:
    require_rule(folder, rule)
    run(["make", "-C", folder, rule], timeout_s=60)


def test_missing_rule_is_an_error_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(MakefileError) as error:
        require_rule(folder, "uninstall")
    assert str(error.value) == (
        f"{folder}: its Makefile has no rule 'uninstall'\n  it has: double help install_% one two"
    )
    with pytest.raises(CommandError, match="No rule to make target 'uninstall'"):
        run(["make", "-C", folder, "uninstall"], timeout_s=60, env={"LC_ALL": "C"})


def test_folder_without_makefile_and_damaged_makefile_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MakefileError, match="there is no Makefile in it"):
        rules(tmp_path)
    (tmp_path / "Makefile").write_text("all:\n    echo four blanks\n")
    with pytest.raises(MakefileError, match=r"its Makefile cannot be read: Makefile:2: .* missing separator"):
        rules(tmp_path)
