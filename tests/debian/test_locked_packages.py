"""Locked packages from end to end, with a signed mirror of the tests' own whose packages change."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from local_mirror import sha256_of
from mirrored_project import Bench, move_on

from ssiuml.debian import base
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.pipeline import lock
from ssiuml.pipeline.commands import graph_of
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.packages import Packages
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.step import StepError

BASE = ["basics", "library", "needed", "tool"]
DATE = "20260101T000000Z"
NOWHERE = "http://127.0.0.1:9/debian"


def test_lock_has_exactly_the_packages_that_are_needed_as_the_mirror_has_them(bench: Bench) -> None:
    bench.unlock()
    table = [line.split() for line in bench.lock()]
    values = bench.locked()
    assert sorted(values["base"]["packages"]) == BASE
    assert (values["base"]["requested"], values["base"]["required"]) == (["tool"], ["needed"])
    assert list(values["kernel"]["packages"]) == ["kernel"]
    for name, deb in {**values["base"]["packages"], **values["kernel"]["packages"]}.items():
        path = bench.mirror.packages[name]
        assert deb["sha256"] == sha256_of(path) == sha256_of(bench.deb(name))
        assert deb["size"] == path.stat().st_size
        assert deb["file"] == str(path.relative_to(bench.mirror.folder))
    assert ["needed", "-", "2:1.0-1"] in table
    assert ["library", "-", "1.0~rc1+b2"] in table
    assert " ".join(table[-1]) == "recipes/mine.lock is written"


def test_each_package_has_its_own_line_in_the_lock_file(bench: Bench) -> None:
    lines = (bench.folder / "recipes" / "mine.lock").read_text().splitlines()
    for name in (*BASE, "kernel"):
        assert sum(sha256_of(bench.mirror.packages[name]) in line for line in lines) == 1


def test_second_lock_changes_nothing_and_changes_are_shown_in_a_table(bench: Bench) -> None:
    file = bench.folder / "recipes" / "mine.lock"
    before = file.read_bytes()
    assert bench.lock() == ["nothing changed"]
    assert file.read_bytes() == before
    bench.mine(packages="other")
    move_on(bench.mirror, "needed")
    table = [line.split() for line in bench.lock()]
    assert table == [
        ["package", "before", "now"],
        ["library", "1.0~rc1+b2", "-"],
        ["needed", "2:1.0-1", "2.0"],
        ["other", "-", "1.0"],
        ["tool", "1.0", "-"],
        ["recipes/mine.lock", "is", "written"],
    ]


def test_locked_build_needs_no_package_lists(bench: Bench) -> None:
    for path in [path for path in bench.mirror.web.paths if "/dists/" in path]:
        del bench.mirror.web.paths[path]
    results = bench.elsewhere().fetch(frozen=True)
    assert (results["base"]["locked"], results["kernel_locked"]) == (True, True)
    assert sha256_of(Path(results["kernel_package"])) == sha256_of(bench.mirror.packages["kernel"])
    for name in BASE:
        assert sha256_of(bench.elsewhere().deb(name)) == sha256_of(bench.mirror.packages[name])


def test_same_packages_are_chosen_with_and_without_a_lock(bench: Bench) -> None:
    locked = bench.fetch()["base"]
    bench.unlock()
    chosen = bench.fetch()["base"]
    assert chosen["selection"] == locked["selection"]
    assert (locked["locked"], chosen["locked"]) == (True, False)


def test_build_without_a_lock_says_so_once_with_the_command_to_lock(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.unlock()
    bench.fetch()
    printed = capfd.readouterr().err
    assert printed.count("does not lock") == 2
    assert "recipes/mine.lock does not lock the packages; recipes/mine.lock does not lock kernel" in printed
    assert "./run recipe=mine lock" in printed


def test_build_goes_on_with_newer_packages_when_the_mirror_has_dropped_the_locked_ones(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    move_on(bench.mirror, "library", "tool")
    capfd.readouterr()
    results = bench.elsewhere().fetch()
    printed = capfd.readouterr().err
    assert "the mirrors no longer have library 1.0~rc1+b2, tool 1.0: the lock is stale" in printed
    assert "./run recipe=mine lock" in printed
    date = str(bench.locked()["base"]["date"])
    assert f'distribution.snapshot: "{date}"' in printed
    assert results["base"]["selection"]["packages"]["library"]["version"] == "2.0"
    assert (results["base"]["locked"], results["kernel_locked"]) == (False, True)


@pytest.mark.parametrize("name", ["library", "kernel"])
def test_frozen_refuses_dropped_versions_even_after_a_build_with_newer_ones(bench: Bench, name: str) -> None:
    move_on(bench.mirror, name)
    for _ in range(2):
        with pytest.raises(SsiumlError, match=f"no longer have {name} .*: the lock is stale"):
            bench.elsewhere().fetch(frozen=True)
        bench.elsewhere().fetch()


def test_packages_in_the_cache_need_neither_mirror_nor_network(bench: Bench) -> None:
    before = bench.locked()["base"]["packages"]
    move_on(bench.mirror, *BASE, "kernel")
    bench.mirror.web.requests.clear()
    assert bench.fetch(frozen=True, offline=True)["base"]["selection"]["packages"] == before
    assert bench.mirror.web.requests == []


def test_dropped_packages_are_fetched_from_a_snapshot(bench: Bench) -> None:
    web = bench.mirror.web
    old = bench.mirror.packages["library"]
    web.serve(f"/archive/debian/{DATE}/{old.relative_to(bench.mirror.folder)}", old.read_bytes())
    for name in ("basics", "needed", "tool", "kernel"):
        path = bench.mirror.packages[name]
        web.serve(f"/archive/debian/{DATE}/{path.relative_to(bench.mirror.folder)}", path.read_bytes())
    move_on(bench.mirror)
    bench.mine(snapshot=DATE)
    results = bench.elsewhere().fetch(frozen=True)
    assert results["base"]["selection"]["packages"]["library"]["version"] == "1.0~rc1+b2"


def test_offline_names_the_missing_packages(bench: Bench) -> None:
    bench.deb("library").unlink()
    with pytest.raises(SsiumlError, match=r"^library: not in the cache, and nothing may be fetched"):
        bench.fetch(offline=True)
    bench.mine(packages="other")
    with pytest.raises(StepError, match="packages are missing in the cache, and --offline fetches none"):
        bench.fetch(offline=True)


@pytest.mark.parametrize("name", ["library", "kernel"])
def test_file_in_the_cache_that_was_tampered_with_is_fetched_again(bench: Bench, name: str) -> None:
    path = bench.deb(name)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"X")
    bench.fetch(frozen=True)
    assert path.read_bytes() == data


@pytest.mark.parametrize("frozen", [False, True])
def test_file_that_the_mirror_has_changed_is_refused_with_both_digests(bench: Bench, frozen: bool) -> None:
    path = bench.mirror.packages["library"]
    other = path.read_bytes()[:-1] + b"X"
    bench.mirror.web.serve(f"/debian/{path.relative_to(bench.mirror.folder)}", other)
    elsewhere = bench.elsewhere()
    with pytest.raises(SsiumlError, match=r"package library 1\.0~rc1") as caught:
        elsewhere.fetch(frozen=frozen)
    assert f"gives SHA-256 {hashlib.sha256(other).hexdigest()}, wanted is {sha256_of(path)}" in str(
        caught.value
    )
    assert list((elsewhere.folder / elsewhere.cache).rglob("library_*")) == []


def test_unreachable_mirror_does_not_make_the_lock_stale(bench: Bench) -> None:
    bench.mine(mirror=NOWHERE)
    with pytest.raises(SsiumlError, match="refused") as caught:
        bench.elsewhere().fetch()
    assert f"check the network, and whether {NOWHERE} is the right mirror" in str(caught.value)


def test_another_mirror_needs_no_new_lock(bench: Bench) -> None:
    bench.mine(mirror=bench.mirror.url + "/")
    assert bench.fetch(frozen=True)["base"]["locked"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "packages: [other]",
            "mine.lock is stale, the recipe asks for other packages: with other, without tool",
        ),
        ("extra_packages: [other]", "mine.lock is stale, the recipe asks for other packages: with other$"),
        ("distribution: {components: [main, contrib]}", "asks for other packages: of bookworm main contrib"),
        (
            "kernel: {package: other}",
            "mine.lock is stale, the recipe takes the kernel from other, but kernel 6.1um4 is locked",
        ),
    ],
)
def test_lock_of_other_packages_is_stale_and_refused_when_frozen(
    bench: Bench, change: str, expected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.recipe("changed", extends="mine", text=change + "\n")
    (bench.folder / "recipes" / "mine.lock").rename(bench.folder / "recipes" / "changed.lock")
    with pytest.raises(SsiumlError, match=f"(?m){expected.replace('mine', 'changed')}"):
        graph_of(bench.plan("changed", frozen=True), ())
    with pytest.raises(SsiumlError, match=f"(?m){expected.replace('mine', 'changed')}"):
        bench.fetch("changed", frozen=True)
    capfd.readouterr()
    if "contrib" not in change:  # the mirror has no such component
        bench.fetch("changed")
        assert "is stale" in capfd.readouterr().err


def test_frozen_refuses_a_build_without_a_lock(bench: Bench) -> None:
    graph_of(bench.plan(frozen=True), ())
    bench.unlock()
    graph_of(bench.plan(), ())
    with pytest.raises(SsiumlError, match="does not lock the packages"):
        graph_of(bench.plan(frozen=True), ())


def test_recipe_inherits_the_lock_of_the_packages_that_it_inherits(bench: Bench) -> None:
    bench.recipe("child", extends="mine", text="sizes: {root_fs: 3 GiB}\n")
    assert bench.fetch("child", frozen=True)["base"]["locked"]
    assert bench.lock("child") == ["nothing changed"]
    assert not (bench.folder / "recipes" / "child.lock").exists()


def test_own_lock_has_only_what_is_not_inherited_and_counts_first(bench: Bench) -> None:
    bench.recipe("child", extends="mine", text="kernel: {package: other}\n")
    assert bench.lock("child")[-1] == "recipes/child.lock is written"
    assert list(bench.locked("child")) == ["kernel"]
    assert bench.fetch("child", frozen=True)["kernel_package"].endswith("/other_1.0_amd64.deb")

    move_on(bench.mirror)
    bench.lock("child")
    assert set(bench.locked("child")) == {"base", "kernel"}
    chosen = bench.fetch("child", frozen=True)["base"]["selection"]["packages"]
    assert chosen["library"]["version"] == "2.0"
    assert bench.fetch(frozen=True)["base"]["selection"]["packages"]["library"]["version"] == "1.0~rc1+b2"

    bench.lock()
    bench.recipe("child", extends="mine")
    assert bench.lock("child") == ["recipes/child.lock is no longer needed"]


def test_kernel_of_another_suite_is_fetched_and_locked_with_that_suite(bench: Bench) -> None:
    backport = bench.mirror.make_backport("kernel", "7.3~bpo12+1")
    bench.mirror.publish()
    bench.recipe("new", extends="mine", text="kernel: {suite: bookworm-backports}\n")
    for _ in range(2):  # without a lock and with one
        assert sha256_of(Path(bench.fetch("new")["kernel_package"])) == sha256_of(backport)
        bench.lock("new")
    assert bench.locked("new")["kernel"]["suite"] == "bookworm-backports"
    assert list(bench.locked("new")) == ["kernel"]
    assert bench.elsewhere().fetch("new", frozen=True)["kernel_locked"]
    # The packages of the base stay those of the distribution.
    assert "suite" not in bench.locked()["kernel"]
    assert bench.fetch()["kernel_package"].endswith("/kernel_6.1um4_amd64.deb")


def test_lock_of_another_suite_is_stale(bench: Bench) -> None:
    bench.recipe("new", extends="mine", text="kernel: {suite: bookworm-backports}\n")
    (bench.folder / "recipes" / "mine.lock").rename(bench.folder / "recipes" / "new.lock")
    expected = "kernel from kernel of bookworm-backports, but kernel 6.1um4 is locked"
    with pytest.raises(SsiumlError, match=expected):
        bench.fetch("new", frozen=True)


def test_kernel_that_its_suite_does_not_have_is_an_error_with_line_and_suite(bench: Bench) -> None:
    bench.recipe("new", extends="mine", text="kernel: {package: other, suite: bookworm-backports}\n")
    with pytest.raises(SsiumlError, match=r"^recipes/new\.yaml:3: .*'other' is not in bookworm-backports"):
        bench.fetch("new")


def test_renewed_lock_makes_fetch_and_base_stale(bench: Bench) -> None:
    bench.fetch()
    before = base_key(bench.plan())
    move_on(bench.mirror)
    bench.lock()
    (reason,) = Graph(bench.plan()).steps["fetch"].reasons()
    assert reason.startswith("changed: locks.base: ")
    bench.fetch()
    assert base_key(bench.plan()) != before


def base_key(plan: Plan) -> object:
    lock = Packages(plan).base_lock
    assert lock is not None
    return base.key(plan.recipe.packaged, plan.recipe.all_packages, lock.selection, plan.epoch)


def test_package_missing_in_the_cache_before_the_base_is_made_is_fetched_again(bench: Bench) -> None:
    bench.fetch()
    bench.deb("library").unlink()
    (reason,) = Graph(bench.plan()).steps["fetch"].reasons()
    assert reason == "1 packages are no longer in the cache, such as library"
    bench.fetch()
    assert bench.deb("library").is_file()


@pytest.mark.parametrize("word", ["offline", "frozen"])
def test_lock_is_not_renewed_offline_or_frozen(bench: Bench, word: str) -> None:
    plan = replace(bench.plan(), offline=word == "offline", frozen=word == "frozen")
    with pytest.raises(UsageError, match=f"--{word}"):
        lock.renew(plan)


def test_recipe_without_packages_has_nothing_to_lock(bench: Bench) -> None:
    with pytest.raises(UsageError, match="rh72 has no packages to lock"):
        bench.lock("rh72")
    with pytest.raises(SsiumlError, match=r"recipes/rh72.lock does not pin the source 'base'"):
        graph_of(bench.plan("rh72", frozen=True), ())


def test_failed_renewal_keeps_the_lock_as_it_was(bench: Bench) -> None:
    before = bench.locked()
    bench.mirror.make("library", "2.0")
    bench.mirror.publish()
    (path,) = (path for path in bench.mirror.web.paths if "library_2.0" in path)
    del bench.mirror.web.paths[path]
    with pytest.raises(SsiumlError, match=r"the mirrors no longer have library 2\.0"):
        bench.lock()
    assert bench.locked() == before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: '1.0'", "version: 'a b'", "base.packages.tool.version: "),
        ("sha256: ", "sha256: x", r"base.packages.basics.sha256: "),
        ("file: pool/", "file: ../pool/", "base.packages.basics.file: "),
        ("suite: ", "sweet: ", "base.suite: "),
        ("\nkernel:\n", "\nkernel: 5\nsources:\n", "kernel: "),
        ("basics:", "-oDir::Bin::dpkg=x:", "base.packages.-oDir::Bin::dpkg=x"),
    ],
)
def test_damaged_lock_is_an_error_with_file_and_key(bench: Bench, old: str, new: str, expected: str) -> None:
    path = bench.folder / "recipes" / "mine.lock"
    text = path.read_text()
    at = text.index("tool:" if "tool" in expected else old)
    path.write_text(text[:at] + text[at:].replace(old, new, 1))
    with pytest.raises(SsiumlError) as caught:
        bench.fetch()
    assert f"{path}: {expected}" in str(caught.value)
    assert "remove it and run `./run recipe=NAME lock`" in str(caught.value)
