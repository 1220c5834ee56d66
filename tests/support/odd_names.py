"""Names of files that programs may take apart."""

from typing import Final

# Every letter of ASCII that is printable and may be in a name.
PRINTABLE: Final = [chr(code) for code in range(ord(" "), 0x7F) if chr(code) != "/"]
