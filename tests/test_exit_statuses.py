"""What the exit statuses of other programs mean, what they say with them, and what we say then.

Each row of ROWS has a real program end with a status, through the function that judges it. Programs that are
not in ROWS are judged by nobody but ssiuml.host.run: every status but 0 is an error with their last lines.
"""

import ast
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from crashed_images import crash, damage_journal, erase, healthy_image
from programs import tool
from project import PROJECT
from signing_keys import gpg_home, gpg_key, signers_file, ssh_key

from ssiuml.cluster import ssh, ssh_copy
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.debian.apt import Apt
from ssiuml.errors import SsiumlError
from ssiuml.historic.cluster_tools import require_rule
from ssiuml.host.cache import Cache
from ssiuml.host.run import find_tool
from ssiuml.images import gfs2_tools
from ssiuml.images.tree_archive import tree_of_archive
from ssiuml.kernel.packed import unpack_package
from ssiuml.kernel.patches import apply_patch
from ssiuml.kernel.toolchain import Toolchain
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.release.signing import sign, verify_signature
from ssiuml.release.version import commit_time

WHO: Final = "Someone <someone@example.org>"
Act = Callable[[Path, pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Row:
    """A program ends with *status* when *act* is done in an empty folder.

    Our message begins with *said*, in which {tmp} stands for the folder. None means no error.
    """

    program: str
    status: int
    act: Act
    said: str | None


# fsck.gfs2 -n: 0 no errors, 4 errors, 8 and 255 gave up, 16 not even opened (gfs2/fsck/fsck.h). The complete
# table of its words is in tests/images/test_gfs2_tools.py.


def _repaired(crashed: tuple[str, ...] | None = None, erased: tuple[str, ...] = ()) -> Act:
    def act(tmp: Path, _: pytest.MonkeyPatch) -> None:
        image = healthy_image(tmp / "image")
        if crashed is not None:
            crash(image, *crashed)
        erase(image, *erased)
        (tmp / "root").write_bytes(image.data)
        gfs2_tools.repair(tmp / "root")

    return act


def _with_damaged_journal(tmp: Path, _: pytest.MonkeyPatch) -> None:
    image = healthy_image(tmp / "image")
    damage_journal(image)
    (tmp / "root").write_bytes(image.data)
    gfs2_tools.repair(tmp / "root")


def _absent(tmp: Path, _: pytest.MonkeyPatch) -> None:
    gfs2_tools.repair(tmp / "root")


def _empty(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "root").touch()
    gfs2_tools.repair(tmp / "root")


def _converted(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "root").write_bytes(healthy_image(tmp / "image").data)
    gfs2_tools.convert_gfs1(tmp / "root")


# patch: 0 applied, 1 some hunks or files were not changed, 2 trouble (patch(1)).


def _patched(old: str, there: str | None, new: str = "", text: str | None = None) -> Act:
    """Apply a patch from *old* to *new*, none if that is empty, to a file with *there*."""

    def act(tmp: Path, _: pytest.MonkeyPatch) -> None:
        (tmp / "tree").mkdir()
        if there is not None:
            (tmp / "tree" / "a.c").write_text(there)
        lines = [f"-{line}\n" for line in old.splitlines()] + [f"+{line}\n" for line in new.splitlines()]
        count, after = len(old.splitlines()), len(new.splitlines())
        name = "b/a.c" if new else "/dev/null"
        made = f"--- a/a.c\n+++ {name}\n@@ -1,{count} +{1 if new else 0},{after} @@\n{''.join(lines)}"
        (tmp / "p.patch").write_text(made if text is None else text)
        apply_patch(tmp / "p.patch", tmp / "tree")

    return act


# make --question: 0 up to date, 1 not, 2 an error (make(1)); only its words tell which error.


def _rules_of(makefile: str) -> Act:
    def act(tmp: Path, _: pytest.MonkeyPatch) -> None:
        (tmp / "Makefile").write_text(makefile)
        require_rule(tmp, "debian")

    return act


# gpg --verify: 0 a good signature, of an expired key too; 1 a bad one; 2 anything else (gpg(1)).


def _gpg(*, changed: bool = False, known: bool = True) -> Act:
    def act(tmp: Path, patch: pytest.MonkeyPatch) -> None:
        path = tmp / "SHA256SUMS"
        path.write_text("0" * 64 + "  x\n")
        with gpg_home(tmp / "ring") as ring, gpg_home(tmp / "empty") as empty:
            patch.setenv("GNUPGHOME", ring["GNUPGHOME"])
            gpg_key(ring, WHO)
            sign(path, f"gpg:{WHO}")
            if changed:
                path.write_text("changed\n")
            if not known:
                patch.setenv("GNUPGHOME", empty["GNUPGHOME"])
            verify_signature(path, None)

    return act


# ssh-keygen -Y verify, find-principals: 0, or 255 for everything else (ssh-keygen(1)).


def _ssh_signature(*, changed: bool = False, listed: bool = True) -> Act:
    def act(tmp: Path, _: pytest.MonkeyPatch) -> None:
        path = tmp / "SHA256SUMS"
        path.write_text("0" * 64 + "  x\n")
        key, other = ssh_key(tmp / "key"), ssh_key(tmp / "other")
        sign(path, str(key))
        if changed:
            path.write_text("changed\n")
        verify_signature(path, signers_file(tmp / "signers", me=key if listed else other))

    return act


# apt-get: 0, or 100 for every error (apt-get(8)); what is wrong stands in the lines that begin with E:.


def _apt(tmp: Path) -> Apt:
    chosen = PackagesDistribution.model_validate(
        {"name": "debian", "suite": "bookworm", "mirror": "http://127.0.0.1:9", "components": ["main"]}
    )
    return Apt(tmp / "apt", chosen.model_copy(update={"mirror": f"file:{tmp}/mirror"}))


def _apt_update(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "mirror").mkdir()
    _apt(tmp).update()


def _apt_choice(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    """Choose a package that does not exist, as a user whose language is not English."""
    patch.setenv("LANGUAGE", "de")
    patch.setenv("LANG", "de_DE.UTF-8")
    apt = _apt(tmp)
    apt._prepare()
    apt._choose("no-such-package")


# ssh: the status of the command on the node, or 255 if the connection broke (ssh(1)). test: 0 yes, 1 no.


def _copied_in(script: str) -> Act:
    def act(tmp: Path, patch: pytest.MonkeyPatch) -> None:
        (tmp / "file").write_text("x")
        (tmp / "ssh").write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
        (tmp / "ssh").chmod(0o755)
        monkeyed = [str(tmp / "ssh")]
        patch.setattr(ssh, "session_command", lambda *_, **__: monkeyed)
        ssh_copy.copy_in(ClusterFolder(tmp), [str(tmp / "file")], ssh_copy.Place(2, "/root/new"))

    return act


# tar --create: 0; 1 if a file has changed while it was read; 2 an error (tar(1)).


def _packed_while_growing(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "log").write_bytes(bytes(4 << 20))
    (tmp / "to").mkdir()
    grow = f"--checkpoint-action=exec=echo line >>{tmp}/log"
    pack = ["tar", "-C", str(tmp), "--checkpoint=10", grow, "-cf", "-", "--", "log"]
    ssh_copy._pipe(ClusterFolder(tmp), pack, ["tar", "-C", str(tmp / "to"), "-xf", "-"], "log", None)
    assert (tmp / "to" / "log").stat().st_size >= 4 << 20


def _packed_absent(tmp: Path, _: pytest.MonkeyPatch) -> None:
    pack = ["tar", "-C", str(tmp), "-cf", "-", "absent"]
    ssh_copy._pipe(ClusterFolder(tmp), pack, ["cat"], "absent", None)


# git: 128 for every fatal error.


def _commit_time(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / ".git").mkdir()
    commit_time(tmp)


def _kernel_package(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "kernel.deb").write_bytes(b"!<arch>\n" + bytes(200))
    unpack_package(Cache(tmp / "cache"), tmp / "kernel.deb")


def _root_of_2002(tmp: Path, _: pytest.MonkeyPatch) -> None:
    (tmp / "tmp").mkdir()
    Toolchain(tmp).check()


# The unpackers: 0, or another status for every error; their last line says which.


def _cut_off(program: str) -> Act:
    """Read a compressed archive without its second half."""

    def act(tmp: Path, _: pytest.MonkeyPatch) -> None:
        (tmp / "file").write_bytes(os.urandom(1 << 18))
        tool("tar", "-C", tmp, "-cf", tmp / "tar", "file")
        packed = subprocess.run([program, "-c"], input=(tmp / "tar").read_bytes(), capture_output=True)
        (tmp / "cut").write_bytes(packed.stdout[: len(packed.stdout) // 2])
        with tree_of_archive(tmp / "cut"):
            pass

    return act


DIRTY: Final = "{tmp}/root: has journals that are not replayed"
ROWS: Final = (
    Row("fsck.gfs2", 0, _repaired(), None),
    Row("fsck.gfs2", 0, _repaired(crashed=()), DIRTY),
    Row("fsck.gfs2", 4, _repaired(crashed=("file",)), DIRTY),
    Row("fsck.gfs2", 8, _repaired(crashed=("root", "hashed")), DIRTY),
    Row("fsck.gfs2", 4, _repaired(erased=("file",)), "{tmp}/root: is damaged, fsck.gfs2 -n says:\n    Found"),
    Row(
        "fsck.gfs2", 8, _repaired(erased=("hashed",)), "{tmp}/root: is damaged, fsck.gfs2 -n says:\n    Found"
    ),
    Row(
        "fsck.gfs2",
        8,
        _with_damaged_journal,
        '{tmp}/root: is damaged, fsck.gfs2 -n says:\n    Journal #1 ("journal0") is corrupt',
    ),
    Row(
        "fsck.gfs2",
        8,
        _empty,
        "{tmp}/root: fsck.gfs2 -n ends with status 8 and no verdict:\n    {tmp}/root: No space left",
    ),
    Row(
        "fsck.gfs2",
        16,
        _absent,
        "{tmp}/root: fsck.gfs2 -n ends with status 16 and no verdict:\n    Unable to open device: {tmp}/root",
    ),
    Row("gfs2_convert", 255, _converted, "gfs2_convert -y {tmp}/root: exit status 255\n  its last lines:\n"),
    Row("patch", 0, _patched("one\n", "one\n", "two\n"), None),
    Row("patch", 1, _patched("one\n", "other\n", "two\n"), "p.patch: does not fit this source: a.c\n"),
    Row("patch", 1, _patched("one\n", "two\n", "two\n"), "p.patch: does not fit this source: a.c\n"),
    Row(
        "patch",
        1,
        _patched("one\n", "one\nmore\n"),
        "p.patch: does not fit this source: Not deleting file a.c as content differs from patch\n",
    ),
    Row(
        "patch", 1, _patched("one\n", None, "two\n"), "p.patch: does not fit this source: can't find file to"
    ),
    Row(
        "patch",
        2,
        _patched("", "x", text="garbage\n"),
        "{tmp}/p.patch: cannot be applied to {tmp}/tree: patch ",
    ),
    Row("make", 2, _rules_of("install_ssi_debian:\n\tfalse\n"), None),
    Row("make", 2, _rules_of("all:\n"), "{tmp}: its Makefile has no rule 'install_ssi_debian', it has: all"),
    Row(
        "make",
        2,
        _rules_of("all:\n    x\n"),
        "{tmp}: its Makefile cannot be read: Makefile:2: missing separator.",
    ),
    Row("gpg", 0, _gpg(), None),
    Row("gpg", 1, _gpg(changed=True), "{tmp}/SHA256SUMS.asc: is not a good signature of SHA256SUMS: gpg "),
    Row(
        "gpg",
        2,
        _gpg(known=False),
        "{tmp}/SHA256SUMS.asc: cannot be checked: gpg does not have the signer's key ",
    ),
    Row("ssh-keygen", 0, _ssh_signature(), None),
    Row(
        "ssh-keygen",
        255,
        _ssh_signature(changed=True),
        "{tmp}/SHA256SUMS.sig: is not a good signature of SHA256SUMS: ssh-keygen ",
    ),
    Row(
        "ssh-keygen",
        255,
        _ssh_signature(listed=False),
        "{tmp}/SHA256SUMS.sig: is not a good signature of SHA256SUMS, or its signer is not in {tmp}/signers",
    ),
    Row(
        "apt-get",
        100,
        _apt_update,
        "the package lists of bookworm cannot be fetched: The repository 'file:{tmp}",
    ),
    Row("apt-get", 100, _apt_choice, "no such package: no-such-package"),
    Row("ssh", 0, _copied_in("exit 0"), None),
    Row(
        "ssh",
        255,
        _copied_in("exit 255"),
        "2:/root/new: the node cannot be asked what this is: ssh ended with status 255\n"
        "  run ssi-exec 2 -- true to see whether it answers",
    ),
    Row("tar", 1, _packed_while_growing, None),
    Row("tar", 2, _packed_absent, "not everything was copied; the errors of tar and ssh stand above"),
    Row("git", 128, _commit_time, "{tmp}: git cannot tell which commit is checked out: git -C {tmp}"),
    Row("dpkg-deb", 2, _kernel_package, "dpkg-deb --fsys-tarfile {tmp}/kernel.deb: exit status 2\n"),
    Row("setarch", 1, _root_of_2002, "kernel.toolchain: no program of {tmp} runs here\n"),
    Row("zstd", 1, _cut_off("zstd"), "{tmp}/cut: cannot be unpacked by zstd: "),
    Row("lz4", 68, _cut_off("lz4"), "{tmp}/cut: cannot be unpacked by lz4: "),
    Row("lzip", 2, _cut_off("lzip"), "{tmp}/cut: cannot be unpacked by lzip: "),
    Row("lzop", 1, _cut_off("lzop"), "{tmp}/cut: cannot be unpacked by lzop: "),
    Row("xz", 1, _cut_off("xz"), "{tmp}/cut: cannot be unpacked by xz: "),
)


def _watched(folder: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program that runs *program* first in PATH. Return the file in which it writes the statuses."""
    real, log = find_tool(program), folder / "statuses"
    folder.mkdir()
    (folder / program).write_text(f'#!/bin/sh\n{real} "$@"\nstatus=$?\necho $status >>{log}\nexit $status\n')
    (folder / program).chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.program}-{row.status}")
def test_a_status_and_what_is_said_with_it_lead_to_this_message(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _watched(tmp_path / "bin", row.program, monkeypatch)
    folder = tmp_path / "x"
    folder.mkdir()
    if row.said is None:
        row.act(folder, monkeypatch)
    else:
        with pytest.raises(SsiumlError) as caught:
            row.act(folder, monkeypatch)
        assert str(caught.value).startswith(row.said.replace("{tmp}", str(folder)))
    if row.program != "ssh":  # a stand-in for ssh ends so
        assert str(row.status) in log.read_text().split()


@pytest.mark.parametrize("act", [_absent, _patched("a\n", "a\n", "b\n"), _root_of_2002, _gpg()])
def test_a_missing_program_is_no_verdict(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str | None:
        absent = name in ("fsck.gfs2", "patch", "setarch") or (name == "gpg" and any(tmp_path.glob("*.asc")))
        return None if absent else find_tool(name)

    monkeypatch.setattr("ssiuml.host.run.find_tool", gone)
    with pytest.raises(SsiumlError, match=r"the program '[a-z.2]+' is not on this machine\n  run ") as caught:
        act(tmp_path, monkeypatch)
    for verdict in ("damaged", "does not fit", "no program of", "not a good signature"):
        assert verdict not in str(caught.value)


# Programs of which every status but 0 is an error with their last lines.
PLAIN: Final = {
    *("apt-cache", "apt-ftparchive", "bash", "cp", "debugfs", "distcc", "e2fsck", "fakeroot-sysv", "gcc"),
    *("ip", "losetup", "mke2fs", "mkfs.gfs2", "mount", "nft", "pandoc", "rm", "umount", "unshare"),
    # What mmdebstrap has installed is compared with what it was given. The supervisor waits for uml_switch,
    # ssi-start for the byte by which slirp4netns says that it serves.
    # setpriv becomes another program. faked-sysv and xterm stay until they are ended.
    *("mmdebstrap", "setpriv", "slirp4netns", "uml_switch", "faked-sysv", "xterm"),
}
# What is run by a shell or a prefix, and the words behind ssi- of commands of this project.
NO_PROGRAMS: Final = {"sh", "true", "exec", "stop"}
RUNNERS: Final = {"run", "_run", "run_to_status", "Popen", "find_program"}


def test_the_table_has_every_program_that_is_run() -> None:
    judged = {row.program for row in ROWS}
    found = _programs()
    assert found - NO_PROGRAMS - PLAIN - judged == set()
    # So that a scan that sees nothing is no success: of each way to write an argument list, one program.
    assert found >= {"apt-get", "dpkg-deb", "fsck.gfs2", "make", "setpriv", "ssh", "ssh-keygen", "unshare"}


def _programs() -> set[str]:
    """Return the programs that the code gives to those functions that run one, as far as the code tells.

    Programs in lists of words that are made elsewhere, such as mount, are not found.
    """
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in (PROJECT / "ssiuml").rglob("*.py")]
    functions: dict[str, list[tuple[ast.AST, ast.Module]]] = {}
    for module in code:
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append((node, module))

    def is_prefix(word: ast.AST, module: ast.Module) -> bool:
        if not isinstance(word, ast.Starred):
            return False
        if isinstance(word.value, ast.Name):
            return not any(_values_of(word.value.id, module))
        return isinstance(word.value, ast.Call | ast.Attribute)

    def first_words(words: ast.AST, module: ast.Module, depth: int = 8) -> Iterator[str]:
        """Yield what the first word of *words* may be, an expression of *module*."""
        followed: Sequence[tuple[ast.AST, ast.Module]] = []
        if isinstance(words, ast.Constant) and isinstance(words.value, str):
            yield words.value
        elif isinstance(words, ast.List | ast.Tuple):
            # What *a_function() contributes comes before the program, such as unshare and its options, and so
            # does *A_NAME from another module.
            named = [word for word in words.elts if not is_prefix(word, module)]
            followed = [(word, module) for word in (named or words.elts[-1:])[:1]]
        elif isinstance(words, ast.Starred):
            followed = [(words.value, module)]
        elif isinstance(words, ast.Name):
            followed = [(value, module) for value in _values_of(words.id, module)]
        elif isinstance(words, ast.Call):
            name = _called(words)
            if name in ("find_tool", "find_program"):
                followed = [(words.args[0], module)]
            else:
                followed = [
                    (node.value, where)
                    for function, where in functions.get(name, [])
                    for node in ast.walk(function)
                    if isinstance(node, ast.Return) and node.value is not None
                ]
        for expression, where in followed if depth else []:
            yield from first_words(expression, where, depth - 1)

    return {
        word
        for module in code
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and _called(call) in RUNNERS and call.args
        for word in first_words(call.args[0], module)
        if not word.startswith("-")
    }


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _values_of(name: str, module: ast.Module) -> Iterator[ast.AST]:
    """Yield what is assigned to a name anywhere in a module."""
    for node in ast.walk(module):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(node, "value", None)
            if value is not None:
                yield value
