"""Recipes with a base that is an image, GFS1 in pools and a lock server: which keys fit together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.load import LoadedRecipe, load_recipe

Write = Callable[[str, str], Path]
ErrorOf = Callable[[str], str]

OLD = """\
description: an old machine
distribution: {name: redhat, base: image, source: base}
sources:
  base: {urls: [http://x/y/base.bz2], limit: 100 MiB}
  tools: {urls: ["https://x/tools.tar.bz2", "file:///srv/tools.tar.bz2"]}
source_date_epoch: 1000000000
sizes: {root_fs: 1 GiB, root_cidev: 4 MiB}
filesystem:
  type: gfs1
  block_size: 4096
  journals: 3
  journal_size: 32 MiB
  pools: {root: {name: pool0, device: /dev/loop2}, cidev: {name: pool0cidev, device: /dev/loop1}}
cluster:
  node_limit: 3
  network: 192.168.50.0/24
  lock_server: {address: 192.168.50.101}
cluster_tools: {source: tools}
kernel: {source: none, version: 2.4.16-21um, modules: none}
initrd: {form: linuxrc, tools: [/bin/sh], modules: [gfs], limit: 4 MiB}
root_password_hash: "!"
release: {root: root-x, utils: utils-x}
"""


@pytest.fixture
def old(recipes: Path, write: Write) -> LoadedRecipe:
    write("old", OLD)
    return load_recipe("old", recipes)


@pytest.fixture
def error(old: LoadedRecipe, error_of: ErrorOf) -> ErrorOf:
    return lambda text: error_of(f"extends: old\n{text}\n")


def test_lock_table_of_gfs1_is_the_pool_of_the_cidev(old: LoadedRecipe) -> None:
    assert isinstance(old.recipe.filesystem, Gfs1Filesystem)
    assert old.recipe.filesystem.lock_table == "/dev/pool/pool0cidev"


def test_file_name_of_a_source_is_the_end_of_its_first_url(old: LoadedRecipe) -> None:
    assert old.recipe.sources["base"].file_name == "base.bz2"


def test_section_of_another_kind_replaces_that_of_the_recipe_it_extends(
    recipes: Path, old: LoadedRecipe, write: Write
) -> None:
    text = "initrd: {form: cluster_mkinitrd, limit: 8 MiB}\ncluster_tools: {folder: tools}\n"
    text += "kernel: {modules: {folder: linux}}\ntools: {ptool: {host: /opt/ptool}}\n"
    write("mine", f"extends: old\n{text}")
    mine = load_recipe("mine", recipes).recipe
    assert mine.initrd.model_dump() == {
        "form": "cluster_mkinitrd",
        "appliance": "trixie",
        "limit_bytes": 8 << 20,
    }
    assert (mine.kernel.model_dump()["version"], mine.kernel.model_dump()["modules"]) == (
        "2.4.16-21um",
        {"folder": "linux"},
    )
    assert mine.tools.host_path("ptool") == "/opt/ptool"


def test_used_sources_are_those_that_a_key_names(recipes: Path, old: LoadedRecipe, write: Write) -> None:
    assert old.recipe.used_sources == ("base", "tools")
    write("mine", "extends: old\ncluster_tools: {folder: tools}\n")
    assert load_recipe("mine", recipes).recipe.used_sources == ("base",)


def test_dumped_recipe_loads_to_an_equal_one(recipes: Path, old: LoadedRecipe, write: Write) -> None:
    write("dumped", dump_recipe(old.recipe))
    assert load_recipe("dumped", recipes).recipe == old.recipe


BAD = [
    ("distribution: {base: disc}", "2: distribution.base: 'disc' is not possible\n  write packages or image"),
    (
        "distribution: {suite: x}",
        "2: distribution.suite: there is no such key\n  use one of name, base, source",
    ),
    (
        "distribution: {source: disc}",
        "2: distribution.source: there is no source 'disc'\n  add it to sources, which has: base, tools",
    ),
    (
        "cluster_tools: {source: x}",
        "2: cluster_tools.source: there is no source 'x'\n  add it to sources, which has: base, tools",
    ),
    (
        "demo: {source: x}",
        "2: demo.source: there is no source 'x'\n  add it to sources, which has: base, tools",
    ),
    (
        "kernel: {modules: {from_image: x}}",
        "2: kernel.modules.from_image: there is no source 'x'\n  add it to sources, which has: base, tools",
    ),
    (
        "packages: [gdb]",
        "2: packages: is for a base of packages, and distribution.base is image\n"
        "  leave it out, or put them in files",
    ),
    (
        "sources: {more: {urls: [http://z/base.bz2]}}",
        "2: sources.more: is kept as base.bz2, as sources.base is\n  give one of them file: NAME",
    ),
    ("sources: {more: {urls: [http://z/]}}", "2: sources.more: http://z/ does not end in the name of a file"),
    ("sources: {more: {url: http://z/a}}", "2: sources.more.url: there is no such key\n  did you mean urls?"),
    ("sources: {more: {urls: []}}", "2: sources.more.urls: the list is empty"),
    (
        "sources: {more: {urls: [http://z/..]}}",
        "2: sources.more: http://z/.. does not end in the name of a file",
    ),
    (
        "sources: {base: {sha256: abc}}",
        "2: sources.base.sha256: 'abc' is not a SHA-256\n  write 64 digits, as sha256sum prints them",
    ),
    ("sizes: {root_cidev: null}", "2: sizes.root_cidev: is missing"),
    ("sizes: {root_cidev: 64 KiB}", "2: sizes.root_cidev: 64 KiB is outside 1 MiB to 1 GiB"),
    ("sizes: {root_fs: 128 MiB}", "2: sizes.root_fs: 128 MiB is too small: 3 journals of 32 MiB"),
    ("cluster: {node_limit: 0}", "2: cluster.node_limit: 0 is outside 1 to 15"),
    ("cluster: {node_limit: 4}", "11: filesystem.journals: 3 is too few for cluster.node_limit: 4"),
    ("cluster: {lock_server: {port: 65536}}", "2: cluster.lock_server.port: 65536 is outside 1 to 65535"),
    ("cluster: {lock_server: {port: 0}}", "2: cluster.lock_server.port: 0 is outside 1 to 65535"),
    (
        "cluster: {lock_server: {callback_port: 15697}}",
        "2: cluster.lock_server.callback_port: 15697 is also the port",
    ),
    (
        "cluster: {lock_server: {address: 10.0.0.1}}",
        "2: cluster.lock_server.address: 10.0.0.1 is not an address of cluster.network: 192.168.50.0/24",
    ),
    (
        "cluster: {lock_server: {address: 192.168.50.2}}",
        "2: cluster.lock_server.address: 192.168.50.2 is the address of node 2",
    ),
    (
        "cluster: {lock_server: {address: here}}",
        "2: cluster.lock_server.address: 'here' is not an IPv4 address",
    ),
    ("cluster: {lock_server: null}", "2: cluster.lock_server: is missing"),
    (
        "cluster: {timings: {token_ms: 2000, join_ms: 50, consensus_ms: 2400}}",
        "2: cluster.timings: a root with memexp has none",
    ),
    ("filesystem: {type: ext2}", "2: filesystem.type: 'ext2' is not possible\n  write gfs2 or gfs1"),
    ("filesystem: {writer: direct}", "2: filesystem.writer: there is no such key"),
    ("filesystem: {fs_format: 1304}", "2: filesystem.fs_format: 1304 is outside 1305 to 1309"),
    (
        "filesystem: {pools: {root: {name: a b}}}",
        "2: filesystem.pools.root.name: 'a b' is not the name of a pool",
    ),
    (
        "filesystem: {pools: {cidev: {device: /dev/loop2}}}",
        "2: filesystem.pools.cidev.device: /dev/loop2 is also the device of pools.root",
    ),
    (
        "filesystem: {pools: {cidev: {name: pool0}}}",
        "2: filesystem.pools.cidev.name: pool0 is also the name of pools.root",
    ),
    (
        "tools: {mkfs_gfs: {host: /opt/mkfs_gfs}}",
        "2: tools.mkfs_gfs: the host's mkfs_gfs formats a pool that the host's passemble has assembled",
    ),
    ("tools: {ptool: {host: ptool}}", "2: tools.ptool.host: 'ptool' is not the absolute path of a program"),
    ("tools: {ptool: theirs}", "2: tools.ptool: 'theirs' is not possible\n  write builtin"),
    ("kernel: {source: package}", "2: kernel.package: is missing"),
    (
        "kernel: {source: package, package: user-mode-linux, modules: all}",
        "2: kernel.source: package is for a base of packages, and distribution.base is image",
    ),
    ("kernel: {version: new}", "2: kernel.version: 'new' is not the version of a kernel"),
    ("cluster_tools: builtin", "2: cluster_tools: the builtin ones are for a base of packages"),
    (
        "filesystem: {pools: {root: {name: " + "x" * 54 + "}}}",
        f"2: filesystem.pools.root.name: '{'x' * 54}' is not the name of a pool",
    ),
    ("sources: {more: {urls: ['http://[bad/x']}}", "2: sources.more.urls[0]: 'http://[bad/x' is no address"),
    ("cluster: {network: []}", "2: cluster.network: () is not an IPv4 network"),
    (
        "initrd: {form: cpio, tools: [/bin/sh], modules: [], limit: 4 MiB}",
        "2: initrd.form: cpio is not for kernel.source: none",
    ),
    (
        "initrd: {form: zip}",
        "2: initrd.form: 'zip' is not possible\n  write cpio, linuxrc or cluster_mkinitrd",
    ),
    ("uml: {ubd_devices: 17}", "2: uml.ubd_devices: 17 is outside 1 to 16"),
    ("demo: {source: base, path: dbdemo}", "2: demo.path: 'dbdemo' is not an absolute path of a file"),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text for text, _ in BAD])
def test_key_that_does_not_fit_is_an_error_with_file_line_and_key(
    error: ErrorOf, text: str, expected: str
) -> None:
    lines = error(text).splitlines()
    wanted = expected.splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(wanted[0]) or wanted[0] in line]
    assert starts, lines
    assert wanted[1:] == lines[starts[0] + 1 : starts[0] + len(wanted)]


def test_each_bad_recipe_has_one_error(error: ErrorOf) -> None:
    several = {text for text, _ in BAD if error(text).count(".yaml:") != 1}
    # A section of another kind replaces the whole section, whose keys are missing. A new source has no urls.
    assert {text.partition(":")[0] for text in several} <= {"kernel", "sources", "initrd"}, several


def test_programs_of_the_host_are_for_gfs1_alone(error_of: ErrorOf) -> None:
    assert "tools.ptool: a program of the host is for filesystem.type: gfs1" in error_of(
        "extends: base\ntools: {ptool: {host: /x/ptool}}\n"
    )


def test_base_of_packages_without_packages_is_an_error(error_of: ErrorOf) -> None:
    assert "packages: is missing" in error_of("extends: base\npackages: []\n")


def test_rule_does_not_run_while_a_key_that_it_compares_is_wrong(error: ErrorOf) -> None:
    """Whether the base image has the compiler cannot be known of a distribution that is wrong in itself."""
    kernel = "kernel: {source: release, base: base, ssi: tools, toolchain: base-image}\n"
    assert error(f"{kernel}distribution: {{name: 5}}").count(".yaml:") == 1


def test_text_in_place_of_a_folder_or_source_is_an_error(error: ErrorOf) -> None:
    text = "kernel: {source: cvs, base: base, ssi: here, ci: {folder: x}}"
    assert error(text) == (
        "recipes/mine.yaml:2: kernel.ssi: 'here' is text, expected a mapping (lines `key: value`)"
    )


def test_programs_of_the_host_are_merged_one_by_one(recipes: Path, old: LoadedRecipe, write: Write) -> None:
    write("middle", "extends: old\ntools: {ptool: {host: /opt/ptool}}\n")
    write("mine", "extends: middle\ntools: {gfsconf: {host: /opt/gfsconf}}\n")
    tools = load_recipe("mine", recipes).recipe.tools
    assert [tools.host_path(name) for name in ("ptool", "gfsconf")] == ["/opt/ptool", "/opt/gfsconf"]
