"""The numbers that programs pass to the kernel, under their C names.

Every class holds the values of Linux on x86-64; every member also exists as a name of this room, so that
`from mmaplab.constants import PROT_READ, MAP_SHARED` reads like C. Plain integers are accepted everywhere.

Linux: include/uapi/asm-generic/mman-common.h, mman.h, fcntl.h, include/linux/mm.h, siginfo.h.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = ~(PAGE_SIZE - 1)
PTRS_PER_PTE = 512
"""Entries in one page table: 512 entries of 8 bytes fill one page, and map 2 MiB."""
PMD_SIZE = PTRS_PER_PTE * PAGE_SIZE
"""Bytes that one last-level page table maps: 2 MiB."""
U64 = 2**64
"""The first number that does not fit into 64 bits."""
MAX_LFS_FILESIZE = 2**63 - 1
"""The largest position in any file, in bytes."""
TASK_SIZE = 0x7FFF_FFFF_F000
"""The end of user addresses: 128 TiB less one page (four-level page tables)."""
SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE = 0, 1, 2, 3, 4
MOST_MINCORE_PAGES = 1 << 23
"""mincore of more pages than that (32 GiB) is refused on both kernels: the answer has a value for each."""
MOST_FILE_BYTES = 1 << 30
"""`file_bytes` returns no more than that at once, on both kernels."""


class Prot(IntFlag):
    """What a mapping may be used for; mmap(2), mprotect(2)."""

    PROT_NONE = 0
    PROT_READ = 1
    PROT_WRITE = 2
    PROT_EXEC = 4
    PROT_SEM = 8
    PROT_GROWSDOWN = 0x0100_0000
    PROT_GROWSUP = 0x0200_0000


class Map(IntFlag):
    """The kind of a mapping and how it is placed; mmap(2)."""

    MAP_SHARED = 0x01
    MAP_PRIVATE = 0x02
    MAP_SHARED_VALIDATE = 0x03
    MAP_DROPPABLE = 0x08
    MAP_FIXED = 0x10
    MAP_ANONYMOUS = 0x20
    MAP_32BIT = 0x40
    MAP_GROWSDOWN = 0x100
    MAP_DENYWRITE = 0x800
    MAP_EXECUTABLE = 0x1000
    MAP_LOCKED = 0x2000
    MAP_NORESERVE = 0x4000
    MAP_POPULATE = 0x8000
    MAP_NONBLOCK = 0x1_0000
    MAP_STACK = 0x2_0000
    MAP_HUGETLB = 0x4_0000
    MAP_SYNC = 0x8_0000
    MAP_FIXED_NOREPLACE = 0x10_0000
    MAP_UNINITIALIZED = 0x400_0000


MAP_TYPE = 0x0F
"""The bits of mmap's flags that hold the type: MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE or MAP_DROPPABLE."""
MAP_HUGE_SHIFT, MAP_HUGE_MASK = 26, 0x3F
"""Where mmap's flags hold the binary logarithm of the size of a huge page."""
MAP_ANON = Map.MAP_ANONYMOUS
MAP_FAILED = 2**64 - 1


class Ms(IntFlag):
    """How to synchronise a mapping with its file; msync(2)."""

    MS_ASYNC = 1
    MS_INVALIDATE = 2
    MS_SYNC = 4


class Madv(IntEnum):
    """Advice about the use of a range; madvise(2)."""

    MADV_NORMAL = 0
    MADV_RANDOM = 1
    MADV_SEQUENTIAL = 2
    MADV_WILLNEED = 3
    MADV_DONTNEED = 4
    MADV_FREE = 8
    MADV_REMOVE = 9
    MADV_DONTFORK = 10
    MADV_DOFORK = 11
    MADV_MERGEABLE = 12
    MADV_UNMERGEABLE = 13
    MADV_HUGEPAGE = 14
    MADV_NOHUGEPAGE = 15
    MADV_DONTDUMP = 16
    MADV_DODUMP = 17
    MADV_WIPEONFORK = 18
    MADV_KEEPONFORK = 19
    MADV_COLD = 20
    MADV_PAGEOUT = 21
    MADV_POPULATE_READ = 22
    MADV_POPULATE_WRITE = 23
    MADV_DONTNEED_LOCKED = 24
    MADV_COLLAPSE = 25
    MADV_HWPOISON = 100
    MADV_SOFT_OFFLINE = 101
    MADV_GUARD_INSTALL = 102
    MADV_GUARD_REMOVE = 103


class Mremap(IntFlag):
    """How a mapping may be moved or resized; mremap(2)."""

    MREMAP_MAYMOVE = 1
    MREMAP_FIXED = 2
    MREMAP_DONTUNMAP = 4


class Open(IntFlag):
    """How a file is opened; open(2)."""

    O_RDONLY = 0
    O_WRONLY = 1
    O_RDWR = 2
    O_CREAT = 0o100
    O_EXCL = 0o200
    O_NOCTTY = 0o400
    O_TRUNC = 0o1000
    O_APPEND = 0o2000
    O_NONBLOCK = 0o4000
    O_DSYNC = 0o10000
    O_ASYNC = 0o20000
    O_DIRECT = 0o40000
    O_LARGEFILE = 0o100000
    O_DIRECTORY = 0o200000
    O_NOFOLLOW = 0o400000
    O_NOATIME = 0o1000000
    O_CLOEXEC = 0o2000000
    O_SYNC = 0o4010000
    O_PATH = 0o10000000
    O_TMPFILE = 0o20200000


O_ACCMODE = 3
"""The bits of open's flags that hold the access mode."""


class Rlimit(IntEnum):
    """The resource limits; setrlimit(2)."""

    RLIMIT_CPU = 0
    RLIMIT_FSIZE = 1
    RLIMIT_DATA = 2
    RLIMIT_STACK = 3
    RLIMIT_CORE = 4
    RLIMIT_RSS = 5
    RLIMIT_NPROC = 6
    RLIMIT_NOFILE = 7
    RLIMIT_MEMLOCK = 8
    RLIMIT_AS = 9
    RLIMIT_LOCKS = 10
    RLIMIT_SIGPENDING = 11
    RLIMIT_MSGQUEUE = 12
    RLIMIT_NICE = 13
    RLIMIT_RTPRIO = 14
    RLIMIT_RTTIME = 15


RLIM_INFINITY = 2**64 - 1


class VmFlags(IntFlag):
    """The bits of `vm_flags` of an area, as the kernel keeps them; include/linux/mm.h.

    READ, WRITE and EXEC are what is allowed now; the MAY bits are the ceiling for mprotect.
    """

    VM_NONE = 0
    VM_READ = 0x1
    VM_WRITE = 0x2
    VM_EXEC = 0x4
    VM_SHARED = 0x8
    VM_MAYREAD = 0x10
    VM_MAYWRITE = 0x20
    VM_MAYEXEC = 0x40
    VM_MAYSHARE = 0x80
    VM_GROWSDOWN = 0x100
    VM_LOCKED = 0x2000
    VM_SEQ_READ = 0x8000
    VM_RAND_READ = 0x1_0000
    VM_DONTCOPY = 0x2_0000
    VM_DONTEXPAND = 0x4_0000
    VM_ACCOUNT = 0x10_0000
    VM_NORESERVE = 0x20_0000
    VM_WIPEONFORK = 0x200_0000
    VM_DONTDUMP = 0x400_0000
    VM_HUGEPAGE = 0x2000_0000
    VM_NOHUGEPAGE = 0x4000_0000
    VM_MERGEABLE = 0x8000_0000
    VM_DROPPABLE = 1 << 40


class Sig(IntEnum):
    """The signals that a memory access can end in; signal(7)."""

    SIGBUS = 7
    SIGKILL = 9
    SIGSEGV = 11


class SegvCode(IntEnum):
    """Why a SIGSEGV was sent; sigaction(2)."""

    SEGV_MAPERR = 1
    SEGV_ACCERR = 2
    SEGV_PKUERR = 4
    SI_KERNEL = 128


class BusCode(IntEnum):
    """Why a SIGBUS was sent; sigaction(2)."""

    BUS_ADRALN = 1
    BUS_ADRERR = 2
    BUS_OBJERR = 3


def page_align_up(value: int) -> int:
    """Return `value` (bytes) rounded up to a whole page; not limited to 64 bits."""
    return (value + PAGE_SIZE - 1) & PAGE_MASK


for _class in (Prot, Map, Ms, Madv, Mremap, Open, Rlimit, VmFlags, Sig, SegvCode, BusCode):
    globals().update(_class.__members__)
del _class
