"""Prove built images by booting them: one node, from a copy of the root, to the login and down again."""

import time
from pathlib import Path
from typing import Final

from ssiuml import manifest
from ssiuml.cluster.smoke_node import NodeError, NodeSettings, command_line, running
from ssiuml.host import files
from ssiuml.host.files import scratch_folder
from ssiuml.host.progress import stages
from ssiuml.images import gfs2_tools

# On a quiet machine the login is there after 8 s; a shared one may take twenty times as long.
LIMIT_S: Final = 300.0
FIRST_PASSWORD: Final = "root"  # noqa: S105 - public by design, see the recipe
# Only for the copy of the root that the check throws away.
CHECK_PASSWORD: Final = "Check-2002-uml"  # noqa: S105


def check_images(folder: Path) -> None:
    """Boot node 1 of the images in *folder*, log in, run commands, shut down, check the root with fsck.

    The images stay as they are. Raises ConsoleError, with the end of the console, if the node does not get
    that far, NodeError if it does something else than it should, SsiumlError if the root is not clean then.
    """
    images = manifest.read(folder)
    with scratch_folder(folder / "work", "check") as scratch, stages("check") as show:
        root_fs = scratch / "root_fs"
        files.copy(images.root_fs, root_fs)
        settings = NodeSettings(number=1, root_fs=root_fs, folder=scratch / "uml")
        started = time.monotonic()
        with running(command_line(images, settings), scratch / "console.log") as (process, console):
            show("booting node 1")
            console.log_in(FIRST_PASSWORD, CHECK_PASSWORD, LIMIT_S)
            show(f"logged in after {time.monotonic() - started:.1f} s, first password changed")
            wanted = {"hostname": "node1", "findmnt -n -o FSTYPE /": "gfs2", "cat /proc/1/comm": "init"}
            for command, answer in wanted.items():
                status, output = console.run(command, LIMIT_S)
                if status != 0 or output.strip() != answer:
                    raise NodeError(
                        f"'{command}' on the node gave status {status} and '{output.strip()}', not '{answer}'"
                    )
            show("shutting down")
            console.send("poweroff")
            console.expect("left the cluster", "leaving of the cluster", LIMIT_S)
            console.expect_end(LIMIT_S)
            status = process.wait(timeout=LIMIT_S)
        if status != 0:
            raise NodeError(f"the node's kernel ended with exit status {status}\n{console.tail()}")
        show("checking the root")
        gfs2_tools.check_image(root_fs)
        show(f"the images boot: login, shell, orderly end, clean root ({time.monotonic() - started:.0f} s)")
