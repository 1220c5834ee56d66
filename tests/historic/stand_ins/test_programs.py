"""The programs and modules of the stand-ins can be assembled, linked, read and run like real ones."""

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from programs import tool
from redhat.busybox import fetch_busybox
from redhat.elf32 import PROGRAM_CODE, PROGRAM_SOURCE, module, program, run_i386
from redhat.recording_tools import NAMES, make_recording_tools

LIMIT_S = 30.0


def test_the_code_of_the_program_is_what_the_assembler_makes_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text(PROGRAM_SOURCE)
    tool("as", "--32", "-o", tmp_path / "a.o", tmp_path / "a.s")
    tool("objcopy", "-O", "binary", "-j", ".text", tmp_path / "a.o", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == PROGRAM_CODE


def test_the_program_prints_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(program("tool"))
    path.chmod(0o755)
    assert run_i386(path, "one", "", "two words") == f"{path} one  two words\n"
    assert program("other") != program("tool")


def test_busybox_is_a_static_program_for_32_bit_pcs() -> None:
    with fetch_busybox().open("rb") as stream:
        elf = ELFFile(stream)
        assert (elf.elfclass, elf["e_machine"]) == (32, "EM_386")
        assert all(segment["p_type"] != "PT_INTERP" for segment in elf.iter_segments())
    assert run_i386(fetch_busybox(), "sh", "-c", "echo $((6 * 7))") == "42\n"


def test_a_module_has_what_insmod_of_linux_2_4_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "gfs.o"
    path.write_bytes(module("2.4.16-21um", author="nobody"))
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        assert (elf.elfclass, elf["e_machine"], elf["e_type"]) == (32, "EM_386", "ET_REL")
        info = elf.get_section_by_name(".modinfo")
        assert info is not None
        assert info.data().split(b"\0") == [b"kernel_version=2.4.16-21um", b"author=nobody", b""]
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        assert [symbol.name for symbol in table.iter_symbols()] == ["", "init_module", "cleanup_module"]
    tool("ld", "-m", "elf_i386", "-r", "-o", tmp_path / "linked.o", path)
    assert "warning" not in tool("readelf", "-a", "-W", path).lower()


def test_recording_tools_record_their_names_and_arguments(tmp_path: Path) -> None:
    tools = make_recording_tools(tmp_path / "tools")
    assert tools.calls() == []
    for name in NAMES:
        subprocess.run([tools.program(name), "-r", "all words", "", name], check=True, timeout=LIMIT_S)
    assert tools.calls() == [[name, "-r", "all words", "", name] for name in NAMES]


@pytest.mark.parametrize(("name", "at", "failing"), [("mount", 2, [3]), ("any", 2, [1]), ("losetup", 1, [1])])
def test_recording_tools_fail_at_the_call_that_the_test_names(
    tmp_path: Path, name: str, at: int, failing: list[int]
) -> None:
    tools = make_recording_tools(tmp_path / "tools")
    tools.fail(name, at=at)
    calls = ["mount", "losetup", "losetup", "mount", "mount"]
    ends = [
        subprocess.run([tools.program(call)], check=False, capture_output=True, timeout=LIMIT_S)
        for call in calls
    ]
    assert [number for number, end in enumerate(ends) if end.returncode] == failing
    assert all(b"fails as the test asks" in ends[number].stderr for number in failing)
    assert [words[0] for words in tools.calls()] == calls
