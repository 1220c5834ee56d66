"""OpenGFS 0.2.1 as source, and the kernel tree to build it against. A real compiler can build it."""

from pathlib import Path
from typing import Final

from redhat.archives import pack, unfold
from redhat.elf32 import PROGRAM_SOURCE
from redhat.linux24 import UML_HEADER, UML_HEADER_TEXT
from redhat.modules import GFS_MODULES, KERNEL

NAME: Final = "opengfs-0.2.1.tar.bz2"
TOOLS: Final = ("passemble", "ptool", "gfsconf", "mkfs_gfs", "memexpd")
# To this line the HOWTO (4.7) adds -I$(KSRC)/arch/um/include; without that no module compiles for UML.
INCL_FLAGS: Final = "INCL_FLAGS = -I$(KSRC)/include -I$(TOP)/src/include"

_TOP: Final = "opengfs-0.2.1"
_CONFIGURE: Final = """#!/bin/sh
# configure --with-linux_srcdir=DIR

set -e
cd "$(dirname "$0")"
for word; do
    case $word in
    --with-linux_srcdir=*) ksrc=${word#*=} ;;
    *) echo "configure: error: unknown option $word" >&2; exit 1 ;;
    esac
done
version=$ksrc/include/linux/version.h
if [ -z "$ksrc" ] || [ ! -f "$version" ]; then
    echo "configure: error: no configured kernel source in '$ksrc'; use --with-linux_srcdir=DIR" >&2
    exit 1
fi
release=$(sed -n 's/^#define UTS_RELEASE "\\(.*\\)"/\\1/p' "$version")
echo "checking for kernel source... $ksrc, $release"
sed -e "s,@KSRC@,$ksrc,g" -e "s,@UTS_RELEASE@,$release,g" make/modules.mk.in >make/modules.mk
"""
_MODULES_MK_IN: Final = f"""# How kernel modules are compiled; configure makes modules.mk of this.
KSRC = @KSRC@
RELEASE = @UTS_RELEASE@

{INCL_FLAGS}
MODULE_FLAGS = -m32 -O2 -ffreestanding -fno-pic -fno-stack-protector -D__KERNEL__ -DMODULE
"""
_MAKEFILE: Final = f"""# make; make install DESTDIR=DIR
DESTDIR =
CC = gcc
TOP = .
-include make/modules.mk
MODULES = {" ".join(f"build/{path}" for path in GFS_MODULES)}
TOOLS = {" ".join(f"build/sbin/{name}" for name in TOOLS)}

all: $(MODULES) $(TOOLS)

make/modules.mk:
	@echo 'run ./configure first' >&2; exit 1

{
    "".join(
        f"build/{path}: src/{Path(path).stem}.c{chr(10)}"
        f"{chr(9)}mkdir -p $(@D){chr(10)}"
        f"{chr(9)}$(CC) $(MODULE_FLAGS) $(INCL_FLAGS) -c -o $@ $<{chr(10)}{chr(10)}"
        for path in GFS_MODULES
    )
}build/sbin/%: src/tools/%.S
	mkdir -p $(@D)
	$(CC) -m32 -nostdlib -static -Wl,--build-id=none -o $@ $<

install: all
	for file in {" ".join(GFS_MODULES)}; do \\
		install -D -m 644 build/$$file $(DESTDIR)/lib/modules/$(RELEASE)/$$file || exit 1; done
	for name in {" ".join(TOOLS)}; do \\
		install -D -m 755 build/sbin/$$name $(DESTDIR)/sbin/$$name || exit 1; done
"""
_MODULE_C: Final = """/* The module {name}. */
#include <linux/version.h>
#include "kern_util.h"
#include "opengfs.h"

static const char modinfo[] __attribute__((section(".modinfo"), used)) = "kernel_version=" UTS_RELEASE;

int init_module(void)
{{
	return OPENGFS_OK;
}}

void cleanup_module(void)
{{
}}
"""


def make_opengfs(target: Path) -> Path:
    """Make the .tar.bz2 of the source: configure --with-linux_srcdir=, make, make install DESTDIR=.

    Return *target*.
    """
    files: dict[str, str | bytes] = {
        "configure": _CONFIGURE,
        "Makefile": _MAKEFILE,
        "make/modules.mk.in": _MODULES_MK_IN,
        "src/include/opengfs.h": "#define OPENGFS_OK 0\n",
    }
    for path in GFS_MODULES:
        name = Path(path).stem
        files[f"src/{name}.c"] = _MODULE_C.format(name=name)
    for name in TOOLS:
        files[f"src/tools/{name}.S"] = PROGRAM_SOURCE.replace(" # ", " // ") + f'        .asciz "{name}"\n'
    return pack(target, {f"{_TOP}/{path}": text for path, text in files.items()})


def make_kernel_tree(target: Path, kernel: str = KERNEL) -> Path:
    """Make the folder *target* with as much of a configured Linux tree for UML as OpenGFS needs."""
    return unfold(
        target,
        {
            "Makefile": "VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = 16\nEXTRAVERSION = -21um\n",
            "include/linux/version.h": f'#define UTS_RELEASE "{kernel}"\n#define LINUX_VERSION_CODE 132112\n',
            UML_HEADER: UML_HEADER_TEXT,
        },
    )
