"""The tiers of the tests have the same names in pyproject, conftest, dodo, test.yml and CONTRIBUTING."""

import ast
import re
import tomllib

import pytest
import yaml
from project import PROJECT

OPTIONS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
MARKERS = [marker.partition(":")[0] for marker in OPTIONS["markers"]]
TIERS = {*MARKERS} - {"long"}
# Nothing or the test itself, and no fixture, brings a test into these.
WITHOUT_FIXTURES = {"unit", "docs"}


def test_fixtures_bring_tests_into_tiers_that_are_markers(pytestconfig: pytest.Config) -> None:
    path = str(PROJECT / "tests" / "conftest.py")
    (conftest,) = [
        each for each in pytestconfig.pluginmanager.get_plugins() if getattr(each, "__file__", "") == path
    ]
    assert {*conftest.TIERS} == TIERS - WITHOUT_FIXTURES


def test_test_long_can_run_each_tier() -> None:
    (value,) = [
        statement.value
        for statement in ast.parse((PROJECT / "dodo.py").read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "TIERS"
    ]
    assert sorted(ast.literal_eval(value)) == sorted(TIERS)


def test_ci_runs_each_tier() -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    assert sorted(workflow["jobs"]["long"]["strategy"]["matrix"]["tier"]) == sorted(TIERS)


def test_contributing_names_each_tier() -> None:
    (listed,) = re.findall(r"# one tier: (.*)$", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(re.split(", | or ", listed)) == sorted(TIERS)
