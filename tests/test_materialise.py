"""What a program changed in a folder becomes a layer: GNU tools are the programs, as an ordinary user."""

from pathlib import Path

import pytest

from ssiuml.compare import differences, take_census
from ssiuml.layer import Layer, merge, write_layer
from ssiuml.materialise import changes_of, difference
from ssiuml.run import CommandError
from ssiuml.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

TIME_NS = 1_000_000_000 * 10**9
DAY = "@900000000"


def base() -> Tree:
    tree = Tree(Meta(mode=0o755, mtime_ns=TIME_NS))
    tree.add("etc", directory(Meta(mode=0o755, mtime_ns=TIME_NS)))
    for name in ("a", "b", "c"):
        tree.add(
            f"etc/{name}", file(Literal(name.encode()), Meta(mode=0o644, uid=43, gid=15, mtime_ns=TIME_NS))
        )
    tree.add("etc/rc.d/rc3.d/S10a", symlink("../init.d/a"))
    tree.add("etc/rc3.d", symlink("rc.d/rc3.d"))
    tree.add("bin/su", file(Literal(b"su"), Meta(mode=0o4755, mtime_ns=TIME_NS)))
    tree.link("bin/linked", "bin/su")
    tree.add("dev/ubd0", Node(Kind.BLOCK, Meta(mode=0o660, gid=6, mtime_ns=TIME_NS), device=(98, 1)))
    tree.add("private/key", file(Literal(b"key"), Meta(mode=0o400, mtime_ns=TIME_NS)))
    tree.lookup("private").meta = Meta(mode=0o500, mtime_ns=TIME_NS)
    return tree


def changes(tmp_path: Path, script: str) -> tuple[Layer, Tree]:
    """The layer that a shell script makes, and the base with it laid over."""
    work = tmp_path / "work"
    words: list[str | Path] = ["sh", "-ec", script, "sh"]
    tree = base()
    with changes_of(tree, words, folder=work / "root", work=work, mtime_ns=TIME_NS, timeout_s=60) as layer:
        write_layer(tmp_path / "layer.tar", layer)
        done = merge([Layer(entries=list(tree.walk())), layer])
        for _, node in done.walk():
            if node.content is not None:
                node.content = Literal(node.read())
    assert not work.exists()
    return layer, done


def run_in(tmp_path: Path, script: str) -> tuple[Layer, Tree]:
    return changes(tmp_path, f"cd {tmp_path}/work/root; {script}")


def test_nothing_changed_is_an_empty_layer(tmp_path: Path) -> None:
    layer, tree = run_in(tmp_path, "cat etc/a >/dev/null; touch -d @1000000000 etc/b; ls -lR >/dev/null")
    assert (layer.entries, layer.removed) == ([], [])
    assert differences(take_census(base()), take_census(tree)) == []


def test_program_sees_owners_modes_and_devices_as_they_are(tmp_path: Path) -> None:
    script = "test $(stat -c %u:%g:%a etc/a) = 43:15:644; test $(stat -c %a bin/su) = 4755; test -b dev/ubd0"
    run_in(tmp_path, script)


def test_what_was_added_changed_and_removed_is_in_the_layer_and_nothing_else(tmp_path: Path) -> None:
    layer, tree = run_in(
        tmp_path,
        "echo new >etc/new; echo changed >etc/a; rm etc/b; chown 65534:7 etc/c; chmod 2711 bin;"
        "rm dev/ubd0; mknod dev/ubd0 b 98 16; mknod -m 600 dev/pipe p; ln -s /nowhere etc/rc3.d/S20b;"
        f"mkdir -p usr/lib/x; install -o 5 -g 6 -m 4750 etc/c usr/lib/x/prog; touch -d {DAY} usr/lib/x/prog",
    )
    assert layer.removed == ["etc/b"]
    assert [path for path, _ in layer.entries] == [
        "bin",
        "dev/pipe",
        "dev/ubd0",
        "etc/a",
        "etc/c",
        "etc/new",
        "etc/rc.d/rc3.d/S20b",
        "usr",
        "usr/lib",
        "usr/lib/x",
        "usr/lib/x/prog",
    ]
    assert (tree.lookup("dev/ubd0").device, tree.lookup("dev/pipe").kind) == ((98, 16), Kind.FIFO)
    prog = tree.lookup("usr/lib/x/prog").meta
    assert (prog.uid, prog.gid, prog.mode, prog.mtime_ns) == (5, 6, 0o4750, 900_000_000 * 10**9)
    assert (tree.lookup("etc/c").meta.uid, tree.lookup("etc/c").meta.gid) == (65534, 7)
    assert tree.lookup("bin").meta.mode == 0o2711
    assert tree.lookup("etc/rc3.d/S20b", follow=False).target == "/nowhere"


def test_times_are_not_those_of_the_day(tmp_path: Path) -> None:
    _, tree = run_in(tmp_path, "echo new >etc/new; mkdir etc/d")
    assert {node.meta.mtime_ns for _, node in tree.walk() if node.meta.mtime_ns} == {TIME_NS}


def test_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        run_in(tmp_path, "echo new >etc/new; ln etc/new etc/linked; mkdir d; rm -r private")
        made.append((tmp_path / "layer.tar").read_bytes())
    assert made[0] == made[1]


def test_folder_in_place_of_a_file_and_the_other_way_round(tmp_path: Path) -> None:
    layer, tree = run_in(tmp_path, "rm etc/a; mkdir etc/a; echo x >etc/a/x; rm -r etc/rc.d; echo y >etc/rc.d")
    assert layer.removed == ["etc/a", "etc/rc.d"]
    assert tree.lookup("etc/a/x").read() == b"x\n"
    assert tree.lookup("etc/rc.d").read() == b"y\n"


def test_links_are_kept_made_and_broken(tmp_path: Path) -> None:
    _, tree = run_in(tmp_path, "ln etc/a etc/again; cp -p bin/su bin/x; mv bin/x bin/linked")
    assert tree.lookup("etc/a") is tree.lookup("etc/again")
    assert tree.lookup("bin/su") is not tree.lookup("bin/linked")


def test_same_size_and_time_do_not_hide_other_bytes(tmp_path: Path) -> None:
    layer, _ = run_in(tmp_path, "echo X | tr -d '\\n' >etc/a; touch -d @1000000000 etc/a")
    assert [path for path, _ in layer.entries] == ["etc/a"]


def test_program_that_fails_is_told_with_its_last_lines_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such thing"):
        run_in(tmp_path, "mkdir -m 0 closed; echo no such thing >&2; exit 3")
    assert not (tmp_path / "work").exists()


def test_attributes_of_what_is_not_changed_stay() -> None:
    before, after = Tree(), Tree()
    for tree, xattrs in ((before, {"user.a": b"x"}), (after, {})):
        tree.add("f", file(Literal(b"x"), Meta(mode=0o644, mtime_ns=5, xattrs=xattrs)))
    assert difference(before, after, 0).entries == []
