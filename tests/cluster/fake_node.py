#!/usr/bin/env -S python3 -I -S
"""Stands in for a node in tests of the supervisor: the guest's side of console and control line.

It boots by the file ``boot-N`` beside it, else ``boot``. Each line is a message to send, or ``go?`` (ask to
mount until it may), ``hang`` or ``exit``. It prints what it hears on the control line on its console. A line
that is typed there is a message to send, or ``deaf`` (answer nothing any more), ``sluggish`` (do not power
off), ``exit`` or ``child`` (make a process and leave it behind).
"""

import os
import select
import signal
import sys
import time
from pathlib import Path

BOOT = "members {n}\ngo?\nmounted\nready\n"


def parameters() -> dict[str, str]:
    return dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)


class Lines:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.rest = b""

    def read(self) -> list[str]:
        data = os.read(self.descriptor, 4096)
        if not data:
            os._exit(9)  # the supervisor has died: no one could fence this node any more
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.decode() for line in lines]


class FakeNode:
    def __init__(self) -> None:
        given = parameters()
        self.number = given["ssi.node"]
        self.control = Lines(int(given["ssl1"].removeprefix("fd:")))
        self.console = Lines(0)
        self.is_deaf = self.is_sluggish = False
        self.members = self.number
        self.answers: list[str] = []

    def say(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "members":
            self.members = rest
        os.write(self.control.descriptor, f"{text}\n".encode())

    def serve(self, limit_s: float | None) -> None:
        inputs = [self.control.descriptor, 0]
        readable, _, _ = select.select(inputs, [], [], limit_s)
        if self.control.descriptor in readable:
            for line in self.control.read():
                self.hear(line)
        if 0 in readable:
            for line in self.console.read():
                self.obey(line)

    def hear(self, line: str) -> None:
        print(f"heard {line}", flush=True)
        word, _, rest = line.partition(" ")
        if word == "ping" and not self.is_deaf:
            self.say(f"pong {rest}")
        elif word in ("go", "wait"):
            self.answers.append(word)
        elif word == "poweroff" and not (self.is_deaf or self.is_sluggish):
            for text in ("leaving", "unmounted", "left"):
                self.say(text)
            sys.exit(0)

    def obey(self, line: str) -> None:
        match line.strip():
            case "deaf":
                self.is_deaf = True
                print("obeys deaf", flush=True)
            case "sluggish":
                self.is_sluggish = True
                print("obeys sluggish", flush=True)
            case "exit":
                sys.exit(3)
            case "child":
                if os.fork() == 0:
                    signal.pause()
            case text if text:
                self.say(text)

    def boot(self, script: str) -> None:
        print(f"fake node {self.number} boots", flush=True)
        self.say(f"hello {self.number}")
        for line in script.format(n=self.number).splitlines():
            match line:
                case "go?":
                    self.ask_to_mount()
                case "hang":
                    while True:
                        self.serve(None)
                case "exit":
                    print("out of luck", flush=True)
                    sys.exit(3)
                case _:
                    self.say(line)

    def ask_to_mount(self) -> None:
        while True:
            self.answers.clear()
            self.say(f"mount {self.members}")
            while not self.answers:
                self.serve(None)
            if self.answers[-1] == "go":
                return
            end = time.monotonic() + 0.1
            while (left := end - time.monotonic()) > 0:
                self.serve(left)


def main() -> None:
    node = FakeNode()
    script = BOOT
    for name in (f"boot-{node.number}", "boot"):
        path = Path(__file__).with_name(name)
        if path.exists():
            script = path.read_text()
            break
    node.boot(script)
    while True:
        node.serve(None)


main()
