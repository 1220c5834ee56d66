"""The stand-ins for source archives: tar unpacks them, and make installs from them as root did in 2002."""

import subprocess
from pathlib import Path

import pytest
from gfs_judges import assert_holds, blkid
from programs import tool
from redhat import cluster_tools, demo, inittab, modules, older_root, opengfs
from redhat.busybox import fetch_busybox
from redhat.elf32 import run_i386

from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.host.files import allocated_bytes

LIMIT_S = 60.0
SCRIPTS = "etc/sysconfig/network-scripts"


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    tool("tar", "xjf", archive, "-C", folder, "--no-same-owner")
    return folder


def small_root(folder: Path) -> Path:
    for name in ("etc/rc.d", SCRIPTS, "dev", "var/lib"):
        (folder / name).mkdir(parents=True)
    (folder / SCRIPTS / "ifup").write_text('#!/bin/sh\n. "./ifcfg-$1"\n')
    (folder / SCRIPTS / "ifcfg-eth0").write_text("DEVICE=eth0\n")
    return folder


def install(source: Path, rule: str, root: Path) -> "subprocess.CompletedProcess[str]":
    """Run make RULE under fakeroot, then list *root*: kind, mode, owner and name of each file."""
    script = 'umask 022; make -s -C "$1" "$2" UML_ROOT="$3" && find "$3" -printf "%y %m %U:%G %P\\n"'
    words: list[str | Path] = ["fakeroot", "sh", "-c", script, "sh", source, rule, root]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)


@pytest.mark.parametrize("distribution", cluster_tools.DISTRIBUTIONS)
@pytest.mark.parametrize("form", ["release", "checkout"])
def test_cluster_tools_install_files_that_only_root_can_make(
    redhat_sources: Path, tmp_path: Path, distribution: str, form: str
) -> None:
    if form == "release":
        source = unpacked(redhat_sources / cluster_tools.NAME, tmp_path / "source") / "cluster-tools"
    else:
        source = cluster_tools.make_cluster_tools_checkout(tmp_path / "source")
        assert (source / "redhat/CVS/Repository").read_text() == "cluster-tools/redhat\n"
        assert "D/redhat////\n" in (source / "CVS/Entries").read_text()
    root = small_root(tmp_path / "root")
    done = install(source, f"install_ssi_{distribution}", root)
    assert done.returncode == 0, done.stderr
    rc = "etc/rc.nodeup" if distribution == "debian" else "etc/rc.d/rc.nodeup"
    assert {
        f"f 755 0:0 {rc}",
        "f 644 0:0 etc/inittab.ssi",
        "f 755 0:0 sbin/cluster_mkinitrd",
        "f 4755 0:0 usr/bin/onnode",
        "d 2775 99:54 var/lib/cluster",
        "f 640 43:10 etc/clustertab",
        "c 660 0:10 dev/cluster",
    } <= set(done.stdout.splitlines())
    assert (root / "usr/bin/node_pid").samefile(root / "usr/bin/where_pid")
    is_kept = distribution == "debian"
    assert (root / SCRIPTS / "ifcfg-eth0").exists() == is_kept
    assert ("interconnect" in (root / SCRIPTS / "ifup").read_text()) != is_kept


@pytest.mark.parametrize("distribution", cluster_tools.DISTRIBUTIONS)
def test_the_marks_of_inittab_are_above_the_lines_to_be_changed(distribution: str) -> None:
    before = inittab.inittab_ssi(distribution).splitlines()
    after = inittab.inittab_ssi_for_uml(distribution).splitlines()
    marks = [number for number, line in enumerate(before) if line.startswith("# For UML")]
    changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert len(marks) == 2
    assert changed == [number + 1 for number in marks]
    assert after[changed[0]] == "#dh:2345:respawn:/usr/sbin/dhcpd -f -q"
    assert "tty0" in after[changed[1]]


def test_a_failing_rule_and_a_missing_rule_end_make_with_a_message(tmp_path: Path) -> None:
    archive = cluster_tools.make_cluster_tools(tmp_path / "a", failing_rule="redhat", missing_rule="caldera")
    source = unpacked(archive, tmp_path / "source") / "cluster-tools"
    root = small_root(tmp_path / "root")
    failed = install(source, "install_ssi_redhat", root)
    assert failed.returncode == 2
    assert "kernel headers are too old" in failed.stderr
    missing = install(source, "install_ssi_caldera", root)
    assert missing.returncode == 2
    assert "No rule to make target 'install_ssi_caldera'" in missing.stderr
    assert install(source, "install_ssi_debian", root).returncode == 0


def test_the_shell_of_the_root_can_parse_all_scripts(redhat_sources: Path, tmp_path: Path) -> None:
    tools = unpacked(redhat_sources / cluster_tools.NAME, tmp_path / "tools") / "cluster-tools"
    names = ("cluster_mkinitrd", "ifup.head", "redhat/rc.nodeup")
    for path in (*(tools / name for name in names), *redhat_demo(redhat_sources, tmp_path)):
        run_i386(fetch_busybox(), "sh", "-n", str(path))


def redhat_demo(sources: Path, folder: Path) -> list[Path]:
    return [unpacked(sources / demo.NAME, folder / "demo") / "dbdemo/dbdemo"]


def test_dbdemo_reads_its_alphabet(redhat_sources: Path, tmp_path: Path) -> None:
    (program,) = redhat_demo(redhat_sources, tmp_path)
    alphabet = program.with_name("alphabet")
    words = alphabet.read_text().split()
    assert (len(words), words[0], words[-1]) == (26, "Alpha", "Zulu")
    (tmp_path / "two").write_text("Alpha\nBravo\n")
    script = f'sleep() {{ :; }}; set -- "$1"; . {program}'
    done = subprocess.run(
        ["sh", "-c", script, "dbdemo", tmp_path / "two"],
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    assert done.stdout == "Alpha\nBravo\n"


def test_modules_belong_to_root_and_modules_dep_names_them_all(redhat_sources: Path, tmp_path: Path) -> None:
    listing = tool("tar", "tvjf", redhat_sources / modules.NAME, "--numeric-owner")
    assert all(line.split()[1] == "0/0" for line in listing.splitlines())
    top = unpacked(redhat_sources / modules.NAME, tmp_path / "modules")
    folder = top / "lib/modules" / modules.KERNEL
    lines = (folder / "modules.dep").read_text().split("\n\n")[:-1]
    assert {line.partition(":")[0] for line in lines} == {
        f"/{path.relative_to(top)}" for path in folder.rglob("*.o")
    }
    assert {"gfs.o", "pool.o", "memexp.o", "lock_harness.o"} <= {path.name for path in folder.rglob("*.o")}


def test_opengfs_compiles_only_with_the_headers_of_user_mode_linux(
    redhat_sources: Path, tmp_path: Path
) -> None:
    source = unpacked(redhat_sources / opengfs.NAME, tmp_path / "source") / "opengfs-0.2.1"
    kernel = opengfs.make_kernel_tree(tmp_path / "linux")

    def build() -> "subprocess.CompletedProcess[str]":
        tool("sh", source / "configure", f"--with-linux_srcdir={kernel}")
        words: list[str | Path] = ["make", "-C", source, "install", f"DESTDIR={tmp_path / 'root'}"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)

    refused = build()
    assert refused.returncode == 2
    assert "kern_util.h" in refused.stderr
    template = source / "make/modules.mk.in"
    text = template.read_text()
    assert opengfs.INCL_FLAGS in text.splitlines()
    template.write_text(text.replace(opengfs.INCL_FLAGS, f"{opengfs.INCL_FLAGS} -I$(KSRC)/arch/um/include"))
    done = build()
    assert done.returncode == 0, done.stderr
    for path in modules.GFS_MODULES:
        made = tmp_path / "root/lib/modules" / modules.KERNEL / path
        assert "Intel 80386" in tool("readelf", "-h", made)
        assert b"kernel_version=2.4.16-21um" in made.read_bytes()
    assert run_i386(tmp_path / "root/sbin/passemble", "-r", "all").endswith("passemble -r all\n")


def test_configure_of_opengfs_refuses_a_folder_without_a_kernel(redhat_sources: Path, tmp_path: Path) -> None:
    source = unpacked(redhat_sources / opengfs.NAME, tmp_path / "source") / "opengfs-0.2.1"
    output = tool("sh", source / "configure", f"--with-linux_srcdir={tmp_path}", ok=(1,))
    assert "no configured kernel source" in output


def test_the_older_root_is_sparse_and_foreign_programs_find_its_modules(
    redhat_sources: Path, tmp_path: Path
) -> None:
    folder = unpacked(redhat_sources / older_root.NAME, tmp_path / "older") / "ssiuml-root-rh72"
    root_fs, cidev = folder / "root_fs", folder / "root_cidev"
    assert (root_fs.stat().st_size, cidev.stat().st_size) == (64 << 20, 4096 << 10)
    assert allocated_bytes(root_fs) < 24 << 20
    assert allocated_bytes(cidev) < 1 << 20
    assert blkid(root_fs, RESERVED_BYTES)["TYPE"] == "gfs"
    data = tmp_path / "data"
    data.write_bytes(root_fs.read_bytes()[RESERVED_BYTES:])
    assert_holds(data, older_root.old_tree())
