"""A stand-in for Debian's package linux-source-6.1: its layout, make's goals, two files to compile."""

import subprocess
from pathlib import Path
from typing import Final

GOOD: Final = {
    "Kbuild": "",
    "fs/inode.c": "int inode;\n",
    "fs/super.c": "int super;\n",
    # This much of Kconfig: it takes the options of the fragments, but drops one that depends on another.
    "scripts/kconfig/merge_config.sh": '#!/bin/sh\nset -e\n[ "$1 $2" = "-m -O" ]\nshift 3\n'
    'cat "$@" >.config.new\nmv .config.new .config\n',
}
# Fits these files.
PATCH: Final = """\
--- a/fs/super.c
+++ b/fs/super.c
@@ -1 +1 @@
-int super;
+int patched;
"""
_MAKEFILE: Final = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 192
ifneq ($(ARCH),um)
$(error ARCH=um is missing)
endif

defconfig:
\t@echo CONFIG_UML=y >$(O)/.config
olddefconfig:
\t@sed -i '/CONFIG_NO_SUCH/d' $(O)/.config
linux: $(O)/inode.o $(O)/super.o
\t@cat $^ $(O)/.config >$(O)/vmlinux
\t@echo '$(KBUILD_BUILD_TIMESTAMP) $(KBUILD_BUILD_USER)@$(KBUILD_BUILD_HOST)' >>$(O)/vmlinux
\t@cp $(O)/vmlinux $(O)/linux
modules: ;
$(O)/%.o: fs/%.c
\t@echo '  CC      fs/$*.o'
\t@gcc -c -o $@ $<
\t@touch $(O)/$*.done
kernelrelease:
\t@echo 6.1.192$(LOCALVERSION)
modules_install:
\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.1.192$(LOCALVERSION)/kernel/fs
\tcd $(INSTALL_MOD_PATH)/lib/modules/6.1.192$(LOCALVERSION) && \\
\t\tln -s $(O) build && ln -s $(CURDIR) source && \\
\t\techo fuse >kernel/fs/fuse.ko && echo kernel/fs/fuse.ko: >modules.dep
"""


def make_package(folder: Path, files: dict[str, str] | None = None, version: str = "1") -> Path:
    """Make the .deb in the new *folder* with dpkg-deb. *files* replace or add sources. Return its path."""
    root, source = folder / "root", folder / "linux-source-6.1"
    for name, text in {"Makefile": _MAKEFILE, **GOOD, **(files or {})}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
        (source / name).chmod(0o755 if text.startswith("#!") else 0o644)
    (root / "usr/src").mkdir(parents=True)
    archive = root / "usr/src" / f"{source.name}.tar.xz"
    subprocess.run(["tar", "-C", folder, "-cJf", archive, source.name], check=True, timeout=60)
    (root / "DEBIAN").mkdir(mode=0o755)
    (root / "DEBIAN/control").write_text(
        f"Package: linux-source-6.1\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: a <a@b>\nDescription: test\n"
    )
    package = folder / "linux-source-6.1.deb"
    words = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(package)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return package
