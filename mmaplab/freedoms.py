"""What two kernels must do alike, and where Linux is free: the one list of what is not compared, and why."""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.calls import Call, Outcome
from mmaplab.interface import FatalSignal, FaultCounts, MapsEntry, Stat

# ---------------------------------------------------------------- where Linux is free


@dataclass(frozen=True, slots=True)
class Freedom:
    """Something that two kernels may do differently, so that it is not compared, or not exactly; and the reason."""

    what: str
    reason: str


FREEDOMS = (
    Freedom("process numbers", "each kernel numbers its own processes; only that fork returned one is compared"),
    Freedom(
        "inode numbers",
        "each file system numbers its own inodes, and ext4 gives the number of a file that is gone to the next one; "
        "compared is that descriptors of one file show one number",
    ),
    Freedom("the directory in a path of maps()", "the live kernel's files are in a private directory of the host"),
    Freedom(
        "addresses, areas and faults of the Python worker",
        "without the machine-code worker, the live process has an interpreter among its own areas, which is "
        "placed and faults by itself; compared are results, data, errnos and signals without their address",
    ),
    Freedom("page frame numbers", "the host's other programs take frames too; no call of the interface shows them"),
    Freedom(
        "minor faults around a major one",
        "fault-around maps what has arrived from the disk, and the neighbours of the page may still be under way; so "
        "near a page that came from the disk, or whose touch set readahead going, the live kernel may need more minor "
        "faults than predicted; and around such a fault it has then mapped what is predicted to fault later",
    ),
    Freedom(
        "what becomes of those neighbours when the cache is dropped",
        "drop_caches leaves the pages that are mapped, and around such a fault the live kernel may have mapped fewer; "
        "the program is not compared any further, and counted",
    ),
    Freedom(
        "how soon readahead has arrived",
        "the disk works while the program runs on; residency is compared when the disk has come to rest",
    ),
    Freedom(
        "clean or dirty after some seconds",
        "the flusher threads and any program that calls sync() clean pages and write-protect them, so that a store "
        "faults once more; a difference that does not come back when the program is run again is called disturbed",
    ),
    Freedom(
        "pages that leave memory by themselves",
        "the page cache belongs to the whole machine, which may take a clean page when others need memory, or a few at "
        "a time where DAMON reclaims; seen in one program of some thousand, and called disturbed",
    ),
    Freedom(
        "MADV_FREE, MADV_COLD and MADV_PAGEOUT of pages just made",
        "each processor keeps its last pages in a list of its own, where reclaim does not see them; in random programs "
        "an MADV_COLLAPSE of nothing has the lists emptied before (lru_add_drain_all)",
    ),
    Freedom(
        "mapped pages under direct writes",
        "open(2) promises nothing to who maps a file that is written with O_DIRECT: a page may come back into the "
        "cache while its block is on the way; seen once in some ten thousand direct steps, and called disturbed",
    ),
    # what is not looked at: the kernels are not free there, but the comparison is
    Freedom(
        "pages in memory far from what a call is about",
        "mincore is asked after each call for the 32 pages on either side of the address that the process has named "
        "last, in one area, and for every area at the end: to ask for everything each time would take most of the time",
    ),
    Freedom(
        "areas after calls that leave them alone",
        "maps() is read after the calls of LAYOUT_CALLS and at the end; a stack that a load or store has let grow is "
        "seen with the next of them",
    ),
    Freedom(
        "areas beyond their first 600 pages, at the end",
        "a program may map TiB, which nobody reads in a lifetime; what it touches there is compared when it does",
    ),
    Freedom(
        "bytes of areas that may not be read, at the end",
        "every load ends in the same signal, or (write-only memory, which x86 lets be read) has been compared before",
    ),
    Freedom(
        "most pages behind one that signals, at the end",
        "behind the end of a file they all do: the 1st, 2nd, 4th, 8th, ... and the last are tried",
    ),
    Freedom(
        "where a fault was, if perf events are refused or more came than the kernel keeps",
        "some 2,700 addresses fit between two looks; the numbers of minor and major faults are compared all the same",
    ),
    Freedom(
        "smaps, status, pagemap and frames",
        "no call of the interface shows them; what they tell of pages shows in residency, faults and bytes",
    ),
    # what random programs do not do
    Freedom(
        "transfers through pipes that would wait for another process",
        "random programs leave them out: one process at a time is moved, and nobody would come to help",
    ),
    Freedom(
        "fetches of bytes that may be anything",
        "the processor would run them; fetched is where that must fail, and from the file `code`, which holds return "
        "instructions only; where programs fetch, stores keep to the half of a page that is never fetched from",
    ),
    Freedom(
        "addresses below 4 GiB, in calls that would change what lies there",
        "the live process's worker lives there: such a range is refused by the live kernel's driver, not by Linux",
    ),
    Freedom(
        "huge pages",
        "whether there is one to have depends on the whole machine: areas that are advised to have them are too small",
    ),
    Freedom("limits above the hard ones, and rights that root alone has", "an ordinary user runs the same programs"),
    Freedom(
        "odd sizes of large direct transfers",
        "of one that is refused, Linux does what lies in earlier extents, and where they end is the disk's layout; "
        "small ones are compared",
    ),
)

RACY_PAGES = 16
"""Fault-around's window, in pages: so far around a major fault the live kernel may have mapped less."""


def comparable(value: object, inodes: dict[int, int]) -> object:
    """Return a value with what the kernels may choose freely taken out; `inodes` numbers them as they are met."""
    if isinstance(value, Stat):
        return (value.st_size, inodes.setdefault(value.st_ino, len(inodes)))
    if isinstance(value, MapsEntry):
        return (value.start, value.end, value.perms, value.offset, path_in_directory(value.path))
    if isinstance(value, list | tuple):
        return [comparable(item, inodes) for item in value]
    if value is None or isinstance(value, int | bytes | str | FaultCounts):
        return value
    return "a process"


def path_in_directory(path: str) -> str:
    """Return a path of maps() without the host's directories; names in brackets and of nameless files stay."""
    return path if path.startswith(("/dev/zero", "/memfd:", "[")) else path.rpartition("/")[2]


def outcome_key(outcome: Outcome, inodes: dict[int, int]) -> object:
    """Return what of an outcome must be the same on both kernels."""
    error = outcome.error
    if isinstance(error, FatalSignal):
        return ("signal", error.signo, error.si_code, error.si_addr)
    if isinstance(error, OSError):
        return ("errno", error.errno)
    if error is not None:
        return ("broke", repr(error))
    return ("missing", outcome.missing) if outcome.missing else ("value", comparable(outcome.value, inodes))


def alike(call: Call, outcome: Outcome) -> object:
    """Return what of an outcome must be the same where the live process has a Python worker (FREEDOMS)."""
    key = outcome_key(outcome, {})
    if isinstance(outcome.error, FatalSignal):
        return ("signal", outcome.error.signo, outcome.error.si_code)
    return "an address or a count" if call.name in PLACED_CALLS and outcome.ok else key


PLACED_CALLS = {"mmap", "mremap", "brk", "maps", "faults"}
"""The calls whose results hold addresses or counts of faults."""
