"""The parsers of /proc, on text that was copied from a machine."""

from __future__ import annotations

import struct

import pytest

from mmaplab.interface import MapsEntry
from mmaplab.real import procfs

MAPS = r"""55d0a5a2b000-55d0a5a2d000 r--p 00001000 fd:01 1835 /usr/bin/my\040cat (deleted)
7ffd0b5f2000-7ffd0b613000 rw-p 00000000 00:00 0                          [stack]
7f0000000000-7f0000001000 rw-s 00002000 00:01 1026 /dev/zero (deleted)
7f0000001000-7f0000002000 ---p 00000000 00:00 0
"""
SMAPS = """7f00a000-7f00c000 rw-s 00000000 fd:00 12 /data.bin
Size:                  8 kB
KernelPageSize:        4 kB
Rss:                   4 kB
Private_Dirty:         4 kB
THPeligible:           0
VmFlags: rd wr sh mr mw me ms sd
"""


def test_maps() -> None:
    first, stack, zero, bare = procfs.parse_maps(MAPS)
    assert first == MapsEntry(0x55D0A5A2B000, 0x55D0A5A2D000, "r--p", 0x1000, "/usr/bin/my cat (deleted)")
    assert stack.path == "[stack]"
    assert (zero.perms, zero.offset, zero.path) == ("rw-s", 0x2000, "/dev/zero (deleted)")
    assert bare.path == ""
    with pytest.raises(ValueError, match="no line"):
        procfs.parse_maps("nonsense")


def test_smaps() -> None:
    (entry,) = procfs.parse_smaps(SMAPS)
    assert (entry.area.start, entry["Rss"], entry["Size"]) == (0x7F00A000, 4096, 8192)
    assert entry.vm_flags[:2] == ("rd", "wr")
    assert "THPeligible" not in entry.sizes
    with pytest.raises(ValueError, match="no line"):
        procfs.parse_smaps("Rss: 4 kB\n")


def test_counters() -> None:
    text = "rchar: 12\nVmRSS:\t  8 kB\npgfault 77\nName:\tcat\n"
    assert procfs.parse_counters(text) == {"rchar": 12, "VmRSS": 8192, "pgfault": 77}


def test_pagemap() -> None:
    data = struct.pack("3Q", 1 << 63 | 1 << 61 | 0x1234, 1 << 62 | 99, 1 << 63 | 1 << 56 | 1 << 55)
    file, swapped, own = procfs.parse_pagemap(data)
    assert (file.present, file.file, file.pfn, file.exclusive) == (True, True, 0x1234, False)
    assert (bool(swapped), swapped.swapped, swapped.pfn) == (False, True, 0)
    assert (own.exclusive, own.soft_dirty, own.file) == (True, True, False)


def test_mountinfo() -> None:
    line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    assert list(procfs.parse_mountinfo(line)) == [procfs.MountEntry("/mnt 2", "ext3", "98:0")]
