"""The files of the tarballs, and their manifest.txt."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from files_on_disk import listing, sha256sum, write_sparse
from programs import LIMIT_S

from ssiuml.errors import SsiumlError
from ssiuml.host.places import cache_root
from ssiuml.release.commands import PROGRAMS, commands
from ssiuml.release.component import Component
from ssiuml.release.contents import (
    MODULES,
    components_section,
    copy_patches,
    images_section,
    link_images,
    root_section,
    write_commands,
    write_kernel,
    write_manifest,
    write_manifest_text,
)
from ssiuml.release.vendored import fetch_wheels
from ssiuml.tree.layer import Layer, write_layer
from ssiuml.tree.tree import Literal, Meta, file
from ssiuml.units import MIB


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all commands, outside the checkout."""
    folder = tmp_path_factory.mktemp("utils")
    wheels = fetch_wheels(cache_root(os.environ) / "downloads" / "python", offline=False)
    write_commands(folder, commands(), PROGRAMS, wheels)
    return folder


@pytest.mark.parametrize("command", commands())
def test_each_command_runs_on_a_python_with_nothing_installed(
    installed: Path, tmp_path: Path, command: str
) -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or shutil.which("python3")
    assert python is not None
    done = subprocess.run(
        [python, "-I", "-S", "-B", installed / "bin" / command, "--help"],
        capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert command in done.stdout


def test_modules_of_the_build_are_left_out(installed: Path) -> None:
    found = {path.name for path in (installed / MODULES / "ssiuml").iterdir()}
    assert {"cli", "cluster", "formats"} <= found
    assert not {"pipeline", "recipe", "release", "report", "sources"} & found
    assert not [line for line in listing(installed) if "__pycache__" in line]


def test_a_foreign_package_that_no_wheel_brings_is_named_with_its_importers(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match=r"filelock \(by ssiuml\.\S+.*; tqdm \(by ssiuml\.host\.progress\)"):
        write_commands(tmp_path, commands(), PROGRAMS, [])


VERSION = "6.1.0"
MODULES_FOLDER = f"usr/lib/uml/modules/{VERSION}"


def _kernel(folder: Path, files: dict[str, bytes]) -> Path:
    """Write the archive of a kernel's files and fill the folder of its tarball; return the folder."""
    entries = [(path, file(Literal(data), Meta(mode=0o644))) for path, data in files.items()]
    write_layer(folder / "packed.tar", Layer(entries))
    program = folder / "linux-ssi"
    program.write_bytes(b"\x7fELF")
    (folder / "out").mkdir()
    write_kernel(folder / "out", program, folder / "packed.tar", VERSION)
    return folder / "out"


@pytest.mark.parametrize("ours", [True, False], ids=["built here", "Debian's"])
def test_the_kernels_options_modules_and_copyright_are_found(tmp_path: Path, ours: bool) -> None:
    documents = "usr/share/doc/user-mode-linux"
    config = (
        {f"{MODULES_FOLDER}/config": b"CONFIG_UML=y\n"}
        if ours
        else {f"{documents}/config.gz": gzip.compress(b"CONFIG_UML=y\n")}
    )
    out = _kernel(
        tmp_path,
        {
            f"{MODULES_FOLDER}/kernel/fuse.ko": b"ko",
            f"{documents}/copyright": b"GPL",
            f"{documents}/x": b"",
            **config,
        },
    )
    assert [line for line in listing(out) if line.startswith("f")] == [
        "f 644 config",
        "f 644 copyright",
        "f 644 linux-ssi",
        f"f 644 modules/{VERSION}/kernel/fuse.ko",
    ]
    assert (out / "config").read_bytes() == b"CONFIG_UML=y\n"


def test_the_manifest_names_the_kernel_beside_the_image_and_keeps_the_rest(tmp_path: Path) -> None:
    values = {"recipe": "x", "kernel": {"file": "linux-ssi", "version": VERSION}}
    write_manifest(tmp_path, values, "linux-ssi-6.1.0-1")
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["kernel"] == {"file": "../linux-ssi-6.1.0-1/linux-ssi", "version": VERSION}
    write_manifest(tmp_path, values, None)
    assert json.loads((tmp_path / "manifest.json").read_text())["kernel"] == values["kernel"]


def test_images_are_hard_links(tmp_path: Path) -> None:
    (tmp_path / "root_fs").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    link_images(tmp_path / "out", [tmp_path / "root_fs"])
    assert (tmp_path / "out" / "root_fs").samefile(tmp_path / "root_fs")


def test_patches_come_with_a_series_for_quilt(tmp_path: Path) -> None:
    patches = [tmp_path / "b.patch", tmp_path / "a.patch"]
    for patch in patches:
        patch.write_text(patch.name)
    (tmp_path / "out").mkdir()
    copy_patches(tmp_path / "out", [])
    assert listing(tmp_path / "out") == []
    copy_patches(tmp_path / "out", patches)
    assert (tmp_path / "out/patches/series").read_text() == "b.patch\na.patch\n"
    assert (tmp_path / "out/patches/a.patch").read_text() == "a.patch"


def test_two_patches_of_one_name_are_refused_and_both_are_named(tmp_path: Path) -> None:
    patches = [tmp_path / "one" / "a.patch", tmp_path / "b.patch", tmp_path / "two" / "a.patch"]
    with pytest.raises(SsiumlError, match=r"one/a\.patch, .*two/a\.patch: "):
        copy_patches(tmp_path, patches)
    assert listing(tmp_path) == []


# manifest.txt


def _component(
    name: str, version: str, *licences: str, patches: tuple[tuple[str, str], ...] = ()
) -> Component:
    return Component(
        name=name, version=version, purl=f"pkg:generic/{name}", licences=licences, patches=patches
    )


def test_sections_have_titles_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    sections = {"One": ["  1", "  \u00fc"], "None": [], "Two": ["  2"]}
    write_manifest_text(tmp_path / "m", ["name", "by whom"], sections)
    text = (tmp_path / "m").read_bytes().decode("utf-8")
    assert text == "name\nby whom\n\nOne\n  1\n  \u00fc\n\nTwo\n  2\n"


def test_components_are_in_columns_and_sorted_by_name() -> None:
    components = [
        _component("zlib1g", "1:1.2.13", "Zlib"),
        _component("a", "1"),
        _component("libc6", "2.36-9", "GPL-2", "MIT"),
    ]
    assert components_section(components) == [
        "  a       1",
        "  libc6   2.36-9    GPL-2, MIT",
        "  zlib1g  1:1.2.13  Zlib",
    ]
    assert components_section([]) == []


def test_many_licences_are_wrapped_and_none_is_lost() -> None:
    licences = [f"Licence-{number}.0-or-later" for number in range(20)]
    lines = components_section([_component("name", "1.0", *licences)])
    assert len(lines) > 3
    assert {line[:13].strip() for line in lines[1:]} == {""}
    assert " ".join(line[13:] for line in lines).split(", ") == licences
    assert max(map(len, lines)) <= 13 + 60


def test_patches_follow_their_component() -> None:
    lines = components_section(
        [_component("linux", "6.1", "GPL-2.0-only", patches=(("a.patch", "0"), ("b.patch", "0")))]
    )
    assert lines == ["  linux  6.1  GPL-2.0-only", "      patch a.patch", "      patch b.patch"]


def test_images_have_size_and_digest(tmp_path: Path) -> None:
    image = write_sparse(tmp_path / "root_fs", 5 * MIB, (0, b"x"))
    (line,) = images_section(tmp_path, {"root_fs": sha256sum(image)})
    assert line.split() == ["root_fs", "5", "MiB", sha256sum(image)]


def test_the_root_section_has_those_facts_of_file_system_and_cluster_that_are_known() -> None:
    values = {
        "filesystem": {"type": "gfs2", "journals": 3, "lock_table": "c:t", "uuid": "left out"},
        "cluster": {"node_limit": 3, "network": "192.168.50.0/24"},
    }
    assert root_section(values) == [
        "  type                 gfs2",
        "  journals             3",
        "  lock_table           c:t",
        "  nodes at most        3",
        "  network              192.168.50.0/24",
    ]
