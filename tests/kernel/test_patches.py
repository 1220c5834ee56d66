"""Series of patches, and patches that diff makes."""

import os
import subprocess
from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.host.places import cache_root
from ssiuml.kernel.patches import apply_patch, read_series
from ssiuml.kernel.unpacking import unpack_source

OLD = "".join(f"line {number}\n" for number in range(1, 31))


def _diff(tree: Path, name: str, new: str) -> str:
    """Return diff's output for changing the file *name* of *tree* to *new*."""
    old = tree / name
    words = ["diff", "-u", "--label", f"a/{name}", "--label", f"b/{name}", str(old), "-"]
    return subprocess.run(words, input=new, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "fs").mkdir(parents=True)
    (folder / "Makefile").write_text(OLD)
    (folder / "fs" / "inode.c").write_text(OLD)
    return folder


@pytest.fixture
def patch(tree: Path, tmp_path: Path) -> Path:
    """A patch that changes a line in each file."""
    path = tmp_path / "both.patch"
    new = OLD.replace("line 7\n", "line seven\n")
    path.write_text(_diff(tree, "Makefile", new) + _diff(tree, "fs/inode.c", new))
    return path


def test_a_patch_that_fits_changes_the_source_and_leaves_no_other_files(tree: Path, patch: Path) -> None:
    assert apply_patch(patch, tree) == []
    assert "line seven" in (tree / "Makefile").read_text()
    assert "line seven" in (tree / "fs/inode.c").read_text()
    assert sorted(path.name for path in tree.rglob("*")) == ["Makefile", "fs", "inode.c"]


def test_a_hunk_that_may_fail_is_left_out_and_the_rest_is_applied(tree: Path, patch: Path) -> None:
    (tree / "Makefile").write_text("VERSION = 2\n")
    assert apply_patch(patch, tree, {"Makefile"}) == ["Makefile"]
    assert (tree / "Makefile").read_text() == "VERSION = 2\n"
    assert "line seven" in (tree / "fs/inode.c").read_text()
    assert list(tree.rglob("*.rej")) == []


def test_a_file_that_may_fail_may_have_the_change_already(tree: Path, patch: Path) -> None:
    (tree / "Makefile").write_text(OLD.replace("line 7\n", "line seven\n"))
    assert apply_patch(patch, tree, {"Makefile"}) == ["Makefile"]
    assert "line seven" in (tree / "fs/inode.c").read_text()


def test_without_fuzz_a_change_beside_a_hunk_is_an_error(tree: Path, patch: Path) -> None:
    (tree / "fs/inode.c").write_text(OLD.replace("line 4\n", "line four\n"))
    with pytest.raises(SsiumlError, match=r"fs/inode\.c"):
        apply_patch(patch, tree, fuzz=0)


def test_a_rejected_hunk_is_an_error_that_shows_it(tree: Path, patch: Path) -> None:
    (tree / "fs/inode.c").write_text("another file\n" * 30)
    with pytest.raises(SsiumlError) as error:
        apply_patch(patch, tree, {"Makefile"})
    assert "both.patch: does not fit this source: fs/inode.c" in str(error.value)
    assert "+line seven" in str(error.value)


def test_a_file_of_the_same_name_in_another_folder_may_not_fail(tree: Path, tmp_path: Path) -> None:
    (tree / "fs" / "Makefile").write_text(OLD)
    path = tmp_path / "one.patch"
    path.write_text(_diff(tree, "fs/Makefile", OLD.replace("line 7\n", "line seven\n")))
    (tree / "fs" / "Makefile").write_text("obj-y := inode.o\n")
    with pytest.raises(SsiumlError, match=r"fs/Makefile"):
        apply_patch(path, tree, {"Makefile"})


def test_a_patch_for_a_missing_file_is_an_error(tree: Path, patch: Path) -> None:
    (tree / "fs/inode.c").unlink()
    with pytest.raises(SsiumlError, match=r"both\.patch: does not fit this source"):
        apply_patch(patch, tree)


def test_a_patch_that_has_been_applied_is_an_error(tree: Path, patch: Path) -> None:
    apply_patch(patch, tree)
    with pytest.raises(SsiumlError, match="does not fit this source"):
        apply_patch(patch, tree)


def test_a_patch_does_not_write_outside_the_tree(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.patch"
    path.write_text("--- /dev/null\n+++ b/../outside\n@@ -0,0 +1 @@\n+written\n")
    with pytest.raises(SsiumlError, match="Ignoring potentially dangerous file name"):
        apply_patch(path, tree)
    assert not (tmp_path / "outside").exists()


def test_a_text_that_is_no_patch_is_an_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "none.patch").write_text("hello\n")
    with pytest.raises(SsiumlError, match=r"none\.patch"):
        apply_patch(tmp_path / "none.patch", tree)


def test_a_series_is_read_in_its_order_without_comments(tmp_path: Path) -> None:
    for name in ("a.patch", "b.patch"):
        (tmp_path / name).touch()
    text = "\N{BYTE ORDER MARK}# first b\nb.patch\n\na.patch -p1 # then a\n"
    (tmp_path / "series").write_text(text)
    assert [path.name for path in read_series(tmp_path)] == ["b.patch", "a.patch"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.patch\nc.patch\n", "series:2: there is no patch 'c.patch'"),
        ("a.patch -p0\n", "series:1: the option '-p0' is not possible"),
        (None, "series: there is no such file"),
    ],
)
def test_the_error_of_a_bad_series_names_the_line(tmp_path: Path, text: str | None, said: str) -> None:
    (tmp_path / "a.patch").touch()
    if text is not None:
        (tmp_path / "series").write_text(text)
    with pytest.raises(SsiumlError) as error:
        read_series(tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize("version", ["6.1", "7.3"])
def test_our_series_lists_all_patches_and_each_has_a_description(version: str) -> None:
    folder = PROJECT / "kernel" / version / "patches"
    patches = read_series(folder)
    assert {path.name for path in folder.glob("*.patch")} == {path.name for path in patches}
    for path in patches:
        author, subject, empty, *_ = path.read_text().splitlines()
        assert (author, subject[:17], empty) == ("From: ssiuml <ssiuml@example.org>", "Subject: [PATCH] ", "")
        assert f"\nSigned-off-by: {author.removeprefix('From: ')}\n---\n" in path.read_text()


@pytest.mark.long
def test_our_patches_for_linux_7_3_fit_its_source_and_its_checkpatch_finds_nothing(tmp_path: Path) -> None:
    """Needs the package with the source in a cache, where building the recipe trixie puts it."""
    cache = cache_root(os.environ)
    found = [
        package
        for folder in (cache / "tests", cache)
        for package in sorted((folder / "downloads" / "packages").glob("linux-source-7.3_*.deb"))
    ]
    if not found:
        pytest.skip(f"no package linux-source-7.3 in {cache}: run ./run recipe=trixie fetch")
    source = tmp_path / "source"
    patches = read_series(PROJECT / "kernel" / "7.3" / "patches")
    unpack_source(found[-1], patches, source)
    checkpatch = ("perl", f"{source}/scripts/checkpatch.pl", "--strict", "--terse", f"--root={source}")
    checked = subprocess.run([*checkpatch, *map(str, patches)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout + checked.stderr
