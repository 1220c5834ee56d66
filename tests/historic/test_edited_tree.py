"""Trees as folders that programs edit; GNU tar, run in the folder by itself, says what they left."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from odd_trees import CAPABILITY

from ssiuml.historic.edited_tree import CHANGES, MaterialiseError, materialised
from ssiuml.historic.fakeroot import fakeroot
from ssiuml.host.run import CommandError, run
from ssiuml.tree.compare import Census, differences, take_census
from ssiuml.tree.layer import Layer, merge, read_layer, write_layer
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

NS = 1_000_000_000
OLD_NS = 1_000_000_000 * NS + 5  # 2001
LATEST_NS = 1_704_067_200 * NS


def _meta(mode: int = 0o644, **more: int) -> Meta:
    return replace(Meta(mode=mode, mtime_ns=OLD_NS), **more)  # type: ignore[arg-type]


def _tree() -> Tree:
    """Red Hat's links, and one of every kind."""
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
    """Without times, of which the layer knows better, and attributes, which tar does not see in fakeroot."""
    census = take_census(tree)
    facts = {path: replace(fact, mtime_ns=0, xattrs=()) for path, fact in census.facts.items()}
    return Census(facts, census.inodes, census.content_bytes)


def _change(tmp_path: Path, script: str, tree: Tree | None = None) -> Layer:
    """Run *script* in a copy of the tree; the layer has to give what GNU tar finds there afterwards."""
    before = tree or _tree()
    with materialised(before, tmp_path / "work") as copy:
        copy.run(["sh", "-e", "-c", script], timeout_s=60, cwd=copy.root)
        found = tmp_path / "found.tar"
        pack = ["tar", "--format=posix", "-cf", str(found), "."]
        copy.run(pack, timeout_s=60, cwd=copy.root)
        layer = copy.changes(LATEST_NS)
    changed = merge([Layer(entries=list(before.walk())), layer])
    expected = merge([read_layer(found)])
    for path, node in expected.walk():
        if node.kind is Kind.SYMLINK and path.endswith("etc/init.d"):  # the copy holds a relative one
            node.target = before.lookup(path, follow=False).target
    assert differences(_comparable(expected), _comparable(changed)) == []
    return layer


def _names(layer: Layer) -> list[str]:
    return [path for path, _ in layer.entries]


def test_program_that_changes_nothing_leaves_an_empty_layer(tmp_path: Path) -> None:
    assert _change(tmp_path, "cat etc/shadow; touch x; rm x; ls -lR >/dev/null") == Layer()


# What a program does in a folder of its own, and which names have to be in the layer for it.
CASES = [
    ("echo new >etc/new", ["etc/new"], []),
    ("mkdir -p a/b && echo x >a/b/c", ["a", "a/b", "a/b/c"], []),
    ("echo 'id:5:initdefault:' >etc/inittab", ["etc/inittab"], []),
    # The same size, and the old time given back.
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
    """All cases in one go, each in a tree of its own within the tree."""
    tree, script = Tree(), []
    for number, (line, _, _) in enumerate(CASES):
        top = f"case{number}"
        tree.root.children[top] = _tree().root
        tree.lookup(f"{top}/etc/init.d", follow=False).target = f"/{top}/etc/rc.d/init.d"
        script.append(f"(cd {top}; {line})\n")
    return _change(tmp_path_factory.mktemp("all"), "".join(script), tree)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[script for script, _, _ in CASES])
def test_layer_holds_what_was_changed_and_nothing_else(layer_of_all: Layer, number: int) -> None:
    _, added, removed = CASES[number]
    top = f"case{number}"
    inside = [path for path in _names(layer_of_all) if path.split("/")[0] == top]
    gone = [path for path in layer_of_all.removed if path.split("/")[0] == top]
    assert inside == [f"{top}/{path}".rstrip("/") for path in added]
    assert gone == [f"{top}/{path}" for path in removed]


def test_attributes_that_a_program_sets_come_back(tmp_path: Path) -> None:
    set_it = "import os; os.setxattr('bin/su', 'security.capability', b'\\1\\0')"
    layer = _change(tmp_path, f'{sys.executable} -I -c "{set_it}"')
    assert [(path, dict(node.meta.xattrs)) for path, node in layer.entries] == [
        ("bin/su", {"security.capability": b"\1\0"})
    ]


def test_program_sees_owners_modes_and_devices_of_the_tree(tmp_path: Path) -> None:
    with materialised(_tree(), tmp_path / "work") as copy:
        paths = ["home/user", "bin/su", "bin/wall", "etc/shadow", "dev/ubd/0", "dev/console", "etc/inittab"]
        said = copy.run(["stat", "-c", "%a %u:%g %F %t,%T %Y", *paths], timeout_s=60, cwd=copy.root)
        assert copy.run(["id", "-u"], timeout_s=60) == "0\n"
    assert said.splitlines() == [
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
def test_no_link_of_the_tree_leads_a_program_to_files_of_the_host(
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
    with materialised(tree, tmp_path / "work") as copy:
        copy.run(["sh", "-c", f"cat {place}; echo changed >{place}"], timeout_s=60, cwd=copy.root)
        layer = copy.changes(LATEST_NS)
    assert outside.read_text() == "mine"
    assert _names(layer) == [inside]


def test_links_that_stay_inside_are_seen_as_they_are(tmp_path: Path) -> None:
    tree = _tree()
    tree.add("etc/gone", symlink("../no/where", _meta(0o777)))
    with materialised(tree, tmp_path / "work") as copy:
        for path in ("etc/rc3.d", "etc/rc.d/rc3.d/S55sshd", "etc/gone", "lib"):
            assert str((copy.root / path).readlink()) == tree.lookup(path, follow=False).target
        assert (copy.root / "etc/init.d/sshd").read_bytes() == b"#!/bin/sh\n"


def test_same_program_gives_the_same_bytes_whatever_the_users_umask(tmp_path: Path) -> None:
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


def test_work_folder_holds_the_changes_alone_and_the_layer_can_be_written_from_it(tmp_path: Path) -> None:
    layer = _change(tmp_path, "echo new >etc/new")
    assert [path.name for path in (tmp_path / "work").iterdir()] == [CHANGES]
    write_layer(tmp_path / "layer.tar", layer)
    text = subprocess.run(["tar", "-xOf", tmp_path / "layer.tar", "./etc/new"], capture_output=True).stdout
    assert text == b"new\n"


def test_socket_is_an_error(tmp_path: Path) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    with materialised(_tree(), tmp_path / "work") as copy:
        copy.run([sys.executable, "-I", "-c", bind], timeout_s=60, cwd=copy.root)
        with pytest.raises(MaterialiseError, match=r"^/s: a program has left a socket there"):
            copy.changes(LATEST_NS)
    assert not (tmp_path / "work" / "root").exists()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first; echo last; exit 3", r"exit status 3\n.*first\n.*last"),
        ("sleep 50", "not finished after"),
    ],
)
def test_failure_and_limit_are_errors_and_nothing_stays(tmp_path: Path, script: str, why: str) -> None:
    def fail() -> None:
        with materialised(_tree(), tmp_path / "work") as copy:
            copy.run(["sh", "-c", script], timeout_s=0.5)

    with pytest.raises(CommandError, match=f"(?s){why}"):
        fail()
    assert list((tmp_path / "work").iterdir()) == []


# fakeroot alone.


def _queues() -> set[str]:
    return set(subprocess.run(["ipcs", "-q"], capture_output=True, text=True).stdout.splitlines())


def _until(condition: Callable[[], bool]) -> None:
    """Wait for the end of what a process has left; inotify has nothing for that."""
    subprocess.run(["true"])
    for _ in range(600):
        if condition():
            return
        subprocess.run(["sleep", "0.05"])
    raise AssertionError("it has not happened after 30 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_build_leaves_neither_processes_nor_message_queues(tmp_path: Path, number: int) -> None:
    code = (
        "from ssiuml.historic.fakeroot import fakeroot\n"
        "from ssiuml.host.run import run\n"
        "with fakeroot() as world:\n"
        "    print(world['FAKEROOTKEY'], flush=True)\n"
        f"    run(['sh', '-c', 'echo $$ >{tmp_path}/pid; exec sleep 300'], timeout_s=300, env=world)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        key = f"{int(build.stdout.readline()):#010x}"
        _until(lambda: (tmp_path / "pid").is_file() and bool((tmp_path / "pid").read_text().strip()))
        assert any(key in line for line in _queues())
        build.send_signal(number)
    sleeper = Path("/proc", (tmp_path / "pid").read_text().strip())
    _until(lambda: not sleeper.exists())
    _until(lambda: not any(key in line for line in _queues()))


def test_programs_of_one_block_share_what_they_changed_and_later_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    with fakeroot() as world:
        run(["chown", "12:34", path], timeout_s=60, env=world)
        assert run(["stat", "-c", "%u:%g", path], timeout_s=60, env=world) == "12:34\n"
    with fakeroot() as world:
        assert run(["stat", "-c", "%u:%g", path], timeout_s=60, env=world) == "0:0\n"
    assert path.stat().st_uid == os.getuid()


def test_short_blocks_leave_no_message_queues() -> None:
    ours = set()
    for _ in range(5):
        with fakeroot() as world:
            ours.add(f"{int(world['FAKEROOTKEY']):#010x}")
            assert run(["stat", "-c", "%u", "/"], timeout_s=60, env=world) == "0\n"
    assert len(ours) == 5
    assert not [line for line in _queues() if line.split() and line.split()[0] in ours]


def test_what_watches_a_program_makes_no_message_queues_when_it_comes_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library makes the queues anew that the daemon has removed, with the first file that is looked at.
    setsid = shutil.which("setsid")
    late = tmp_path / "setsid"
    script = "touch begun; sleep 1; stat / >/dev/null; touch looked"
    late.write_text(f"#!/bin/sh\ncd '{tmp_path}' && exec {setsid} sh -c '{script}'\n")
    late.chmod(0o755)
    waits = f"until [ -e '{tmp_path}/begun' ]; do sleep 0.05; done"
    with fakeroot() as world:
        key = f"{int(world['FAKEROOTKEY']):#010x}"
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        run(["sh", "-c", waits], timeout_s=60, env=world)
    _until((tmp_path / "looked").exists)
    assert not [line for line in _queues() if line.startswith(key)]


def test_fakeroot_in_fakeroot_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKEROOTKEY", "1")
    with pytest.raises(CommandError, match="nested operation not yet supported"), fakeroot():
        pass
