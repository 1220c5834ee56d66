"""ssi-status: show the nodes of a cluster and their state."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cli.forward import describe as describe_forward
from ssiuml.cluster.client import ask
from ssiuml.cluster.protocol import Values

ANSWER_LIMIT_S: Final = 30.0


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-status",
        "Show the nodes of a cluster: the state of each, the members that it sees, the memory that it takes "
        "on this machine, its uptime; and what ssi-net has done to the network.",
        """
ssi-status
ssi-status --json | jq '.nodes[].phase'
""",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    status = ask(chosen_cluster(arguments), {"do": "status"}, limit_s=ANSWER_LIMIT_S)
    if arguments.json:
        status.pop("ok")
        print(json.dumps(status, indent=2, sort_keys=True))
    else:
        print("\n".join(table(status)))
    return DONE


def node_ranges(numbers: Sequence[int]) -> str:
    """Return ascending *numbers* as text, with a run of three or more written as 1-3."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else " ".join(map(str, run)) for run in runs)


def table(status: Values) -> list[str]:
    """Return the supervisor's answer to ``status`` as lines of text."""
    lines = [
        f"cluster '{status['cluster']}': {status['image']}, root {status['root_fs']}",
    ]
    if status["token_ms"]:  # a GFS1 root has no corosync
        lines.append(f"token timeout {status['token_ms']} ms, for {status['planned_nodes']} nodes")
    if status["switch"] is False:
        lines.append("the switch has ended: the nodes do not see each other")
    if status.get("lock_server") is False:
        lines.append("the lock server has ended: no node gets a lock any more")
    lines += [f"network: {line}" for line in fault_lines((status["network"] or {}).get("faults", []))]
    lines.append(f"{'node':>4}  {'state':10} {'sees':20} {'memory':>9} {'uptime':>9}")
    for number, node in sorted(status["nodes"].items(), key=lambda item: int(item[0])):
        members = node_ranges(node["members"]) or "-"
        memory = f"{node['memory_bytes'] / (1 << 20):.0f} MiB"
        lines.append(f"{number:>4}  {node['phase']:10} {members:20} {memory:>9} {node['uptime_s']:>7.0f} s")
    for number, how in sorted(status["past"].items(), key=lambda item: int(item[0])):
        lines.append(f"{number:>4}  down       {how}")
    lines += [describe_forward(forwarded) for forwarded in status["forwards"]]
    return lines


def fault_lines(faults: Iterable[dict[str, Any]]) -> list[str]:
    """Return the *faults* of a network as text. Nodes for which the same holds share a line.

    ssiuml.cluster.faults.described says what they consist of.
    """
    by_fault: dict[str, dict[int, list[int]]] = {}
    for fault in faults:
        one, other = fault["nodes"]
        by_fault.setdefault(_words(fault), {}).setdefault(one, []).append(other)
    lines = []
    for words, others in by_fault.items():
        sides: dict[tuple[int, ...], list[int]] = {}
        for one, seen in others.items():
            sides.setdefault(tuple(seen), []).append(one)
        lines += [
            f"between {node_ranges(ones)} and {node_ranges(seen)}: {words}" for seen, ones in sides.items()
        ]
    return lines


def _words(fault: dict[str, Any]) -> str:
    if fault["cut"]:
        return "cut"
    parts = []
    if fault["delay_ms"]:
        parts.append(f"{fault['delay_ms']:g} ms later")
    if fault["loss_percent"]:
        parts.append(f"{fault['loss_percent']:g} % lost")
    return ", ".join(parts)


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
