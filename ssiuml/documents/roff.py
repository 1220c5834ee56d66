"""Pages in man(7)'s macros, as groff and mandoc read them; ASCII alone.

argparse-manpage was tried: it has no exit status, files or environment, calls examples "comments", takes
today's date, and writes subcommands into headings that break.
"""

import re
import textwrap
import time
from collections.abc import Iterable
from typing import Final

_COLUMNS: Final = 80  # of the source; mandoc's lint wants no more
_SPECIAL: Final = {
    "\\": r"\e",
    "-": r"\-",  # what is typed has to be copied as it is
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    '"': r"\(dq",
}


def escaped(text: str) -> str:
    """*text* so that it is printed as it is, wherever in a line it stands."""
    plain = "".join(_SPECIAL.get(each, each if each < "\x7f" else f"\\[u{ord(each):04X}]") for each in text)
    # A dot at a line's begin is a request, and where lines begin is seen later.
    return re.sub(r"(?<!\S)\.", r"\&.", plain)


def bold(text: str) -> str:
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    return rf"\fI{escaped(text)}\fR"


def sentence(text: str) -> str:
    """*text*, a fragment as --help has them, with a capital and a stop; blanks are made one each."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


class Marker:
    """Sets words of running text in the type that manuals have for them."""

    def __init__(self, bold_words: Iterable[str], italic_words: Iterable[str]) -> None:
        """Options (``-x``, ``--word``) and *bold_words* are bold, *italic_words* are placeholders."""
        self._bold = frozenset(bold_words)
        self._italic = frozenset(italic_words)
        literal = sorted(self._bold | self._italic, key=lambda word: (-len(word), word))
        words = "|".join(re.escape(word) for word in literal) or r"(?!)"
        self._pattern = re.compile(rf"(?<![\w/.-])(?:{words}|--?[A-Za-z][\w-]*)(?![\w-])")

    def __call__(self, text: str) -> str:
        """*text* in roff, blanks and line ends made one blank each."""
        text = " ".join(text.split())
        parts = []
        end = 0
        for match in self._pattern.finditer(text):
            parts.append(escaped(text[end : match.start()]))
            parts.append(italic(match[0]) if match[0] in self._italic else bold(match[0]))
            end = match.end()
        return "".join([*parts, escaped(text[end:])])


class Page:
    """One manual page that is being written."""

    def __init__(self, name: str, section: int, *, version: str, epoch: int) -> None:
        """*epoch* is the date of the page, in seconds since 1970."""
        date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
        self._lines = [
            f'.TH {escaped(name.upper())} {section} {date} "ssiuml {version}" "ssiuml manual"',
            # A name that is broken at a line's end can be neither found nor copied. groff's macros switch
            # hyphenation on again at every paragraph, unless HY is 0.
            ".nr HY 0",
            ".nh",
            ".ad l",
        ]

    def heading(self, text: str) -> None:
        self._lines.append(f".SH {escaped(text.upper())}")

    def subheading(self, text: str) -> None:
        self._lines.append(f".SS {escaped(text)}")

    def line(self, roff: str) -> None:
        """A line that is roff already."""
        self._lines.append(roff)

    def paragraph(self, roff: str) -> None:
        if not self._lines[-1].startswith((".SH", ".SS")):
            self._lines.append(".PP")
        self._add(roff)

    def term(self, roff: str, text: str) -> None:
        """What is explained, and behind it, indented, the explanation."""
        self._lines += [".TP", roff]
        self._add(text)

    def synopsis(self, name: str, roff: str) -> None:
        self._lines.append(f'.SY "{escaped(name)}"')
        self._add(roff)
        self._lines.append(".YS")

    def examples(self, lines: Iterable[str]) -> None:
        """Lines to be typed; what stands behind two blanks or more says what a line does."""
        for line in lines:
            typed, _, told = line.strip().partition("  ")
            if told:
                self.term(bold(typed), escaped(sentence(told)))
            else:
                self.paragraph(bold(typed))

    def _add(self, roff: str) -> None:
        self._lines += textwrap.wrap(roff, _COLUMNS, break_long_words=False, break_on_hyphens=False)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"
