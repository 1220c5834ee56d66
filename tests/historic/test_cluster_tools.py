"""Cluster tools of 2002: a Makefile edits a copy of the root, and its changes become the layer."""

import shutil
from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.historic.cluster_tools import install_on_copy, require_rule
from ssiuml.host.run import CommandError
from ssiuml.layers.cluster_tools import install
from ssiuml.tree.compare import take_census
from ssiuml.tree.layer import Layer, merge, write_layer
from ssiuml.tree.tree import Kind, Literal, Meta, Tree, directory, file, symlink

TIME_NS = 1_022_630_400 * 1_000_000_000  # 2002-05-29
MAKEFILE = """
install_ssi_redhat:
\t./fits $(UML_ROOT)
\tsed 's/^1:2345/#&/' $(UML_ROOT)/etc/inittab >$(UML_ROOT)/etc/inittab.ssi
\tcp -p rc.nodeup $(UML_ROOT)/etc/rc.d/rc.nodeup
\tinstall -o 0 -g 5 -m 4711 onnode $(UML_ROOT)/bin/onnode
\tln -s ../init.d/ssi $(UML_ROOT)/etc/rc3.d/S01ssi
\trm $(UML_ROOT)/etc/rc3.d/S55sshd
\ttest -c $(UML_ROOT)/dev/ttyp0 || mknod -m 666 $(UML_ROOT)/dev/ttyp0 c 3 0
\ttouch here
install_ssi_caldera:
\t@echo 'no Caldera in' $(UML_ROOT) && false
install_ssi_debian:
\tsleep 60
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster-tools"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "fits").write_text("#!/bin/sh\ntest -d $1/etc/rc.d\n")
    (folder / "fits").chmod(0o755)
    (folder / "rc.nodeup").write_text("#!/bin/sh\n")
    (folder / "rc.nodeup").chmod(0o755)
    (folder / "onnode").write_text("onnode")
    return folder


def _root() -> Tree:
    tree = Tree()
    tree.add("etc/inittab", file(Literal(b"1:2345:respawn:/sbin/mingetty tty1\n"), Meta(mode=0o644)))
    tree.add("etc/rc.d/rc3.d/S55sshd", symlink("../init.d/sshd"))
    tree.add("etc/rc3.d", symlink("rc.d/rc3.d"))
    tree.add("dev", directory(Meta(mode=0o755)))
    tree.add("bin/sh", file(Literal(b"sh"), Meta(mode=0o755)))
    return tree


def _install(source: Path, distribution: str, work: Path, timeout_s: float = 60) -> Layer:
    return install_on_copy(source, distribution, work, _root(), TIME_NS, timeout_s)


def test_a_rule_edits_a_copy_of_the_tree_and_its_changes_become_the_layer(
    source: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in source.iterdir())
    layer = _install(source, "redhat", tmp_path / "work")
    assert layer.removed == ["etc/rc.d/rc3.d/S55sshd"]
    assert [(path, node.kind, node.meta, node.device) for path, node in layer.entries] == [
        ("bin/onnode", Kind.FILE, Meta(mode=0o4711, gid=5, mtime_ns=TIME_NS), None),
        ("dev/ttyp0", Kind.CHARACTER, Meta(mode=0o666, mtime_ns=TIME_NS), (3, 0)),
        ("etc/inittab.ssi", Kind.FILE, Meta(mode=0o644, mtime_ns=TIME_NS), None),
        ("etc/rc.d/rc.nodeup", Kind.FILE, Meta(mode=0o755, mtime_ns=TIME_NS), None),
        ("etc/rc.d/rc3.d/S01ssi", Kind.SYMLINK, Meta(mode=0o777, mtime_ns=TIME_NS), None),
    ]
    tree = merge([Layer(entries=list(_root().walk())), layer])
    assert tree.lookup("etc/inittab.ssi").read() == b"#1:2345:respawn:/sbin/mingetty tty1\n"
    assert sorted(path.name for path in source.iterdir()) == before


def test_the_same_tools_give_the_same_layer_whenever_they_were_unpacked(source: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(source, again, copy_function=shutil.copy)
    archives = []
    for folder in (source, again):
        path = tmp_path / f"{folder.name}.tar"
        write_layer(path, _install(folder, "redhat", tmp_path / "work"))
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]


def test_a_missing_rule_is_an_error_before_the_tree_is_copied(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SsiumlError) as error:
        _install(source, "suse", tmp_path / "work")
    assert str(error.value) == (
        f"{source}: its Makefile has no rule 'install_ssi_suse', it has: "
        "install_ssi_caldera install_ssi_debian install_ssi_redhat\n"
        "  set cluster_tools to a folder whose Makefile has that rule"
    )
    assert not (tmp_path / "work").exists()


def test_a_syntax_error_in_the_makefile_is_an_error_with_the_reason_that_make_gives(
    source: Path, tmp_path: Path
) -> None:
    (source / "Makefile").write_text("install_ssi_redhat:\n    four blanks\n")
    with pytest.raises(SsiumlError, match=r"its Makefile cannot be read: \S*Makefile:2: .*missing separator"):
        _install(source, "redhat", tmp_path / "work")


def test_a_folder_without_a_makefile_is_an_error(source: Path, tmp_path: Path) -> None:
    (source / "Makefile").unlink()
    with pytest.raises(SsiumlError, match="there is no Makefile in it"):
        _install(source, "redhat", tmp_path / "work")


def test_looking_for_a_rule_runs_no_line_of_the_makefile(source: Path, tmp_path: Path) -> None:
    """make --dry-run would run the second and the third."""
    lines = ("touch one", "+touch two", "touch three && $(MAKE) --version", "touch $(UML_ROOT)/four")
    (source / "Makefile").write_text("".join(["install_ssi_redhat:\n", *(f"\t{line}\n" for line in lines)]))
    before = sorted(source.iterdir())
    require_rule(source, "redhat")
    assert sorted(source.iterdir()) == before


@pytest.mark.parametrize("rule", ["install_%: ; ./fits", "include other.mk"])
def test_pattern_rules_and_rules_of_included_files_are_found(source: Path, rule: str) -> None:
    (source / "Makefile").write_text(f"{rule}\n")
    (source / "other.mk").write_text("install_ssi_redhat: ; ./fits\n")
    require_rule(source, "redhat")


def test_a_failing_rule_is_an_error_with_the_last_lines_of_make(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?s)exit status 2.*no Caldera in .*/root\n.*Error 1"):
        _install(source, "caldera", tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_rule_that_runs_too_long_is_ended_at_the_time_limit(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not finished after 1 s, ended"):
        _install(source, "debian", tmp_path / "work", timeout_s=1)


def test_tools_of_this_project_give_the_same_layer_in_an_empty_folder_and_on_a_copy(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("etc/inittab", file(Literal(b"old"), Meta(mode=0o644)))
    source = PROJECT / "cluster-tools"
    quick = install(source, "debian", tmp_path / "quick", tree, TIME_NS)
    on_copy = install_on_copy(source, "debian", tmp_path / "copy", tree, TIME_NS)
    assert take_census(merge([quick])).facts == take_census(merge([on_copy])).facts
    assert on_copy.removed == []
