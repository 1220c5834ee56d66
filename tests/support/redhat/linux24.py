"""Linux 2.4 and the SSI code for it, as sources: a release with its patch, and the modules of a CVS checkout.

The Makefile passes all goals to the script `stand-in`. It fails unless the goals come in the order and with
the arguments of the HOWTO (4.4, 4.6), and unless the patches were applied: so no step can be left out. In the
stand-in of a root of 2002, /usr/bin/make runs the same script. It "compiles" a program for 32-bit PCs.
"""

import bz2
import difflib
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from redhat.archives import pack, unfold
from redhat.elf32 import program
from redhat.modules import module_files

BASE_NAME: Final = "linux-2.4.16.tar.bz2"
CVS_BASE_NAME: Final = "linux-2.4.18.tar.gz"
SSI_NAME: Final = "ssi-linux-2.4.16-v0.6.5.tar.bz2"
UML_PATCH: Final = "uml-patch-2.4.18-22"
OPENGFS_PATCH: Final = "opengfs-ssi.patch"
FURTHER_PATCH: Final = "more.patch"
# A header that only the port to User-Mode Linux has.
UML_HEADER: Final = "arch/um/include/kern_util.h"
UML_HEADER_TEXT: Final = "extern int timer_irq_inited;\n"

_STAND_IN: Final = """\
# stand-in GOAL... ARCH=um [INSTALL_MOD_PATH=DIR]: one of make's steps.

set -e
goals='' modules='' arch=''
for word; do
    case $word in
    ARCH=*) arch=${word#*=} ;;
    INSTALL_MOD_PATH=*) modules=${word#*=} ;;
    --) ;;
    *) goals="$goals$word " ;;
    esac
done
fail() { echo "stand-in: $1" >&2; exit 2; }
[ "$arch" = um ] || fail "ARCH=um is missing"
release=$(sed -n '1,4s/.*= *//p' Makefile | {
    read -r a; read -r b; read -r c; read -r d
    echo "$a.$b.$c$d"
})
echo "$goals" >>goals.log
echo "stand-in: $goals, on $(uname -m)"
case $goals in
'oldconfig ')
    [ -f .config ] || fail "copy config.uml to .config first"
    grep -q '^CONFIG_SSI=y' .config || fail "this .config is not for SSI"
    echo 'New option (CONFIG_NEW) [N/y/?]'; read -r answer; echo "# CONFIG_NEW is not set" >>.config
    mkdir -p include/linux; : >include/linux/autoconf.h ;;
'dep linux modules ')
    [ -f include/linux/autoconf.h ] || fail "make oldconfig first"
    grep -q 'ssi_init' init/main.c || fail "init/main.c: the SSI code is missing"
    grep -q 'gfs' fs/Makefile || fail "fs/Makefile: OpenGFS's patch is missing"
    echo "#define UTS_RELEASE \\"$release\\"" >include/linux/version.h
    gcc -D__KERNEL__ -c -o init/main.o init/main.c
    cp stand-in.elf linux; chmod 755 linux ;;
'modules_install ')
    [ -f linux ] && [ -n "$modules" ] || fail "nothing is built, or INSTALL_MOD_PATH is missing"
    mkdir -p "$modules/lib/modules/$release"
    cp -r stand-in.modules/. "$modules/lib/modules/$release"
    ln -s "$PWD" "$modules/lib/modules/$release/build" ;;
*) fail "goal '$goals' is none of the HOWTO's, or in another order" ;;
esac
"""
_MAKE_RULES: Final = """
# Whatever make is asked for goes on to the script in one call.
.PHONY: $(MAKECMDGOALS)
$(firstword $(MAKECMDGOALS)):
\t@sh ./stand-in $(MAKECMDGOALS) ARCH=$(ARCH) $(if $(INSTALL_MOD_PATH),INSTALL_MOD_PATH=$(INSTALL_MOD_PATH))
$(wordlist 2,9,$(MAKECMDGOALS)): ;
"""
_MAIN_C: Final = "int start_kernel(void)\n{\n\tint one = 1;\n\tint two = 2;\n\treturn one + two;\n}\n"
_SSI_MAIN_C: Final = _MAIN_C.replace("\treturn", "\textern int ssi_init(void);\n\tssi_init();\n\treturn")
_FS_MAKEFILE: Final = "O_TARGET := fs.o\nobj-y := open.o\nsubdir-y := ext2\n\ninclude Rules.make\n"
_GFS_MAKEFILE: Final = _FS_MAKEFILE.replace("ext2\n", "ext2\nsubdir-m += gfs\n")
_CONFIG: Final = "CONFIG_SSI=y\nCONFIG_MODULES=y\n"


def makefile(sublevel: int, extra: str = "") -> str:
    """Return Linux's Makefile, whose first four lines tell the version 2.4.*sublevel*."""
    numbers = f"VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = {sublevel}\n"
    return f"{numbers}EXTRAVERSION ={extra and f' {extra}'}\n{_MAKE_RULES}"


def _base_files(sublevel: int, release: str) -> dict[str, str | bytes]:
    tops = {f"stand-in.modules/{path.split('/', 3)[3]}": data for path, data in _modules(release).items()}
    return {
        "Makefile": makefile(sublevel),
        "stand-in": _STAND_IN,
        "stand-in.elf": program("linux"),
        "init/main.c": _MAIN_C,
        "fs/Makefile": _FS_MAKEFILE,
        **tops,
    }


def _modules(release: str) -> dict[str, bytes]:
    return module_files(release, opengfs=False)


def diff(changes: Mapping[str, tuple[str, str]]) -> str:
    """Return a patch for `patch -p1`. *changes* has old and new text by path; a new file has no old text."""
    text = ""
    for name, (old, new) in changes.items():
        origin = f"a/{name}" if old else "/dev/null"
        lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), origin, f"b/{name}")
        text += "".join(lines)
    return text


def make_base(target: Path, sublevel: int = 16, release: str = "2.4.16-21um") -> Path:
    """Make Linux's archive, .tar.bz2 or .tar.gz, which unpacks to the folder linux/. Return *target*."""
    files = {f"linux/{path}": data for path, data in _base_files(sublevel, release).items()}
    if target.name.endswith(".tar.bz2"):
        return pack(target, files)
    packed = pack(target.with_suffix(".bz2"), files)
    target.write_bytes(gzip.compress(bz2.decompress(packed.read_bytes()), mtime=0))
    packed.unlink()
    return target


def make_release(target: Path, *, config: bool = True) -> Path:
    """Make the archive of the release: a folder with one patch, which adds config.uml. Return *target*."""
    changes = {
        "Makefile": (makefile(16), makefile(16, "-21um")),
        "init/main.c": (_MAIN_C, _SSI_MAIN_C),
        "fs/Makefile": (_FS_MAKEFILE, _GFS_MAKEFILE),
    }
    changes[UML_HEADER] = ("", UML_HEADER_TEXT)
    if config:
        changes["config.uml"] = ("", _CONFIG)
    top = "ssi-linux-2.4.16-v0.6.5"
    return pack(target, {f"{top}/{top}.patch": diff(changes), f"{top}/README": "SSI for Linux 2.4.16\n"})


def make_checkouts(
    folder: Path, *, ci_sublevel: int = 18, uml_changes: str = "init/version.c"
) -> tuple[Path, Path]:
    """Make ssic-linux and ci-linux in *folder*. Return both paths.

    The patch for User-Mode Linux has a hunk that does not fit the Makefile of Linux 2.4.18, and a hunk for
    the file *uml_changes*.
    """
    old = {"init/version.c": "", "init/main.c": "another file\n" * 9}[uml_changes]
    uml = diff(
        {
            "Makefile": ("SUBLEVEL = 18\nEXTRAVERSION = -rc9\n", "EXTRAVERSION = -22um\n"),
            uml_changes: (old, f"{old}int uml;\n"),
            UML_HEADER: ("", UML_HEADER_TEXT),
        }
    )
    ssi = unfold(
        folder / "ssic-linux",
        {
            "ssi-kernel/Makefile": makefile(18, "-22um"),
            "ssi-kernel/init/main.c": _SSI_MAIN_C,
            "ssi-kernel/config.uml": _CONFIG,
            f"3rd-party/{UML_PATCH}": uml,
            f"3rd-party/{OPENGFS_PATCH}": diff({"fs/Makefile": (_FS_MAKEFILE, _GFS_MAKEFILE)}),
            f"3rd-party/{FURTHER_PATCH}": diff({"fs/more.c": ("", "int more;\n")}),
        },
    )
    ci = unfold(
        folder / "ci-linux",
        {"ci-kernel/Makefile": makefile(ci_sublevel, "-22um"), "ci-kernel/cluster/ci.c": "int ci;\n"},
    )
    return ssi, ci
