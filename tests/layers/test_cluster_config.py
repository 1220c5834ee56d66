"""The cluster's configuration files, read as corosync, a resolver and sh do."""

import re
import shlex
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.layers import cluster_config
from ssiuml.recipe.load import load_recipe
from ssiuml.recipe.model import Recipe

TEMPLATES = PROJECT / "templates"


def load(tmp_path: Path, text: str) -> Recipe:
    """Return a recipe that extends a shipped one."""
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mine.yaml").write_text(f"description: mine\n{text}")
    return load_recipe("mine", tmp_path).recipe


@pytest.fixture(params=["trixie", "trixie-min", "odd"])
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Recipe:
    """Two shipped recipes, and one whose network does not begin at .0."""
    if request.param == "odd":
        network = "cluster: {node_limit: 5, network: 10.1.2.248/29}\nfilesystem: {lock_table: 'other:disk'}\n"
        return load(tmp_path, f"extends: trixie\n{network}")
    return load_recipe(request.param, PROJECT / "recipes").recipe


@pytest.fixture
def files(recipe: Recipe) -> dict[str, str]:
    return cluster_config.render_files(TEMPLATES, recipe)


Section = dict[str, Any]


def parse_corosync(text: str) -> Section:
    """Read corosync.conf(5) by the rules of corosync's exec/coroparse.c: one item a line."""
    top: Section = {}
    stack = [top]
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        assert len(line) < 512, f"line {number} is longer than corosync reads"
        if not line or line.startswith("#"):
            continue
        if line.endswith("{"):
            assert "{" not in line[:-1], f"line {number}"
            section: Section = {}
            stack[-1].setdefault(line[:-1].strip(), []).append(section)
            stack.append(section)
        elif line == "}":
            stack.pop()
            assert stack, f"line {number} closes a section too many"
        else:
            key, colon, value = line.partition(":")
            assert colon, f"line {number} is no setting"
            assert "{" not in line, f"line {number}"
            assert "}" not in line, f"line {number}"
            assert value.strip(), f"line {number}: '{key}' has no value"
            assert re.fullmatch(r"[a-z0-9_.]+", key.strip()), f"line {number}"
            assert key.strip() not in stack[-1], f"line {number} repeats '{key}'"
            stack[-1][key.strip()] = value.strip()
    assert stack == [top], "a section is not closed"
    return top


def read_by_sh(text: str, folder: Path) -> dict[str, str]:
    """Return the variables that sh sets when it reads *text*."""
    (folder / "ssi.conf").write_text(text)
    script = "PATH=/nonexistent; set -eu; . ./ssi.conf; set"
    result = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    pairs = (line.partition("=") for line in result.stdout.splitlines() if line.startswith("SSI_"))
    return {name: shlex.split(value)[0] if value else "" for name, _, value in pairs}


def test_corosync_lists_every_node_with_its_address(recipe: Recipe, files: dict[str, str]) -> None:
    (nodelist,) = parse_corosync(files["etc/corosync/corosync.conf"])["nodelist"]
    nodes = {
        int(node["nodeid"]): ip_address(node.get("ring0_addr", node.get("addr0")))
        for node in nodelist["node"]
    }
    network = ip_network(recipe.cluster.network)
    assert nodes == {n: network.network_address + n for n in range(1, recipe.cluster.node_limit + 1)}
    assert all(address in network.hosts() for address in nodes.values())


def test_corosync_has_the_name_and_timings_of_the_recipe(recipe: Recipe, files: dict[str, str]) -> None:
    (totem,) = parse_corosync(files["etc/corosync/corosync.conf"])["totem"]
    timings = recipe.cluster.timings
    assert timings is not None
    assert totem["version"] == "2"
    # DLM refuses a file system whose lock table names another cluster than corosync's.
    assert totem["cluster_name"] == recipe.filesystem.lock_table.split(":")[0]
    assert [int(totem[key]) for key in ("token", "join", "consensus")] == [
        timings.token_ms,
        timings.join_ms,
        timings.consensus_ms,
    ]


def test_corosync_and_hosts_have_the_same_names_of_nodes(recipe: Recipe, files: dict[str, str]) -> None:
    (nodelist,) = parse_corosync(files["etc/corosync/corosync.conf"])["nodelist"]
    lines = [line.split("#")[0].split() for line in files["etc/hosts"].splitlines()]
    addresses = {name: line[0] for line in lines if line for name in line[1:]}
    assert addresses["localhost"] in ("127.0.0.1", "::1")
    for node in nodelist["node"]:
        number = int(node["nodeid"])
        assert addresses[node["name"]] == str(recipe.cluster.address_of(number))


def test_every_line_of_hosts_begins_with_an_address(files: dict[str, str]) -> None:
    for line in files["etc/hosts"].splitlines():
        words = line.split("#")[0].split()
        if words:
            ip_address(words[0])
            assert len(words) > 1


def test_sh_reads_the_values_of_the_recipe_from_ssi_conf(
    recipe: Recipe, files: dict[str, str], tmp_path: Path
) -> None:
    values = read_by_sh(files["etc/ssi/ssi.conf"], tmp_path)
    assert values["SSI_CLUSTER"] == recipe.cluster_name
    assert values["SSI_NODE_LIMIT"] == str(recipe.cluster.node_limit)
    assert values["SSI_LOCK_TABLE"] == recipe.filesystem.lock_table
    assert values["SSI_FILESYSTEM"] == recipe.filesystem.type
    assert values["SSI_PREFIX_LENGTH"] == str(recipe.cluster.network.prefixlen)
    for name, value in values.items():
        assert not name.endswith("_LIMIT_S") or int(value) > 0, name


def test_ssi_conf_sets_every_variable_that_the_cluster_tools_read(
    files: dict[str, str], tmp_path: Path
) -> None:
    values = read_by_sh(files["etc/ssi/ssi.conf"], tmp_path)
    scripts = [
        path for path in (PROJECT / "cluster-tools").rglob("*") if path.is_file() and path.suffix != ".md"
    ]
    used = {name for path in scripts for name in re.findall(r"\$\{?(SSI_[A-Z_]+)", path.read_text())}
    assert used
    assert used <= values.keys()


def test_dlm_conf_has_one_setting_per_line(files: dict[str, str]) -> None:
    for line in files["etc/dlm/dlm.conf"].splitlines():
        if line.strip() and not line.startswith(("#", "device", "connect", "unfence")):
            assert re.fullmatch(r"[a-z_]+=\S+", line), line


def test_files_end_with_a_newline_and_hold_no_template_marks(files: dict[str, str]) -> None:
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert not re.search(r"\{\{|\{%|\{#", text), path


def test_written_files_are_read_back(recipe: Recipe, files: dict[str, str], tmp_path: Path) -> None:
    cluster_config.write_files(TEMPLATES, recipe, tmp_path / "config")
    assert cluster_config.read_files(recipe, tmp_path / "config") == files
    folder = tmp_path / "config"
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == set(cluster_config.files(recipe))


def test_a_change_of_the_lock_table_reaches_the_files(tmp_path: Path) -> None:
    changed = load(tmp_path, "extends: trixie-min\nfilesystem: {lock_table: 'fish:pond'}\n")
    files = cluster_config.render_files(TEMPLATES, changed)
    assert parse_corosync(files["etc/corosync/corosync.conf"])["totem"][0]["cluster_name"] == "fish"
    assert read_by_sh(files["etc/ssi/ssi.conf"], tmp_path)["SSI_LOCK_TABLE"] == "fish:pond"


def test_the_error_for_a_missing_template_names_it(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match=re.escape(str(tmp_path))):
        cluster_config.render_files(tmp_path, recipe)
