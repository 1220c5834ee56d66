"""Programs and kernel modules for 32-bit PCs as bytes, and a way to run such a program."""

import errno
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.host.run import find_tool

# The program prints its name and arguments, with spaces between them and a line end. PROGRAM_CODE is what the
# assembler makes of PROGRAM_SOURCE; `objdump -b binary -m i386 -D` shows it.
PROGRAM_SOURCE: Final = """
        .globl _start
_start: pop %edi                # how many arguments are left
next:   pop %ecx
        xor %edx, %edx
length: cmpb $0, (%ecx,%edx)
        je found
        inc %edx
        jmp length
found:  movb $' ', (%ecx,%edx)  # in place of the NUL
        dec %edi
        jnz print
        movb $'\\n', (%ecx,%edx)
print:  inc %edx
        mov $1, %ebx
        mov $4, %eax            # write
        int $0x80
        test %edi, %edi
        jnz next
        xor %ebx, %ebx
        mov $1, %eax            # exit
        int $0x80
"""
PROGRAM_CODE: Final = bytes.fromhex(
    "5f5931d2803c1100740342ebf7c60411204f7504c604110a42bb01000000b804000000cd8085ff75d831dbb801000000cd80"
)
_ADDRESS: Final = 0x08048000
_FILE_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER: Final = struct.Struct("<8I")
_SECTION_HEADER: Final = struct.Struct("<10I")
_SYMBOL: Final = struct.Struct("<IIIBBH")
LIMIT_S: Final = 30.0
_IDENT: Final = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
_RELOCATABLE, _EXECUTABLE, _I386 = 1, 2, 3
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_ALLOC, _EXEC = 2, 4
_GLOBAL_FUNCTION: Final = 0x12
# xor %eax, %eax; ret
_RETURN_ZERO: Final = bytes.fromhex("31c0c3").ljust(16, b"\x90")


def program(tag: str) -> bytes:
    """Return a static program that prints its arguments. *tag*, behind the code, makes its bytes unique."""
    body = PROGRAM_CODE + b"\0" + tag.encode() + b"\0"
    headers = _FILE_HEADER.size + _PROGRAM_HEADER.size
    size = headers + len(body)
    header = _FILE_HEADER.pack(
        _IDENT, _EXECUTABLE, _I386, 1, _ADDRESS + headers, _FILE_HEADER.size, 0, 0, 52, 32, 1, 40, 0, 0
    )
    load = _PROGRAM_HEADER.pack(1, 0, _ADDRESS, _ADDRESS, size, size, 5, 0x1000)
    return header + load + body


def module(kernel: str, **info: str) -> bytes:
    """Return a module for Linux 2.4: init_module, cleanup_module, and .modinfo with the kernel's version.

    Source: insmod(8) of modutils 2.4 and include/linux/module.h of Linux 2.4.
    """
    pairs: Mapping[str, str] = {"kernel_version": kernel, **info}
    modinfo = b"".join(f"{key}={value}\0".encode() for key, value in pairs.items())
    names = b"\0init_module\0cleanup_module\0"
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for number, name in enumerate((b"init_module", b"cleanup_module")):
        symbols += _SYMBOL.pack(names.index(name), 16 * number, 3, _GLOBAL_FUNCTION, 0, 1)
    sections = [
        (".text", _PROGBITS, _ALLOC | _EXEC, _RETURN_ZERO * 2, 0, 0, 16, 0),
        (".modinfo", _PROGBITS, _ALLOC, modinfo, 0, 0, 1, 0),
        # linked to the names in the next section; all symbols but the first are global
        (".symtab", _SYMTAB, 0, symbols, 4, 1, 4, _SYMBOL.size),
        (".strtab", _STRTAB, 0, names, 0, 0, 1, 0),
    ]
    titles = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in sections) + b".shstrtab\0"
    sections.append((".shstrtab", _STRTAB, 0, titles, 0, 0, 1, 0))
    body, table = b"", _SECTION_HEADER.pack(*[0] * 10)
    for section, kind, flags, data, link, about, align, entry in sections:
        body += bytes(-(_FILE_HEADER.size + len(body)) % align)
        title, offset = titles.index(section.encode() + b"\0"), _FILE_HEADER.size + len(body)
        table += _SECTION_HEADER.pack(title, kind, flags, 0, offset, len(data), link, about, align, entry)
        body += data
    body += bytes(-(_FILE_HEADER.size + len(body)) % 4)
    count = len(sections) + 1
    header = _FILE_HEADER.pack(
        _IDENT, _RELOCATABLE, _I386, 1, 0, 0, _FILE_HEADER.size + len(body), 0, 52, 0, 0, 40, count, count - 1
    )
    return header + body + table


def run_i386(path: Path, *words: str) -> str:
    """Run a program for 32-bit PCs, by the kernel if it can, else by qemu. Return its output."""
    try:
        result = subprocess.run([path, *words], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    except OSError as error:
        emulator = find_tool("qemu-i386-static")
        if error.errno != errno.ENOEXEC or emulator is None:
            raise
        words = (str(path), *words)
        result = subprocess.run(
            [emulator, *words], capture_output=True, text=True, check=True, timeout=LIMIT_S
        )
    return result.stdout
