"""Copies of trees that programs edit. GNU tar, run in the copy, is the judge of what they have changed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from odd_trees import CAPABILITY

from ssiuml.errors import SsiumlError
from ssiuml.historic.editable_copy import CHANGES, editable_copy
from ssiuml.host.run import CommandError
from ssiuml.tree.compare import Census, differences, take_census
from ssiuml.tree.layer import Layer, merge, read_layer, write_layer
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

NS = 1_000_000_000
OLD_NS = 1_000_000_000 * NS + 5  # 2001
LATEST_NS = 1_704_067_200 * NS


def _meta(mode: int = 0o644, **more: int) -> Meta:
    return replace(Meta(mode=mode, mtime_ns=OLD_NS), **more)  # type: ignore[arg-type]


def _tree() -> Tree:
    """Return a tree with Red Hat's links and a node of every kind."""
    tree = Tree(_meta(0o755))
    for path in ("etc/rc.d/rc3.d", "etc/rc.d/init.d", "dev/ubd", "usr/lib", "home/user"):
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            tree.add("/".join(names[:depth]), directory(_meta(0o755)))
    tree.lookup("home/user").meta = _meta(0o700, uid=500, gid=501)
    tree.add("etc/rc3.d", symlink("rc.d/rc3.d", _meta(0o777)))
    tree.add("etc/init.d", symlink("/etc/rc.d/init.d", _meta(0o777)))
    tree.add("etc/rc.d/init.d/sshd", file(Literal(b"#!/bin/sh\n"), _meta(0o755)))
    tree.add("etc/rc.d/rc3.d/S55sshd", symlink("../init.d/sshd", _meta(0o777)))
    tree.add("etc/inittab", file(Literal(b"id:3:initdefault:\n"), _meta()))
    tree.add("etc/shadow", file(Literal(b"root::\n"), _meta(0o000)))
    tree.add("bin/su", file(Literal(b"su"), _meta(0o4755)))
    tree.add("bin/wall", file(Literal(b"wall"), _meta(0o2555, gid=5)))
    tree.add("bin/ping", file(Literal(b"ping"), replace(_meta(), xattrs={"security.capability": CAPABILITY})))
    linked = file(Literal(b"gzip"), _meta(0o755))
    for name in ("gzip", "gunzip", "zcat"):
        tree.add(f"bin/{name}", linked)
    tree.add("dev/ubd/0", Node(Kind.BLOCK, _meta(0o660, gid=6), device=(98, 0)))
    tree.add("dev/console", Node(Kind.CHARACTER, _meta(0o600), device=(5, 1)))
    tree.add("dev/initctl", Node(Kind.FIFO, _meta(0o600)))
    tree.add("odd\n\udcff", file(Literal(b"odd"), _meta()))
    tree.add("-rf", file(Literal(b"option?"), _meta()))
    tree.add("lib", symlink("usr/lib", _meta(0o777)))
    tree.add("usr/lib/libc", file(Literal(b"c"), _meta()))
    return tree


def _comparable(tree: Tree) -> Census:
    """Return the census without times, which the layer corrects, and attributes, which tar skips here."""
    census = take_census(tree)
    facts = {path: replace(fact, mtime_ns=0, xattrs=()) for path, fact in census.facts.items()}
    return Census(facts, census.inodes, census.content_bytes)


def _change(tmp_path: Path, script: str, tree: Tree | None = None) -> Layer:
    """Run *script* in a copy of the tree. Return the layer; it must give the tree that GNU tar then finds."""
    before = tree or _tree()
    with editable_copy(before, tmp_path / "work") as copy:
        copy.run(["sh", "-e", "-c", script], timeout_s=60, cwd=copy.root)
        found = tmp_path / "found.tar"
        pack = ["tar", "--format=posix", "-cf", str(found), "."]
        copy.run(pack, timeout_s=60, cwd=copy.root)
        layer = copy.changes(LATEST_NS)
    changed = merge([Layer(entries=list(before.walk())), layer])
    expected = merge([read_layer(found)])
    for path, node in expected.walk():
        if node.kind is Kind.SYMLINK and path.endswith("etc/init.d"):  # the copy holds a relative link
            node.target = before.lookup(path, follow=False).target
    assert differences(_comparable(expected), _comparable(changed)) == []
    return layer


def _names(layer: Layer) -> list[str]:
    return [path for path, _ in layer.entries]


def test_a_program_that_changes_nothing_gives_an_empty_layer(tmp_path: Path) -> None:
    assert _change(tmp_path, "cat etc/shadow; touch x; rm x; ls -lR >/dev/null") == Layer()


# What a program does in the root of a tree; the names that the layer then has; the names that it removes.
CASES = [
    ("echo new >etc/new", ["etc/new"], []),
    ("mkdir -p a/b && echo x >a/b/c", ["a", "a/b", "a/b/c"], []),
    ("echo 'id:5:initdefault:' >etc/inittab", ["etc/inittab"], []),
    # The same size, and the old time again.
    ("cp -p etc/inittab x; tr 3 5 <x >etc/inittab; touch -r x etc/inittab; rm x", ["etc/inittab"], []),
    ("echo x >>etc/shadow", ["etc/shadow"], []),
    ("chmod 600 etc/inittab", ["etc/inittab"], []),
    ("chown 7:8 etc/inittab", ["etc/inittab"], []),
    ("chown -h 7:8 etc/rc3.d", ["etc/rc3.d"], []),
    ("chmod 755 .; chmod 711 home/user", ["home/user"], []),
    ("chmod 711 .", [""], []),
    ("touch -d 2000-01-01 etc/inittab", ["etc/inittab"], []),
    ("touch -d 2000-01-01 etc", ["etc"], []),
    ("touch etc/inittab", ["etc/inittab"], []),
    ("rm -r etc/rc.d/rc3.d", [], ["etc/rc.d/rc3.d"]),
    ("rm etc/rc3.d/S55sshd", [], ["etc/rc.d/rc3.d/S55sshd"]),
    ("ln -s ../init.d/sshd etc/rc3.d/S20ssi", ["etc/rc.d/rc3.d/S20ssi"], []),
    ("echo x >etc/init.d/ssi", ["etc/rc.d/init.d/ssi"], []),
    ("ln -sfn elsewhere etc/rc3.d", ["etc/rc3.d"], []),
    ("rm dev/ubd/0 && mknod dev/ubd/1 b 98 16", ["dev/ubd/1"], ["dev/ubd/0"]),
    ("rm dev/ubd/0 && mknod dev/ubd/0 b 98 16", ["dev/ubd/0"], []),
    ("mknod dev/fifo p", ["dev/fifo"], []),
    ("ln bin/su bin/su2", ["bin/su", "bin/su2"], []),
    ("rm bin/zcat", [], ["bin/zcat"]),
    ("echo x >>bin/gzip", ["bin/gunzip", "bin/gzip", "bin/zcat"], []),
    ("cp bin/zcat x; mv x bin/zcat", ["bin/zcat"], []),
    ("cp -p bin/su x; mv x bin/su", [], []),
    ("mv etc/rc.d/init.d etc/rc.d/x", ["etc/rc.d/x", "etc/rc.d/x/sshd"], ["etc/rc.d/init.d"]),
    ("rm -r etc/rc.d; echo x >etc/rc.d", ["etc/rc.d"], ["etc/rc.d"]),
    ("rm etc/inittab; mkdir etc/inittab", ["etc/inittab"], ["etc/inittab"]),
    ("rm lib; cp -pr usr/lib lib", ["lib", "lib/libc"], ["lib"]),
    ("rm bin/su; mkdir bin/su; echo x >bin/su/x", ["bin/su", "bin/su/x"], ["bin/su"]),
    ("mv -- -rf ./--help; echo x >>\"$(printf 'odd\\n\\377')\"", ["--help", "odd\n\udcff"], ["-rf"]),
]


@pytest.fixture(scope="module")
def layer_of_all(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    """The layer of all cases together, each run in a folder of its own that holds the whole tree."""
    tree, script = Tree(), []
    for number, (line, _, _) in enumerate(CASES):
        top = f"case{number}"
        tree.root.children[top] = _tree().root
        tree.lookup(f"{top}/etc/init.d", follow=False).target = f"/{top}/etc/rc.d/init.d"
        script.append(f"(cd {top}; {line})\n")
    return _change(tmp_path_factory.mktemp("all"), "".join(script), tree)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[script for script, _, _ in CASES])
def test_the_layer_holds_the_changed_names_and_no_others(layer_of_all: Layer, number: int) -> None:
    _, added, removed = CASES[number]
    top = f"case{number}"
    inside = [path for path in _names(layer_of_all) if path.split("/")[0] == top]
    gone = [path for path in layer_of_all.removed if path.split("/")[0] == top]
    assert inside == [f"{top}/{path}".rstrip("/") for path in added]
    assert gone == [f"{top}/{path}" for path in removed]


def test_attributes_that_a_program_sets_are_in_the_layer(tmp_path: Path) -> None:
    set_it = "import os; os.setxattr('bin/su', 'security.capability', b'\\1\\0')"
    layer = _change(tmp_path, f'{sys.executable} -I -c "{set_it}"')
    assert [(path, dict(node.meta.xattrs)) for path, node in layer.entries] == [
        ("bin/su", {"security.capability": b"\1\0"})
    ]


def test_a_program_sees_the_owners_modes_and_devices_of_the_tree(tmp_path: Path) -> None:
    with editable_copy(_tree(), tmp_path / "work") as copy:
        paths = ["home/user", "bin/su", "bin/wall", "etc/shadow", "dev/ubd/0", "dev/console", "etc/inittab"]
        output = copy.run(["stat", "-c", "%a %u:%g %F %t,%T %Y", *paths], timeout_s=60, cwd=copy.root)
        assert copy.run(["id", "-u"], timeout_s=60) == "0\n"
    assert output.splitlines() == [
        "700 500:501 directory 0,0 1000000000",
        "4755 0:0 regular file 0,0 1000000000",
        "2555 0:5 regular file 0,0 1000000000",
        "0 0:0 regular file 0,0 1000000000",
        "660 0:6 block special file 62,0 1000000000",
        "600 0:0 character special file 5,1 1000000000",
        "644 0:0 regular file 0,0 1000000000",
    ]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("{outside}", "x/l"),
        ("{outside}", "l"),
        ("../../../../../../../../../../../../../../../..{outside}", "x/l"),
        ("up/../../../../../../../../../../../../../../..{outside}", "x/l"),
    ],
)
def test_no_link_of_the_tree_leads_a_program_to_a_file_of_the_host(
    tmp_path: Path, target: str, place: str
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    tree = Tree()
    tree.add("y/z", directory(Meta(mode=0o755)))
    tree.add("x/up", symlink("/y"))
    tree.add(place, symlink(target.format(outside=outside)))
    inside = str(outside)[1:]
    tree.add(inside, file(Literal(b"the tree's"), Meta(mode=0o644)))
    with editable_copy(tree, tmp_path / "work") as copy:
        copy.run(["sh", "-c", f"cat {place}; echo changed >{place}"], timeout_s=60, cwd=copy.root)
        layer = copy.changes(LATEST_NS)
    assert outside.read_text() == "mine"
    assert _names(layer) == [inside]


def test_links_that_stay_inside_keep_their_targets(tmp_path: Path) -> None:
    tree = _tree()
    tree.add("etc/gone", symlink("../no/where", _meta(0o777)))
    with editable_copy(tree, tmp_path / "work") as copy:
        for path in ("etc/rc3.d", "etc/rc.d/rc3.d/S55sshd", "etc/gone", "lib"):
            assert str((copy.root / path).readlink()) == tree.lookup(path, follow=False).target
        assert (copy.root / "etc/init.d/sshd").read_bytes() == b"#!/bin/sh\n"


def test_the_same_program_gives_the_same_bytes_whatever_the_umask_of_the_user(tmp_path: Path) -> None:
    script = "echo x >etc/new; mkdir d; touch -d 2000-01-01 old; touch -d 2090-01-01 late; touch etc/inittab"
    layers = []
    for name, mask in (("one", 0o022), ("two", 0o077)):
        earlier = os.umask(mask)
        try:
            layer = _change(tmp_path / name, script)
        finally:
            os.umask(earlier)
        write_layer(tmp_path / f"{name}.tar", layer)
        layers.append((tmp_path / f"{name}.tar").read_bytes())
    assert layers[0] == layers[1]
    times = {path: node.meta.mtime_ns // NS for path, node in layer.entries}
    latest = LATEST_NS // NS
    assert times == {
        "d": latest,
        "etc/inittab": latest,
        "etc/new": latest,
        "late": latest,
        "old": 946_684_800,
    }


def test_the_work_folder_then_holds_only_the_changes_and_the_layer_can_be_written_from_it(
    tmp_path: Path,
) -> None:
    layer = _change(tmp_path, "echo new >etc/new")
    assert [path.name for path in (tmp_path / "work").iterdir()] == [CHANGES]
    write_layer(tmp_path / "layer.tar", layer)
    text = subprocess.run(["tar", "-xOf", tmp_path / "layer.tar", "./etc/new"], capture_output=True).stdout
    assert text == b"new\n"


def test_a_socket_that_a_program_leaves_is_an_error(tmp_path: Path) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    with editable_copy(_tree(), tmp_path / "work") as copy:
        copy.run([sys.executable, "-I", "-c", bind], timeout_s=60, cwd=copy.root)
        with pytest.raises(SsiumlError, match=r"^/s: a program has left a socket there"):
            copy.changes(LATEST_NS)
    assert not (tmp_path / "work" / "root").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first; echo last; exit 3", r"exit status 3\n.*first\n.*last"),
        ("sleep 50", "not finished after"),
    ],
)
def test_a_program_that_fails_or_runs_too_long_is_an_error_and_leaves_nothing(
    tmp_path: Path, script: str, message: str
) -> None:
    def fail() -> None:
        with editable_copy(_tree(), tmp_path / "work") as copy:
            copy.run(["sh", "-c", script], timeout_s=0.5)

    with pytest.raises(CommandError, match=f"(?s){message}"):
        fail()
    assert list((tmp_path / "work").iterdir()) == []
