"""The libraries that a program needs, compared with those that ld.so loads."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.errors import SsiumlError
from ssiuml.tree.elf import LIBRARY_DIRS, with_libraries
from ssiuml.tree.tree import Literal, Meta, Node, Tree, TreeError, directory, file, symlink, whole_file

HOST_LIBRARIES = [Path("/", name) for name in LIBRARY_DIRS]


def _add_from_host(tree: Tree, path: Path) -> None:
    """Add a file of the host, or a link and its target, at the same path."""
    for parent in reversed(path.parents):
        if parent.is_symlink():
            tree.add(str(parent.resolve()), directory(Meta(mode=0o755)))
            tree.add(str(parent), symlink(str(parent.readlink())))
    if path.is_symlink():
        tree.add(str(path), symlink(str(path.readlink())))
        _add_from_host(tree, path.parent / path.readlink())
    elif path.is_file() and tree.find(str(path)) is None:
        tree.add(str(path), file(whole_file(path), Meta(mode=0o755)))


def _program(name: str) -> Path:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on this machine")
    return Path(path)


def _loaded(program: Path) -> set[Path]:
    """Return what ld.so loads, by the variable that ldd sets; *program* may be a link, unlike for ldd."""
    environment = {**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, env=environment)
    words = [word for line in done.stdout.splitlines() for word in line.split() if word.startswith("/")]
    assert words, done.stdout
    return {Path(word) for word in words}


def _script(text: bytes = b"#!/bin/sh\n") -> Node:
    return file(Literal(text), Meta(mode=0o755))


def _host_tree() -> Tree:
    """Return a tree with all libraries of the host in the folders that ld.so knows."""
    tree = Tree()
    for folder in HOST_LIBRARIES:
        for path in sorted(folder.glob("*.so*")):
            try:
                _add_from_host(tree, path)
            except TreeError:
                continue  # a link of the host that leads nowhere
    return tree


@pytest.fixture(scope="module")
def host() -> Tree:
    return _host_tree()


@pytest.fixture
def compile_c(tmp_path: Path) -> "Compiler":
    return Compiler(_program("gcc"), tmp_path)


class Compiler:
    """Makes tiny programs and libraries with given entries in their dynamic section."""

    def __init__(self, gcc: Path, folder: Path) -> None:
        self.gcc, self.folder = gcc, folder

    def __call__(self, name: str, code: str, *options: str) -> Path:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [str(self.gcc), "-x", "c", "-", "-x", "none", "-o", str(target), *options]
        subprocess.run(command, input=code.encode(), check=True, cwd=self.folder)
        return target

    def tree(self, host: Tree) -> Tree:
        """Return a tree with the C library of the host and all that was compiled, from the root on."""
        tree = Tree()
        for path, node in host.walk():
            if path.rsplit("/", 1)[-1].startswith(("ld-linux", "libc.so")) or "/" not in path:
                tree.add(path, node)
        for made in sorted(self.folder.rglob("*")):
            if made.is_symlink():
                tree.add(str(made.relative_to(self.folder)), symlink(str(made.readlink())))
            elif made.is_file():
                inside = str(made.relative_to(self.folder))
                tree.add(inside, file(whole_file(made), Meta(mode=0o755)))
        return tree


@pytest.mark.parametrize("name", ["ls", "tar", "bash", "ssh", "gdb", "git", "apt-get"])
def test_libraries_of_a_program_are_those_that_ld_so_loads(host: Tree, name: str) -> None:
    program = _program(name)
    if not program.read_bytes().startswith(b"\x7fELF"):
        pytest.skip(f"{program} is a script here")
    _add_from_host(host, program)
    needed = _loaded(program)
    for path in needed:
        if host.find(str(path)) is None:
            pytest.skip(f"{path} lies in a folder that only this machine's ld.so.conf names")
    found = with_libraries(host, [str(program).lstrip("/")])
    assert {Path("/", path).resolve() for path in found} == {path.resolve() for path in {program, *needed}}


def test_each_path_is_returned_once_and_programs_come_first(host: Tree) -> None:
    program = _program("ls")
    _add_from_host(host, program)
    inside = str(program).lstrip("/")
    found = with_libraries(host, [inside, inside])
    assert found[0] == inside
    assert len(found) == len(set(found))


def test_scripts_and_static_programs_need_no_libraries(host: Tree, compile_c: Compiler) -> None:
    compile_c("bin/static", "int main(void) { return 0; }", "-static", "-nostdlib", "-Wl,-emain")
    tree = compile_c.tree(host)
    tree.add("bin/script", _script())
    tree.add("bin/empty", _script(b""))
    programs = ["bin/script", "bin/empty", "bin/static"]
    assert with_libraries(tree, programs) == programs


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_runpath_and_rpath_with_origin_lead_to_the_library_that_ld_so_loads(
    host: Tree, compile_c: Compiler, tags: str
) -> None:
    compile_c("opt/app/lib/libown.so.1", "int own(void) { return 0; }", "-shared", "-Wl,-soname,libown.so.1")
    compile_c(
        "opt/app/bin/program",
        "int own(void); int main(void) { return own(); }",
        "opt/app/lib/libown.so.1",
        f"-Wl,{tags},-rpath,$ORIGIN/../lib",
    )
    (compile_c.folder / "bin").mkdir()
    (compile_c.folder / "bin" / "program").symlink_to("../opt/app/bin/program")
    tree = compile_c.tree(host)
    for path in ("opt/app/bin/program", "bin/program"):
        needed = _loaded(compile_c.folder / path)
        own = compile_c.folder / "opt/app/lib/libown.so.1"
        assert own in {path.resolve() for path in needed}
        assert "opt/app/lib/libown.so.1" in {tree.real_path(found) for found in with_libraries(tree, [path])}


def test_library_that_a_program_needs_by_its_path_is_found_there(host: Tree, compile_c: Compiler) -> None:
    library = compile_c("opt/libown.so", "int own(void) { return 0; }", "-shared")
    program = compile_c("bin/program", "int own(void); int main(void) { return own(); }", str(library))
    assert library in _loaded(program)
    tree = compile_c.tree(host)
    tree.add(str(library), file(whole_file(library), Meta(mode=0o755)))
    assert str(library).lstrip("/") in with_libraries(tree, ["bin/program"])


def test_program_without_section_headers_has_the_libraries_that_ld_so_loads(
    host: Tree, compile_c: Compiler
) -> None:
    program = compile_c("bin/program", "int main(void) { return 0; }")
    data = bytearray(program.read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    program.write_bytes(data)
    assert subprocess.run([str(program)]).returncode == 0
    found = with_libraries(compile_c.tree(host), ["bin/program"])
    assert {Path("/", path).resolve() for path in found[1:]} == {path.resolve() for path in _loaded(program)}


def test_missing_program_is_an_error(host: Tree) -> None:
    for path in ("sbin/missing", "usr/lib"):
        with pytest.raises(SsiumlError) as error:
            with_libraries(host, [path])
        assert str(error.value) == f"/{path}: no such program or library in the tree"


def test_missing_library_is_an_error_with_the_program_and_a_hint(host: Tree, compile_c: Compiler) -> None:
    compile_c("libown.so", "int own(void) { return 0; }", "-shared", "-Wl,-soname,libown.so.1")
    compile_c("bin/program", "int own(void); int main(void) { return own(); }", "libown.so")
    with pytest.raises(SsiumlError) as error:
        with_libraries(compile_c.tree(host), ["bin/program"])
    assert str(error.value) == (
        "/bin/program: needs the library libown.so.1, which is not in the tree\n"
        "  add the package that has it to the recipe's packages"
    )


def test_missing_interpreter_is_an_error(compile_c: Compiler) -> None:
    options = ("-nostdlib", "-Wl,-e,main", "-Wl,--dynamic-linker=/lib/ld-none.so.1")
    program = compile_c("bin/program", "int main(void) { return 0; }", *options)
    tree = Tree()
    tree.add("bin/program", file(whole_file(program), Meta(mode=0o755)))
    with pytest.raises(SsiumlError, match=r"^/lib/ld-none\.so\.1: no such program or library in the tree"):
        with_libraries(tree, ["bin/program"])


def test_program_cut_off_anywhere_is_an_error(host: Tree) -> None:
    data = _program("true").read_bytes()
    tree = Tree()
    for path, node in host.walk():
        if path.rsplit("/", 1)[-1].startswith(("ld-linux", "libc.so")) or "/" not in path:
            tree.add(path, node)
    for size in (4, 5, 16, 63, 64, 100, 500, 1000):
        tree.add("bin/cut", _script(data[:size]))
        with pytest.raises(SsiumlError, match=r"^/bin/cut: is a damaged ELF file: "):
            with_libraries(tree, ["bin/cut"])


@given(st.lists(st.tuples(st.integers(4, 2000) | st.integers(4, 2**20), st.integers(0, 255)), max_size=4))
@settings(max_examples=150, deadline=None)
def test_damaged_program_is_read_or_refused_but_never_crashes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(_program("true").read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    tree = Tree()
    tree.add("bin/program", _script(bytes(data)))
    tree.add("lib64/ld-linux-x86-64.so.2", _script())
    tree.add("lib/libc.so.6", _script())
    try:
        with_libraries(tree, ["bin/program"])
    except SsiumlError:
        return


def test_libraries_for_another_machine_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "f.s").write_text(".globl _start\n_start: call f\n.globl f\nf: ret\n")
    for bits, machine in (("32", "elf_i386"), ("64", "elf_x86_64")):
        for line in (
            f"as --{bits} f.s -o f{bits}.o",
            f"ld -m {machine} -shared -soname libf.so f{bits}.o -o libf{bits}.so",
            f"ld -m {machine} -pie --dynamic-linker /lib/ld.so f{bits}.o libf{bits}.so -o program{bits}",
        ):
            subprocess.run(line.split(), cwd=tmp_path, check=True)
    tree = Tree()
    for name, place in (
        ("program32", "bin/program32"),
        ("program64", "bin/program64"),
        ("libf64.so", "lib64/libf.so"),
        ("libf32.so", "lib/libf.so"),
    ):
        tree.add(place, file(whole_file(tmp_path / name), Meta(mode=0o755)))
    tree.add("lib/ld.so", _script())
    assert sorted(with_libraries(tree, ["bin/program64"])) == ["bin/program64", "lib/ld.so", "lib64/libf.so"]
    assert sorted(with_libraries(tree, ["bin/program32"])) == ["bin/program32", "lib/ld.so", "lib/libf.so"]
    tree.remove("lib/libf.so")
    with pytest.raises(SsiumlError, match=r"/bin/program32: needs the library libf\.so"):
        with_libraries(tree, ["bin/program32"])
