"""What a manual page says and --help does not: exit status, files, environment, what to read next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ssiuml.cli.exit_status import DONE, FAILED, INTERRUPTED, WRONG_CALL

Terms = Mapping[str, str]

USER_COMMANDS: Final = 1
FORMATS: Final = 5
OVERVIEWS: Final = 7
ADMINISTRATION: Final = 8

STATUS: Final[Terms] = MappingProxyType(
    {
        str(DONE): "Done.",
        str(FAILED): "Failed; standard error says what and why.",
        str(WRONG_CALL): "A wrong call, or input that will not do. Nothing was changed.",
        str(INTERRUPTED): "Interrupted from the keyboard.",
    }
)
STATE_FOLDER: Final = "$XDG_STATE_HOME/ssiuml, else ~/.local/state/ssiuml"
STATE_HOME: Final[Terms] = MappingProxyType(
    {"XDG_STATE_HOME": "The folder in which ssiuml keeps its state; default: ~/.local/state."}
)
CLUSTER_FILES: Final[Terms] = MappingProxyType(
    {
        "~/.local/state/ssiuml/NAME/": "The cluster NAME, for its owner alone: its copy of the root, keys, "
        "sockets, console-N.log of each node, supervisor.log."
    }
)
POOL_FILES: Final[Terms] = MappingProxyType(
    {"~/.local/state/ssiuml/pools.json": "Which files pools and devices are, unless --state names another."}
)
CONFIGURATION: Final = "~/.ssiuml/ssiuml.conf"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of one command. ``status`` goes over what all commands have in common."""

    summary: str
    section: int = USER_COMMANDS
    status: Terms = field(default_factory=dict)
    files: Terms = field(default_factory=dict)
    environment: Terms = field(default_factory=dict)
    see_also: tuple[str, ...] = ()


def _cluster(summary: str, *see_also: str, status: Terms | None = None, **more: Terms) -> Facts:
    return Facts(
        summary=summary,
        status=status or {},
        files={**CLUSTER_FILES, **more.get("files", {})},
        environment={**STATE_HOME, **more.get("environment", {})},
        see_also=see_also,
    )


def _pools(summary: str, *see_also: str, environment: Terms | None = None) -> Facts:
    return Facts(
        summary=summary,
        section=ADMINISTRATION,
        files=POOL_FILES,
        environment={**STATE_HOME, **(environment or {})},
        see_also=see_also,
    )


_DISPLAY: Final[Terms] = MappingProxyType(
    {"DISPLAY": "If it is set, and xterm installed, each node that starts gets a window with its console."}
)

FACTS: Final[Mapping[str, Facts]] = MappingProxyType(
    {
        "gfsconf": _pools("write the lock table of memexp", "passemble", "ptool", "mkfs_gfs"),
        "mkfs_gfs": _pools(
            "make a GFS1 or GFS2 file system, also with a whole tree in it",
            "ptool",
            "passemble",
            "ssi-image",
            environment={
                "SOURCE_DATE_EPOCH": "The time that goes into the file system, in seconds since 1970; "
                "default: now."
            },
        ),
        "passemble": _pools("make GFS pools available in user space", "ptool", "mkfs_gfs"),
        "ptool": _pools("write the labels of a GFS pool's devices", "passemble", "gfsconf", "mkfs_gfs"),
        "ssi-add": _cluster(
            "boot more nodes of a running cluster", "ssi-start", "ssi-rm", "ssi-status", environment=_DISPLAY
        ),
        "ssi-console": _cluster(
            "attach to the console of a node",
            "ssi-exec",
            "ssi-status",
            status={"0": "Detached.", "1": "Failed, or the node has ended."},
        ),
        "ssi-cp": _cluster("copy files in and out of nodes", "ssi-exec"),
        "ssi-exec": _cluster(
            "run a command on a node, or on all nodes",
            "ssi-cp",
            "ssi-console",
            status={
                "0": "The command ended with 0; with all, on every node.",
                "1 to 254": "What the command ended with on the node; with all, the highest of all nodes.",
                "255": "The connection to the node broke.",
            },
        ),
        "ssi-image": Facts(
            summary="look into GFS1 and GFS2 images, take files out, check them",
            status={"1": "Failed, or something is damaged or different; standard error tells what."},
            files=POOL_FILES,
            environment=STATE_HOME,
            see_also=("mkfs_gfs", "passemble"),
        ),
        "ssi-rm": _cluster("crash nodes of a running cluster", "ssi-add", "ssi-stop", "ssi-status"),
        "ssi-start": _cluster(
            "boot a cluster of User-Mode Linux nodes that share one root",
            "ssiuml.conf",
            "ssi-add",
            "ssi-exec",
            "ssi-status",
            "ssi-stop",
            files={
                CONFIGURATION: "Names other files than the image's.",
                "PREFIX/lib/ssiuml/RECIPE/": "Images that are installed; PREFIX is mostly /usr/local.",
                "images/RECIPE/": "In a checkout of ssiuml: images that were built there.",
            },
            environment=_DISPLAY,
        ),
        "ssi-status": _cluster("show what of a cluster runs", "ssi-start", "ssi-exec"),
        "ssi-stop": _cluster(
            "take a cluster down in order",
            "ssi-start",
            "ssi-rm",
            status={
                "1": "Failed, or a node did not shut down in order. The root's journals are replayed at the "
                "next start."
            },
        ),
    }
)
