"""The pinned source of a kernel, when the mirrors have dropped it. The source is a small stand-in."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from linux_source_package import PATCH, make_package
from local_mirror import sha256_of
from mirrored_project import Bench

from ssiuml.debian import apt
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.pipeline import lock
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan
from ssiuml.pipeline.steps.build_root import describe_kernel

KERNEL = "{source: linux-source, package: linux-source-6.1, version: %s, patches: patches, modules: all}"
GONE = "linux-source-6.1 6.1.1-1"


@dataclass
class Dropped:
    """A project whose recipe ``new`` pins and locks a source that its mirror no longer has."""

    bench: Bench
    old: bytes
    served_as: str  # the path of the old source below the root of an archive

    def serve_snapshot(self, data: bytes) -> None:
        """Serve the old source at the snapshot of the lock's date."""
        date = self.bench.locked("new")["kernel"]["date"]
        self.bench.mirror.web.serve(f"/archive/debian/{date}/{self.served_as}", data)

    def publish(self, version: str, folder: Path, files: dict[str, str] | None = None) -> None:
        """Put another version of the source into the mirror, in place of the one before."""
        self.bench.mirror.take(make_package(folder, files, version), version)
        self.bench.mirror.publish()


@pytest.fixture
def dropped(bench: Bench, tmp_path: Path) -> Dropped:
    patches = bench.folder / "recipes" / "patches"
    patches.mkdir()
    (patches / "series").write_text("super.patch\n")
    (patches / "super.patch").write_text(PATCH)
    bench.recipe("new", extends="mine", text=f"kernel: {KERNEL % '6.1.1-1'}\n")
    path = bench.mirror.take(make_package(tmp_path / "old", version="6.1.1-1"), "6.1.1-1")
    bench.mirror.publish()
    bench.lock("new")
    project = Dropped(bench.elsewhere(), path.read_bytes(), str(path.relative_to(bench.mirror.folder)))
    project.publish("6.1.2-1", tmp_path / "newer")
    return project


def test_source_that_was_fetched_once_needs_no_mirror(dropped: Dropped) -> None:
    project = dropped.bench
    dropped.serve_snapshot(dropped.old)
    project.fetch("new")
    project.mirror.web.requests.clear()
    for stamp in (project.folder / project.cache / "downloads").glob("fetch-*.json"):
        stamp.unlink()
    assert project.fetch("new", offline=True, frozen=True)["kernel_locked"]
    assert project.mirror.web.requests == []


@pytest.mark.parametrize("frozen", [False, True])
def test_source_that_the_mirrors_have_dropped_comes_from_the_snapshot(
    dropped: Dropped, frozen: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    dropped.serve_snapshot(dropped.old)
    results = dropped.bench.fetch("new", frozen=frozen)
    assert Path(results["kernel_package"]).read_bytes() == dropped.old
    assert results["kernel_locked"]
    assert "kernel_instead_of" not in results
    said = rf"the mirrors no longer have {re.escape(GONE)}; it comes from the snapshot of \d{{8}}T\d{{6}}Z"
    assert re.search(said, capfd.readouterr().err)


def test_another_file_in_the_snapshot_is_refused_with_both_digests(dropped: Dropped) -> None:
    dropped.serve_snapshot(dropped.old[:-1] + b"X")
    with pytest.raises(SsiumlError, match=r"gives SHA-256 [0-9a-f]{64}, wanted is [0-9a-f]{64}"):
        dropped.bench.fetch("new")


@pytest.mark.parametrize("reachable", [True, False])
def test_source_that_is_nowhere_is_an_error_with_what_there_is_and_what_to_do(
    dropped: Dropped, reachable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reachable:
        monkeypatch.setattr(apt, "SNAPSHOT_URL", "http://127.0.0.1:9/archive")
    with pytest.raises(SsiumlError) as caught:
        dropped.bench.fetch("new")
    message = str(caught.value)
    assert message.startswith(
        f"recipes/new.yaml:3: kernel.version: the mirrors no longer have {GONE}, nor does the snapshot of "
    )
    assert ("refused" in message) is not reachable
    assert message.splitlines()[-1].startswith(
        "  run `./run --newest recipe=new build-root` to build 6.1.2-1, if the patches fit; or put "
        "linux-source-6.1_6.1.1-1_all.deb into /"
    )


def test_source_that_a_user_puts_there_is_taken(dropped: Dropped) -> None:
    with pytest.raises(SsiumlError) as caught:
        dropped.bench.fetch("new")
    found = re.search(r"put (\S+) into (.+)$", str(caught.value))
    assert found
    Path(found[2], found[1]).write_bytes(dropped.old)
    assert dropped.bench.fetch("new")["kernel_locked"]


def test_other_packages_are_named_if_no_version_of_the_source_is_left(dropped: Dropped) -> None:
    mirror = dropped.bench.mirror
    mirror.packages.pop("linux-source-6.1").unlink()
    mirror.make("linux-source-6.2", "6.2.1-1")
    mirror.publish()
    with pytest.raises(SsiumlError, match=r"; the mirrors have linux-source-6\.2 now$"):
        dropped.bench.fetch("new")


def test_newest_source_is_built_in_place_of_the_pinned_one_and_the_manifest_says_so(
    dropped: Dropped, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = Graph(dropped.bench.plan("new", newest=True))
    for name in ("fetch", "kernel"):
        graph.steps[name].run()
    kernel = describe_kernel(graph)
    assert kernel["package"] == "linux-source-6.1_6.1.2-1_all.deb"
    assert (kernel["locked"], kernel["instead_of"]) == (False, "6.1.1-1")
    said = "the kernel is of linux-source-6.1_6.1.2-1_all.deb, the newest, instead of 6.1.1-1"
    assert said in capfd.readouterr().err
    # Without the option nothing of that counts.
    dropped.serve_snapshot(dropped.old)
    pinned = Graph(dropped.bench.plan("new"))
    for name in ("fetch", "kernel"):
        assert not pinned.steps[name].is_current()
        pinned.steps[name].run()
    assert "instead_of" not in describe_kernel(pinned)
    assert describe_kernel(pinned)["locked"]


def test_newest_source_that_is_the_pinned_one_is_nothing_special(bench: Bench, tmp_path: Path) -> None:
    bench.mirror.take(make_package(tmp_path / "only", version="6.1.1-1"), "6.1.1-1")
    bench.mirror.publish()
    bench.recipe(
        "new", extends="mine", text=f"kernel: {KERNEL % '6.1.1-1'}\n".replace("patches: patches, ", "")
    )
    results = bench.fetch("new", newest=True)
    assert "kernel_instead_of" not in results
    assert sha256_of(Path(results["kernel_package"])) == sha256_of(bench.mirror.packages["linux-source-6.1"])


def test_patch_that_does_not_fit_the_newest_source_is_named(dropped: Dropped, tmp_path: Path) -> None:
    dropped.publish("6.1.3-1", tmp_path / "newest", {"fs/super.c": "long other;\n"})
    graph = Graph(dropped.bench.plan("new", newest=True))
    graph.steps["fetch"].run()
    with pytest.raises(SsiumlError, match=r"super\.patch: does not fit this source: fs/super\.c"):
        graph.steps["kernel"].run()
    assert not graph.plan.kernel.exists()


def test_newest_contradicts_frozen_and_lock_and_recipes_without_a_package(dropped: Dropped) -> None:
    bench = dropped.bench
    with pytest.raises(UsageError, match="which --frozen refuses"):
        bench.plan("new", newest=True, frozen=True)
    with pytest.raises(UsageError, match="lock locks what the recipe names"):
        lock.renew(bench.plan("new", newest=True))
    with pytest.raises(UsageError, match=r"rh72 has kernel\.source: release"):
        make_plan("rh72", bench.folder, {}, newest=True)
