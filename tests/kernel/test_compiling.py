"""Errors of a build, found in what make, gcc of today and gcc 2.96 print."""

import json
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host.run import CommandError, run
from ssiuml.kernel.compiling import compiling, first_error

GCC_12 = """\
  CC      fs/gfs2/dir.o
  CC      fs/gfs2/glops.o
fs/gfs2/dir.c:12:5: warning: unused variable 'x' [-Wunused-variable]
   12 | int x;
      |     ^
In file included from fs/gfs2/glops.c:9:
./include/linux/fs.h: In function 'inode_wrong_type':
fs/gfs2/glops.c:427:17: error: 'mod' undeclared (first use in this function); did you mean 'mode'?
  427 |         if (S_ISBLK(mod))
      |                     ^~~
      |                     mode
fs/gfs2/glops.c:427:17: note: each undeclared identifier is reported only once for each function it appears in
  CC      fs/gfs2/file.o
make[3]: *** [scripts/Makefile.build:250: fs/gfs2/glops.o] Error 1
fs/gfs2/super.c:3:1: error: second one
make[2]: *** [scripts/Makefile.build:503: fs/gfs2] Error 2
"""
GCC_2_96 = """\
gcc -D__KERNEL__ -Iinclude -O2   -c -o sched.o sched.c
sched.c: In function `schedule':
sched.c:12: `nod' undeclared (first use in this function)
sched.c:12: (Each undeclared identifier is reported only once
make[1]: *** [sched.o] Error 1
"""
LINKER = """\
  LD      vmlinux.o
ld: fs/built-in.a: in function `x':
glops.c:(.text+0x1): undefined reference to `y'
"""


def test_the_first_error_is_found_with_its_lines_and_no_others() -> None:
    said = first_error(GCC_12.splitlines())
    assert said[0] == "In file included from fs/gfs2/glops.c:9:"
    assert said[2].startswith("fs/gfs2/glops.c:427:17: error: 'mod' undeclared")
    assert said[-1].endswith("for each function it appears in")
    assert len(said) == 7


def test_an_error_of_gcc_2_96_which_does_not_call_it_error_is_found() -> None:
    said = first_error(GCC_2_96.splitlines())
    assert said[:2] == [
        "sched.c: In function `schedule':",
        "sched.c:12: `nod' undeclared (first use in this function)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINKER, "undefined reference"),
        ("make: *** No rule to make target 'dep'.  Stop.\n", "No rule to make target"),
        ("/bin/sh: 1: gcc: not found\nmake: *** [a.o] Error 127\n", "gcc: not found"),
    ],
)
def test_errors_of_linker_make_and_shell_are_found(text: str, said: str) -> None:
    assert said in "\n".join(first_error(text.splitlines()))


def test_a_warning_of_the_assembler_is_not_taken_for_the_error() -> None:
    lines = ["cc1.s:747: Warning: indirect lcall without `*'", "a.c:3: parse error before `x'"]
    assert first_error(lines) == lines[1:]


def test_warnings_are_no_error() -> None:
    assert first_error(["  CC      a.o", "a.c:1:1: warning: x", "   1 | x", "a.c:1:1: note: y"]) == []


def test_the_error_quotes_the_compiler_and_the_log_has_all_output(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@echo '  CC      bad.o'\n\t@gcc -c bad.c\n")
    (tmp_path / "bad.c").write_text("int f(void)\n{\n\treturn g;\n}\n")
    log = tmp_path / "kernel.log"
    with pytest.raises(SsiumlError) as error, compiling("kernel", log, None) as take:
        run(["make", f"--directory={tmp_path}"], timeout_s=60, on_line=take)
    assert "bad.c:3:" in str(error.value)
    assert "return g;" in str(error.value)
    assert str(log) in str(error.value)
    assert "  CC      bad.o\n" in log.read_text()


def test_a_failure_without_a_found_error_is_raised_unchanged(tmp_path: Path) -> None:
    with pytest.raises(CommandError), compiling("kernel", tmp_path / "log", None) as take:
        run(["false"], timeout_s=60, on_line=take)


def test_the_steps_of_a_whole_build_are_kept_for_the_next_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "steps.json"
    for _ in range(2):
        with compiling("kernel", tmp_path / "log", known) as take:
            for number in range(600):
                take(f"  CC {'[M]' if number % 2 else '   '}  fs/{number}.o")
            take("make[1]: Entering directory 'x'")
    assert json.loads(known.read_text()) == {"steps": 600}
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "kernel: 250 steps",
        "kernel: 500 steps",
        "kernel: 250 steps of 600",
        "kernel: 500 steps of 600",
    ]
    with pytest.raises(CommandError), compiling("kernel", tmp_path / "log", known):
        run(["false"], timeout_s=60)
    assert json.loads(known.read_text()) == {"steps": 600}
