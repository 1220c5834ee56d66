"""manifest.txt, as people read it."""

from pathlib import Path

from files_on_disk import sha256sum, write_sparse

from ssiuml.release.inventory import images_section, parts_section, root_section, write_inventory
from ssiuml.release.part import Part
from ssiuml.units import MIB


def _part(name: str, version: str, *licences: str, patches: tuple[tuple[str, str], ...] = ()) -> Part:
    return Part(name=name, version=version, url=f"pkg:generic/{name}", licences=licences, patches=patches)


def test_titles_stand_over_their_sections_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    sections = {"One": ["  1", "  \u00fc"], "None": [], "Two": ["  2"]}
    write_inventory(tmp_path / "m", ["name", "by whom"], sections)
    text = (tmp_path / "m").read_bytes().decode("utf-8")
    assert text == "name\nby whom\n\nOne\n  1\n  \u00fc\n\nTwo\n  2\n"


def test_parts_are_in_columns_by_name() -> None:
    parts = [_part("zlib1g", "1:1.2.13", "Zlib"), _part("a", "1"), _part("libc6", "2.36-9", "GPL-2", "MIT")]
    assert parts_section(parts) == [
        "  a       1",
        "  libc6   2.36-9    GPL-2, MIT",
        "  zlib1g  1:1.2.13  Zlib",
    ]
    assert parts_section([]) == []


def test_many_licences_are_wrapped_below_each_other_and_none_is_lost() -> None:
    licences = [f"Licence-{number}.0-or-later" for number in range(20)]
    lines = parts_section([_part("name", "1.0", *licences)])
    assert len(lines) > 3
    assert {line[:13].strip() for line in lines[1:]} == {""}
    assert " ".join(line[13:] for line in lines).split(", ") == licences
    assert max(map(len, lines)) <= 13 + 60


def test_patches_stand_below_their_part() -> None:
    lines = parts_section(
        [_part("linux", "6.1", "GPL-2.0-only", patches=(("a.patch", "0"), ("b.patch", "0")))]
    )
    assert lines == ["  linux  6.1  GPL-2.0-only", "      patch a.patch", "      patch b.patch"]


def test_images_have_size_and_digest(tmp_path: Path) -> None:
    image = write_sparse(tmp_path / "root_fs", 5 * MIB, (0, b"x"))
    (line,) = images_section(tmp_path, {"root_fs": sha256sum(image)})
    assert line.split() == ["root_fs", "5", "MiB", sha256sum(image)]


def test_file_system_and_cluster_are_told_as_far_as_they_are_known() -> None:
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
