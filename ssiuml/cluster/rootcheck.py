"""Looks after the root when a cluster has stopped in which a node had crashed."""

import logging
from pathlib import Path

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.images import gfs2_tools

log = logging.getLogger(__name__)


def check_after_crash(folder: ClusterFolder, root_fs: Path) -> tuple[bool, str]:
    """Check the root if a node has crashed since fsck.gfs2 last found it clean; mend what crashes leave.

    Returns whether the root is clean, and what there is to say of it; without a crash nothing is done and
    nothing said.
    """
    if not folder.crashed.exists():
        return True, ""
    try:
        mended = gfs2_tools.repair(root_fs)
    except gfs2_tools.DirtyError:
        return False, "its journals are replayed at the next start"
    except SsiumlError as error:
        log.error("%s", error)
        return False, f"{error}\n  fsck.gfs2 -y {root_fs} repairs it, ssi-start --fresh makes a new one"
    folder.crashed.unlink()
    return True, f"checked after a crash{': corrected ' if mended else ''}{', '.join(mended)}"
