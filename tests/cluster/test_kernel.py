"""What the kernel of this project answers to programs that dump and restore processes."""

import subprocess
from pathlib import Path

import pytest
from clusters import Cluster
from project import PROJECT

pytestmark = pytest.mark.boot

SOURCE = PROJECT / "tests" / "cluster" / "restorable.c"


def test_a_process_can_be_dumped_and_restored_as_on_an_x86_64(three: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "restorable"
    subprocess.run(["gcc", "-O1", "-static", "-o", program, SOURCE], check=True)
    three.do("cp", str(program), "2:/root/restorable")
    answers = dict(line.split(": ") for line in three.on(2, "/root/restorable").splitlines())
    assert answers == {
        "pipe": "ok",
        "write of the vDSO": "ok",
        "PAGEMAP_SCAN of the vDSO": "ok",
        "munmap to the end": "ok",
        "no thread areas": "ok",
        "breakpoint": "ok",
    }
    assert three.on(2, "dmesg | grep -c 'unknown signal' || true") == "0\n"
