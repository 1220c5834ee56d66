"""manifest.json is read as it was written; a missing, damaged or unknown one is an error."""

import json
import re
from pathlib import Path

import pytest
from project import PROJECT

from ssiuml import manifest
from ssiuml.manifest import ManifestError
from ssiuml.recipe.load import load_recipe


@pytest.fixture
def written(tmp_path: Path) -> Path:
    values = manifest.describe(
        load_recipe("trixie-min", PROJECT / "recipes"),
        images={
            "root_fs": {"file": "root_fs", "size_bytes": 1 << 30},
            "initrd": {"file": "initrd-ssi.img"},
        },
        kernel={"file": "linux-ssi", "version": "6.1"},
        base={"locked": True},
        packages={"corosync": "3.1.7"},
        unverified=[],
        epoch=1_700_000_000,
    )
    assert manifest.write(tmp_path, values) == tmp_path / "manifest.json"
    return tmp_path


def test_paths_stay_right_when_the_folder_is_moved(written: Path) -> None:
    moved = written.rename(written.with_name("moved"))
    read = manifest.read(moved)
    assert (read.root_fs, read.kernel, read.initrd) == (
        moved / "root_fs",
        moved / "linux-ssi",
        moved / "initrd-ssi.img",
    )


def test_manifest_has_the_values_that_a_cluster_needs(written: Path) -> None:
    values = json.loads((written / "manifest.json").read_text())
    assert values["schema"] == manifest.SCHEMA
    assert values["recipe"] == "trixie-min"
    assert values["cluster"]["name"] == "ssi"
    assert values["cluster"]["network"] == "192.168.50.0/24"
    assert values["cluster"]["timings"]["token_ms"] == 2000
    assert values["filesystem"]["journals"] == 3
    assert values["filesystem"]["lock_table"] == "ssi:root"
    assert values["packages"] == {"corosync": "3.1.7"}
    assert manifest.read(written).node_limit == 3


def test_the_same_values_give_the_same_bytes(written: Path) -> None:
    before = (written / "manifest.json").read_bytes()
    manifest.write(written, manifest.read(written).values)
    assert (written / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("folder", ["", "absent"])
def test_folder_without_a_manifest_is_an_error_with_the_command_that_builds(
    tmp_path: Path, folder: str
) -> None:
    with pytest.raises(ManifestError, match=r"no image(.|\n)*build-root") as caught:
        manifest.read(tmp_path / folder)
    assert str(tmp_path / folder) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"text"', "{}", '{"schema": ', "\udcff"])
def test_damaged_manifest_is_an_error_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ManifestError, match=r"manifest\.json: is damaged"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("schema", [0, 1, 2, 4, "3", None, [1]])
def test_unknown_schema_is_an_error_with_both_numbers(tmp_path: Path, schema: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": schema}))
    with pytest.raises(ManifestError) as caught:
        manifest.read(tmp_path)
    assert f"schema {schema}" in str(caught.value)
    assert re.search(rf"(reads|not) {manifest.SCHEMA}\b", str(caught.value))


def test_manifest_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        manifest.read(tmp_path)


def _changed(folder: Path, **sections: dict[str, object]) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    for key, changes in sections.items():
        values[key] = {**values.get(key, {}), **changes}
    manifest.write(folder, values)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"kernel": {"parameters": ["quiet", "ubd1=/etc/shadow"]}},
            "kernel.parameters[1]: 'ubd1=/etc/shadow' is an option of User-Mode Linux itself, which only the "
            "commands that start nodes may set",
        ),
        (
            {"kernel": {"parameters": ["quiet ubd1=/etc/shadow"]}},
            "kernel.parameters[0]: 'quiet ubd1=/etc/shadow' is not a kernel parameter",
        ),
        (
            {"kernel": {"userspace": "on ubd1=x"}},
            "kernel.userspace: 'on ubd1=x' is not one of ptrace, seccomp",
        ),
        (
            {"initrd": {"ramdisk_kib": "9 ubd1=/etc/shadow"}},
            "initrd.ramdisk_kib: '9 ubd1=/etc/shadow' is not a number",
        ),
        (
            {"root_fs": {"file": "/etc/shadow"}},
            "root_fs.file: '/etc/shadow' is not the name of a file in the image's folder",
        ),
        (
            {"initrd": {"file": "../../.ssh/id_rsa"}},
            "initrd.file: '../../.ssh/id_rsa' is not the name of a file in the image's folder",
        ),
        (
            {"root_cidev": {"file": ".."}},
            "root_cidev.file: '..' is not the name of a file in the image's folder",
        ),
        (
            {"kernel": {"file": "../../bin/sh"}},
            "kernel.file: '../../bin/sh' is not the name of a file in the image's folder",
        ),
    ],
)
def test_an_image_from_elsewhere_gives_its_nodes_no_files_of_this_machine(
    written: Path, section: dict[str, dict[str, object]], said: str
) -> None:
    _changed(written, **section)
    with pytest.raises(ManifestError) as caught:
        manifest.read(written)
    assert (
        str(caught.value) == f"{written}/manifest.json: {said}\n  use another image, or ask who made this one"
    )


def test_a_link_out_of_the_folder_of_an_image_is_refused(written: Path) -> None:
    (written / "root_fs").symlink_to("/etc/shadow")
    with pytest.raises(ManifestError) as caught:
        manifest.read(written)
    assert str(caught.value) == (
        f"{written}/root_fs: is a link out of the image's folder, to /etc/shadow\n"
        "  put the file itself there, if the link is yours"
    )


def test_the_kernel_of_a_release_lies_in_a_folder_beside_that_of_the_root(written: Path) -> None:
    _changed(written, kernel={"file": "../linux-ssi-6.1/linux-ssi"})
    assert manifest.read(written).kernel == written / "../linux-ssi-6.1/linux-ssi"
    (written / "here").touch()
    (written / "root_fs").symlink_to("here")
    manifest.read(written)
