"""Builds with OpenGFS's programs on the host: the HOWTO's command lines in its order, and all of it undone.

The programs, losetup and mount are stand-ins that record how they were called.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources
from http_server import Web
from processes import wait_until
from redhat.recording_tools import RecordingTools, make_recording_tools
from redhat.sources import sources_section

RECIPE = """\
extends: rh72-old-root
description: with the host's programs
sizes: {{root_fs: 512 MiB}}
filesystem: {{journals: 3}}
cluster: {{node_limit: 3}}
tools:
{tools}
{sources}"""
ALL = ("ptool", "passemble", "gfsconf", "mkfs_gfs")


@pytest.fixture
def web(redhat_web: Web) -> Web:
    return redhat_web


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opengfs")
    (folder / "ssiuml").mkdir()
    copy_sources(folder / "ssiuml")
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> RecordingTools:
    return make_recording_tools(tmp_path / "tools")


def checkout(folder: Path, web: Web, tools: RecordingTools, *names: str) -> Checkout:
    """Return a checkout whose recipe uses the host's programs *names*."""
    path = os.pathsep.join([str(tools.folder), os.environ["PATH"]])
    made = Checkout(folder / "ssiuml", folder / "cache", environ={"PATH": path})
    lines = "\n".join(f"  {name}: {{host: {tools.program(name)}}}" for name in names)
    return made.write_recipe(
        f"host-{'-'.join(names)}".replace("_", "-"),
        RECIPE.format(tools=lines, sources=sources_section(web.url("/"))),
    )


def short(calls: list[list[str]], images: Path) -> list[str]:
    """Return the calls as lines, without the folder of the images and without names of temporary files."""
    lines = [" ".join(words).replace(f"{images}/", "") for words in calls]
    return [
        line.replace("/.root_fs.part", "/root_fs").replace("/.root_cidev.part", "/root_cidev")
        for line in lines
    ]


def test_ptool_labels_the_pools_on_loop_devices(folder: Path, web: Web, tools: RecordingTools) -> None:
    made = checkout(folder, web, tools, "ptool")
    # The recording ptool writes no labels: only the calls can be compared.
    made.build("ptool")
    assert short(tools.calls(), made.images) == [
        "losetup /dev/loop1 labelled/root_cidev",
        "losetup /dev/loop2 labelled/root_fs",
        "ptool config/pool0cidev.cf",
        "ptool config/pool0.cf",
        "losetup -d /dev/loop2",
        "losetup -d /dev/loop1",
    ]


def test_mkfs_gfs_makes_the_file_system_with_the_commands_of_the_howto(
    folder: Path, web: Web, tools: RecordingTools
) -> None:
    made = checkout(folder, web, tools, "passemble", "gfsconf", "mkfs_gfs")
    made.build("copy-root")
    calls = short(tools.calls(), made.images)
    wanted = [
        "losetup /dev/loop1 ",
        "losetup /dev/loop2 ",
        "passemble",
        "mkfs_gfs -p memexp -t /dev/pool/pool0cidev -j 3 -J 32 -i /dev/pool/pool0",
        "mount -t gfs -o hostdata=192.168.50.1 /dev/pool/pool0 ",
        "umount ",
        "passemble -r all",
        "losetup -d /dev/loop2",
        "losetup -d /dev/loop1",
    ]
    last = calls[-len(wanted) :]
    assert all(call.startswith(start) for call, start in zip(last, wanted, strict=True)), last
    assert "gfsconf -c config/gfscf.cf" in calls


def test_gfsconf_without_passemble_runs_on_a_file_with_the_data_space_of_the_pool(
    folder: Path, web: Web, tools: RecordingTools
) -> None:
    made = checkout(folder, web, tools, "gfsconf")
    # Not the recording program: this one writes to the device that the configuration file names.
    script = tools.program("gfsconf")
    script.write_text(
        "#!/bin/sh\n"
        'device=$(sed -n "s/^cidev:[[:space:]]*//p" "$2")\n'
        'test "$(stat -c %s "$device")" = $((4096 * 1024 - 8192)) || exit 1\n'
        'printf "%s" "real gfsconf" | dd of="$device" conv=notrunc 2>/dev/null\n'
    )
    made.build("gfsconf")
    data = (made.images / "root_cidev").read_bytes()
    assert data[8192:8204] == b"real gfsconf"
    assert len(data) == 4096 << 10
    assert data[:8] == (0x011670).to_bytes(8, "big")
    assert tools.calls() == []


FAILURES = [
    ("losetup", 2, ["losetup /dev/loop1", "losetup /dev/loop2", "losetup -d /dev/loop1"]),
    (
        "passemble",
        1,
        [
            "losetup /dev/loop1",
            "losetup /dev/loop2",
            "passemble",
            "passemble -r all",
            "losetup -d",
            "losetup -d",
        ],
    ),
    (
        "mkfs_gfs",
        1,
        [
            *("losetup /dev/loop1", "losetup /dev/loop2", "passemble", "mkfs_gfs"),
            *("passemble -r all", "losetup -d /dev/loop2", "losetup -d /dev/loop1"),
        ],
    ),
    (
        "mount",
        1,
        [
            *("losetup /dev/loop1", "losetup /dev/loop2", "passemble", "mkfs_gfs", "mount"),
            *("passemble -r all", "losetup -d /dev/loop2", "losetup -d /dev/loop1"),
        ],
    ),
    (
        "umount",
        1,
        [
            *("losetup /dev/loop1", "losetup /dev/loop2", "passemble", "mkfs_gfs", "mount", "umount"),
            *("passemble -r all", "losetup -d /dev/loop2", "losetup -d /dev/loop1"),
        ],
    ),
]


@pytest.mark.parametrize(("name", "number", "wanted"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_after_any_failure_all_is_taken_down_in_reverse_order_and_no_image_appears(
    folder: Path, web: Web, tools: RecordingTools, name: str, number: int, wanted: list[str]
) -> None:
    made = checkout(folder, web, tools, "passemble", "mkfs_gfs")
    made.build("gfsconf")
    (made.images / "steps" / "mkfs.json").unlink(missing_ok=True)
    (tools.folder / "calls").unlink(missing_ok=True)
    tools.fail(name, at=number)
    outcome = made.doit("mkfs")
    assert outcome.status != 0
    assert f"{name}: fails as the test asks" in outcome.output
    assert "Traceback" not in outcome.output
    calls = short(tools.calls(), made.images)
    assert len(calls) == len(wanted), calls
    assert all(call.startswith(start) for call, start in zip(calls, wanted, strict=True)), calls
    assert not (made.images / "formatted" / "root_fs").exists()


def test_show_prints_the_commands_in_the_order_of_the_howto(
    folder: Path, web: Web, tools: RecordingTools
) -> None:
    made = checkout(folder, web, tools, *ALL)
    shown = made.build("show").output
    lines = [line.removeprefix("# ") for line in shown.splitlines() if line.startswith("# ")]
    commands = [line for line in lines if not line.startswith("not verified")]
    names = [line.split()[0].rpartition("/")[2] for line in commands]
    assert names == [
        *(
            "losetup",
            "losetup",
            "ptool",
            "ptool",
            "passemble",
            "gfsconf",
            "mkfs_gfs",
            "mount",
            "tar",
            "umount",
        ),
        *("passemble", "losetup", "losetup"),
    ]
    assert tools.calls() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_loop_device_attached(
    folder: Path, web: Web, tools: RecordingTools, number: signal.Signals
) -> None:
    made = checkout(folder, web, tools, "ptool")
    made.build("cluster-config", "sparse")
    (made.images / "steps" / "ptool.json").unlink(missing_ok=True)
    shutil.rmtree(made.images / "labelled", ignore_errors=True)
    (tools.folder / "calls").unlink(missing_ok=True)
    # ptool never ends; losetup takes longer to end than the rest of the build.
    tools.program("ptool").write_text('#!/bin/sh\ntouch "$(dirname "$0")/hangs"\nexec sleep 300\n')
    slow = tools.program("losetup")
    slow.write_text(slow.read_text().replace("here=", "sleep 0.5\nhere=", 1))
    process = made.start("ptool")
    wait_until((tools.folder / "hangs").exists, "ptool is running")
    process.send_signal(number)
    process.communicate(timeout=120)
    assert short(tools.calls(), made.images)[-2:] == ["losetup -d /dev/loop2", "losetup -d /dev/loop1"]
    assert not (made.images / "labelled" / "root_fs").exists()
