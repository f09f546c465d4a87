"""What the model needs of the host's memory, each case in a child process of its own: the peak that the host counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row

TITLE = "The host's memory"
MIB = 1 << 20
PREPARE = """
import sys
from mmaplab.constants import MAP_SHARED, O_RDWR, PAGE_SIZE, PROT_READ
from mmaplab.sim import Kernel
kernel = Kernel(record=False)
kernel.create_file("f")
p = kernel.spawn()
fd = p.open("f", O_RDWR)
size = int(sys.argv[1])
"""
WHOLE = """
for first in range(0, size, 1 << 20):  # no two pages hold the same bytes, so none can be kept once for both
    numbers = range(first // PAGE_SIZE, (first + (1 << 20)) // PAGE_SIZE)
    p.write(fd, b"".join(number.to_bytes(8, "little") * (PAGE_SIZE // 8) for number in numbers))
p.fsync(fd)
addr = p.mmap(0, size, PROT_READ, MAP_SHARED, fd)
for at in range(addr, addr + size, PAGE_SIZE):
    p.load(at)
"""
SPARSE = """
p.ftruncate(fd, size)
addr = p.mmap(0, size, PROT_READ, MAP_SHARED, fd)
for part in range(10):
    p.load(addr + part * (size // 10) // PAGE_SIZE * PAGE_SIZE)
"""
PEAK = """
import resource
status = open("/proc/self/status").read() if sys.platform == "linux" else ""
lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(int(lines[0][1]) * 1024 if lines else peak * (1 if sys.platform == "darwin" else 1024))
"""
"""Linux remembers in ru_maxrss the memory of the parent too, from before the exec; VmHWM is of this program alone."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows: a whole file in the model, and a sparse one."""
    size = bench.size(1024 * MIB, 4 * MIB)
    empty = peak("", size)
    bytes_used = peak(WHOLE, size)
    name = f"a file of {size // MIB:,} MiB, written, cached, mapped and touched; ratio to its size"
    goal = Goal.at_most(1.5, of="ratio") if not bench.quick else None
    yield bench.row(name, bytes_used / MIB, "MiB", ratio=bytes_used / size, goal=goal)
    sparse = 1 << 40
    extra = peak(SPARSE, sparse) - empty
    name = f"a sparse file of {sparse >> 40} TiB, mapped and touched in ten places: more than without it"
    yield bench.row(name, max(0, extra) / MIB, "MiB", goal=Goal.at_most(4))
    yield bench.row("the model with an empty file", empty / MIB, "MiB")


def peak(script: str, size: int) -> int:
    """Return the most bytes of the host that a child used at any time; raises NotMeasurable without `resource`."""
    words = [sys.executable, "-c", PREPARE + script + PEAK, str(size)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasurable(done.stderr.strip().rpartition("\n")[2])
    return int(done.stdout)
