"""Structures of GFS have the offsets and sizes of the kernel's C header."""

import re
import subprocess
from pathlib import Path

import pytest

from ssiuml.formats.gfs import structures as gfs
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.ondisk import OnDisk, layout_of

HEADER = Path("/usr/include/linux/gfs2_ondisk.h")
IN_C: dict[type[OnDisk], str] = {
    gfs.MetaHeader: "gfs2_meta_header",
    gfs.Inum: "gfs2_inum",
    gfs.RindexEntry: "gfs2_rindex",
    gfs.Quota: "gfs2_quota",
    gfs.Dirent: "gfs2_dirent",
    gfs.Leaf: "gfs2_leaf",
    gfs.EaHeader: "gfs2_ea_header",
    gfs2.Superblock: "gfs2_sb",
    gfs2.Rgrp: "gfs2_rgrp",
    gfs2.Dinode: "gfs2_dinode",
    gfs2.LogHeader: "gfs2_log_header",
    gfs2.InumRange: "gfs2_inum_range",
    gfs2.StatfsChange: "gfs2_statfs_change",
}
# Fields of GFS1 alone are padding in the header of GFS2.
RENAMED = {"mh_generation": "__pad0", "mh_incarn": "mh_jid", "ri_pad": "__pad", "ea_pad": "__pad"}
RENAMED |= {f"sb_pad{number}": f"__pad{number}" for number in range(5)}
RENAMED |= {f"di_pad{number}": f"__pad{number}" for number in range(1, 5)} | {"de_pad": "__pad"}


def compiled(source: str) -> list[int]:
    """Compile *source* and return the constants of its array ``numbers``."""
    assembly = subprocess.run(
        ["gcc", "-x", "c", "-S", "-o", "-", "-"], input=source, capture_output=True, text=True, check=True
    ).stdout
    body = assembly.partition("numbers:")[2]
    return [int(number) for number in re.findall(r"\.quad\s+(\d+)", body)]


@pytest.mark.parametrize("structure", IN_C, ids=lambda structure: structure.__name__)
def test_fields_have_the_offsets_of_the_kernels_header(structure: type[OnDisk]) -> None:
    name = f"struct {IN_C[structure]}"
    fields = [field.name for field in layout_of(structure).fields]
    constants = [f"__builtin_offsetof({name}, {RENAMED.get(field, field)})" for field in fields]
    constants.append(f"sizeof({name})")
    source = f"#include <linux/gfs2_ondisk.h>\nunsigned long long numbers[] = {{{', '.join(constants)}}};\n"
    # A zero at the beginning of the array is a .quad like the others.
    assert compiled(source) == [*map(structure.offset_of, fields), structure.size_bytes()]


def test_every_structure_is_compared_with_the_header() -> None:
    declared = {
        value
        for module in (gfs, gfs2)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, OnDisk) and value is not OnDisk
    }
    assert declared == set(IN_C)


def test_constants_are_those_of_the_header() -> None:
    defined = dict(re.findall(r"#define\s+GFS2_(\w+)\s+(0x[0-9a-fA-F]+|\d+)\b", HEADER.read_text()))
    numbers = {name: int(value, 0) for name, value in defined.items()}
    assert numbers["MAGIC"] == gfs.MAGIC
    assert numbers["SB_ADDR"] * 512 == gfs.SUPERBLOCK_BYTES
    assert numbers["DIR_MAX_DEPTH"] == gfs.DEPTH_MAX
    assert numbers["MAX_META_HEIGHT"] == gfs.HEIGHT_MAX
    assert numbers["FNAMESIZE"] == gfs.NAME_BYTES_MAX
    types = {name.removeprefix("METATYPE_"): value for name, value in numbers.items() if "METATYPE" in name}
    assert types == {kind.name: kind.value for kind in gfs.MetaType}
    formats = {name.removeprefix("FORMAT_"): value for name, value in numbers.items() if "FORMAT_" in name}
    for kind in gfs.MetaType:
        assert gfs.meta_header(kind).mh_format == formats.get(kind.name, 0), kind
    for flag in gfs.Flag:
        assert flag.name is not None
        assert numbers[f"DIF_{flag.name}"] == flag
    for state in gfs.State:
        assert numbers[f"BLKST_{state.name}"] == state
