"""Write random programs, as lists of calls, weighted towards the edges: page ends, file ends, holes, neighbours.

A program is a function of its profile and its seed alone. It is written without running it: a call may fail, and
calls that need what it would have given are then left out, on both kernels alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mmaplab.calls import Call, Name
from mmaplab.constants import (
    PAGE_SIZE,
    PMD_SIZE,
    RLIM_INFINITY,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
    TASK_SIZE,
    Madv,
    Map,
    Mremap,
    Ms,
    Open,
    Prot,
    Rlimit,
)
from mmaplab.fuzz.profiles import PROFILES, Profile
from mmaplab.fuzz.writer import ARENA_MIDDLE, FuzzProgram, Writer

READ, WRITE, EXEC = Prot.PROT_READ, Prot.PROT_WRITE, Prot.PROT_EXEC
PROTECTIONS = [READ | WRITE] * 12 + [READ] * 6 + [Prot.PROT_NONE, WRITE, EXEC, READ | EXEC, READ | WRITE | EXEC] * 1
RARE_OPEN = (Open.O_SYNC, Open.O_DSYNC, Open.O_DIRECT, Open.O_PATH, Open.O_DIRECTORY, Open.O_TMPFILE, Open.O_NOFOLLOW)
LIMITS = {
    Rlimit.RLIMIT_AS: (1 << 21, 1 << 30, 1 << 40, RLIM_INFINITY),
    Rlimit.RLIMIT_DATA: (0, 1 << 20, 1 << 30, RLIM_INFINITY),
    Rlimit.RLIMIT_STACK: (0, 3 * PAGE_SIZE, 1 << 20, RLIM_INFINITY),
    Rlimit.RLIMIT_FSIZE: (0, 3 * PAGE_SIZE + 1, 1 << 20, RLIM_INFINITY),
    Rlimit.RLIMIT_NOFILE: (0, 5, 8, 1000),
    Rlimit.RLIMIT_MEMLOCK: (0, PAGE_SIZE, 1 << 16),
}
"""Limits in bytes, and (NOFILE) in descriptors; none above the hard limit that an ordinary user has."""
LOWEST = 1 << 32
"""Below it lives the live process's worker: no program asks for what is there."""
HUGE = (1 << 46, 1 << 47, 1 << 63, 2**64 - PAGE_SIZE, 2**64 - 1)


def generate(profile: str | Profile, seed: int, steps: int = 80) -> FuzzProgram:
    """Return the program number `seed` of a profile: `steps` calls, after those that open the files."""
    kind = PROFILES[profile] if isinstance(profile, str) else profile
    writer = Writer(kind, random.Random(f"{kind.name} {seed}"))
    writer.open_files()
    for _ in range(4):
        write_mmap(writer)
    names, weights = list(kind.weights), list(kind.weights.values())
    while len(writer.calls) < writer.preface + steps:
        WRITERS[writer.rng.choices(names, weights)[0]](writer)
    places = {"arena": ARENA_MIDDLE - kind.arena_pages // 2 * PAGE_SIZE, "drain": 2 * ARENA_MIDDLE}
    return FuzzProgram(kind.name, seed, writer.files, places, tuple(writer.calls), kind.warm)


# ---------------------------------------------------------------- one function for each call


def write_mmap(w: Writer) -> None:
    """Map something: mostly at a fixed place in the arena, sometimes where the kernel likes."""
    rng, profile = w.rng, w.profile
    length = rng.choice(HUGE) if w.chance(0.004) else max(w.length(), w.length(), w.length())
    flags = (
        rng.choice([Map.MAP_PRIVATE] * 11 + [Map.MAP_SHARED] * 8 + [Map.MAP_SHARED_VALIDATE]) if w.chance(0.99) else 0
    )
    prot, fd, offset = rng.choice(PROTECTIONS), w.descriptor(), 0
    if w.chance(profile.anonymous):
        flags, fd = flags | Map.MAP_ANONYMOUS, -1
        offset = rng.randrange(4) * PAGE_SIZE if w.chance(0.05) else 0
    elif profile.executes and w.chance(0.6):
        fd, prot = Name("code"), rng.choice((prot, READ | EXEC, READ | WRITE | EXEC))
    elif w.chance(0.6):
        offset = w.file_page(fd)
    offset = rng.choice((1, (1 << 63) - PAGE_SIZE, 1 << 62)) if w.chance(0.01) else offset
    small = length <= 2 * PMD_SIZE + PAGE_SIZE
    flags |= Map.MAP_POPULATE if small and w.chance(profile.populate) else 0
    flags |= Map.MAP_LOCKED if small and w.chance(profile.locked) else 0
    flags |= Map.MAP_NORESERVE if w.chance(0.05) else 0
    flags |= Map.MAP_GROWSDOWN if flags & Map.MAP_ANONYMOUS and w.chance(profile.grows) else 0
    if w.chance(0.2):
        name = w.fresh("m")
        w.mappings[name] = length
        w.add("mmap", 0, length, prot, flags, fd, offset, gives=name)
        return
    flags |= rng.choice([Map.MAP_FIXED] * 14 + [Map.MAP_FIXED_NOREPLACE, 0])
    place = w.place() if w.chance(0.6) else Name("arena", rng.randrange(profile.arena_pages) * PAGE_SIZE)
    low = place < LOWEST if isinstance(place, int) else place.name == "heap"  # of a Python that is linked low
    if low and LOWEST < (place if isinstance(place, int) else 0) + length <= TASK_SIZE:
        length = PAGE_SIZE  # a live process refuses a range that holds its worker
    w.remember(place, length)
    w.add("mmap", place, length, prot, flags, fd, offset)


def write_mremap(w: Writer) -> None:
    """Grow, shrink or move; two thirds keep the size or change it by a few pages."""
    old = 0 if w.chance(0.03) else w.length()
    new = old if w.chance(0.4) else w.length()
    may, fixed, keep = Mremap.MREMAP_MAYMOVE, Mremap.MREMAP_FIXED, Mremap.MREMAP_DONTUNMAP
    flags = w.rng.choice([0, may, may, may, may | fixed, may | fixed, may | fixed, may | keep, may | fixed | keep])
    if w.chance(0.02):
        flags = w.rng.choice((fixed, keep, 8, may | 16))
    if flags & may and not flags & fixed:
        name = w.fresh("m")
        w.mappings[name] = new
        w.add("mremap", w.place(), old, new, flags, 0, gives=name)
    else:
        target = w.place() if flags else 0
        w.remember(target, new)
        w.add("mremap", w.place(), old, new, flags, target)


def write_mprotect(w: Writer) -> None:
    w.add("mprotect", w.place(), w.length(), 64 if w.chance(0.005) else w.rng.choice(PROTECTIONS))


def write_madvise(w: Writer) -> None:
    advice = w.rng.choice(w.profile.advice)
    if advice in (Madv.MADV_FREE, Madv.MADV_COLD, Madv.MADV_PAGEOUT):
        drain_lists(w)
    w.add("madvise", w.place(), w.length(), 77 if w.chance(0.005) else advice)


def drain_lists(w: Writer) -> None:
    """Have the kernel empty every processor's list of new pages, which reclaim overlooks (FREEDOMS)."""
    there, who = Name("drain"), w.processes[0]  # one that has not ended
    w.add("mmap", there, PMD_SIZE, READ | WRITE, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS | Map.MAP_FIXED, -1, 0, who=who)
    w.add("store", there, b"x", who=who)
    w.add("madvise", there, PAGE_SIZE, Madv.MADV_COLLAPSE, who=who)
    w.add("munmap", there, PMD_SIZE, who=who)


def write_msync(w: Writer) -> None:
    choices = [Ms.MS_SYNC] * 8 + [
        Ms.MS_ASYNC,
        Ms.MS_INVALIDATE,
        Ms.MS_SYNC | Ms.MS_INVALIDATE,
        Ms.MS_SYNC | Ms.MS_ASYNC,
        8,
    ]
    w.add("msync", w.place(), w.length(), w.rng.choice(choices))


def on_range(name: str) -> Callable[[Writer], None]:
    """Return the function for a call that takes an address and a length."""
    return lambda w: w.add(name, w.place(), w.length())


def write_load(w: Writer) -> None:
    most = w.rng.choice((2, 3, 8, 2 * PAGE_SIZE)) if w.chance(0.2) else 1
    w.add("load", w.byte(), most)


def write_touch(w: Writer) -> None:
    start = w.byte()
    w.add("touch", start % 2**47 if isinstance(start, int) else start, w.rng.choice((1, 5, 40)) * PAGE_SIZE, PAGE_SIZE)


def write_store(w: Writer) -> None:
    if w.profile.executes:
        w.add("store", w.byte(room=PAGE_SIZE // 2), w.data(8))
    else:
        w.add("store", w.byte(), w.data(2 * PAGE_SIZE if w.chance(0.05) else 8))


def write_execute(w: Writer) -> None:
    page = w.page()
    w.add("execute", w.shifted(page, PAGE_SIZE // 2 + 8 * w.rng.randint(1, 200)))


def write_pread(w: Writer) -> None:
    fd = w.descriptor()
    n = w.rng.choice((0, 1, 100, PAGE_SIZE, 3 * PAGE_SIZE))
    w.add("pread", fd, w.aligned(n), w.aligned(w.near_end(fd), is_size=False))


def write_pwrite(w: Writer) -> None:
    fd, whole = w.descriptor(), w.chance(0.5)
    data = w.data(w.profile.largest_write)
    if whole and len(data) > PAGE_SIZE:
        data = data[: len(data) & -PAGE_SIZE]
    data = data * -(-512 // len(data)) if w.profile.direct else data
    offset = w.aligned(w.near_end(fd) & (-PAGE_SIZE if whole else -1), is_size=False)
    w.add("pwrite", fd, data[: w.aligned(len(data))], offset)


def write_ftruncate(w: Writer) -> None:
    fd = w.descriptor()
    w.add("ftruncate", fd, -1 if w.chance(0.01) else w.near_end(fd))


def write_lseek(w: Writer) -> None:
    fd = w.descriptor()
    whence = w.rng.choice((SEEK_SET, SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_DATA, SEEK_HOLE, 5))
    w.add("lseek", fd, w.aligned(w.near_end(fd), is_size=False) if w.chance(0.9) else -5, whence)


def write_read(w: Writer) -> None:
    w.add("read", w.descriptor(), w.aligned(w.rng.choice((1, 100, PAGE_SIZE, 5 * PAGE_SIZE, 30 * PAGE_SIZE))))


def write_write(w: Writer) -> None:
    data = w.data(w.profile.largest_write)
    data = data * -(-512 // len(data)) if w.profile.direct else data
    w.add("write", w.descriptor(), data[: w.aligned(len(data))])


def write_stream(w: Writer) -> None:
    """Read a file in order, through a mapping or by read: readahead sets in and grows to its full window."""
    steps, stride = w.rng.randint(6, 20), w.rng.choice((1, 1, 1, 2, 3, 16)) * PAGE_SIZE
    if w.chance(0.4) and w.descriptors:
        fd = Name(w.rng.choice(w.descriptors))
        w.add("lseek", fd, w.file_page(fd), SEEK_SET)
        w.calls += [Call("p", "read", (fd, stride))] * steps
    else:
        page = w.page()
        w.calls += [Call("p", "load", (w.shifted(page, i * stride), 1)) for i in range(steps)]


def write_fork(w: Writer) -> None:
    if len(w.processes) >= w.profile.processes:
        return
    parent, child = w.rng.choice(w.processes), w.fresh("p")
    w.add("fork", gives=child, who=parent)
    w.processes.append(child)


def write_exit(w: Writer) -> None:
    if len(w.processes) > 1:
        who = w.rng.choice(w.processes)
        w.processes.remove(who)
        w.add("exit", 0, who=who)


def write_open(w: Writer) -> None:
    flags = w.rng.choice((0, 1, 2, 2, 2)) | (Open.O_CREAT if w.chance(0.4) else 0)
    for flag, share in ((Open.O_TRUNC, 0.1), (Open.O_EXCL, 0.1), (Open.O_APPEND, 0.1), (w.rng.choice(RARE_OPEN), 0.2)):
        flags |= flag if w.chance(share) else 0
    name = w.fresh("fd")
    path = w.rng.choice(("f0", "f1", "f2", "new")) if w.chance(0.98) else w.rng.choice(("", ".", "n" * 256))
    w.add("open", path, flags, 0o644, gives=name)
    w._know(name, w.rng.randrange(4) * PAGE_SIZE)


def write_dup(w: Writer) -> None:
    name, fd = w.fresh("fd"), w.descriptor()
    w.add("dup", fd, gives=name)
    w._know(name, w.sizes.get(fd.name, 0) if isinstance(fd, Name) else 0)


def write_pipe(w: Writer) -> None:
    """A pipe is there to be mapped, which fails; then it is closed. Or (`pipes`) it stays, to be read and written."""
    read_end, write_end = w.fresh("pipe"), w.fresh("pipe")
    w.calls.append(Call("p", "pipe", (), (read_end, write_end)))
    if w.profile.pipes:
        w.descriptors += [read_end, write_end, read_end, write_end]
        return
    end = Name(w.rng.choice((read_end, write_end)))
    w.add("mmap", 0, PAGE_SIZE, w.rng.choice((READ, READ | WRITE)), Map.MAP_SHARED, end, 0, who="p")
    w.add("close", Name(read_end), who="p")
    w.add("close", Name(write_end), who="p")


def write_memfd_create(w: Writer) -> None:
    name = w.fresh("fd")
    w.add("memfd_create", "memory", gives=name)
    w._know(name, 2 * PAGE_SIZE)


def write_brk(w: Writer) -> None:
    """Move the break by odd numbers of bytes, up and down; the first call asks where it is."""
    if "heap" not in w.mappings:
        w.mappings["heap"] = 40 * PAGE_SIZE
        w.add("brk", 0, gives="heap", who="p")
    step = w.rng.choice((-PAGE_SIZE, -1, 0, 1, PAGE_SIZE, w.rng.randrange(40 * PAGE_SIZE), 1 << 45))
    w.add("brk", Name("heap", step))
    if w.chance(0.1):
        w.add("munmap", Name("heap", w.rng.randrange(4) * PAGE_SIZE), w.length())


def write_setrlimit(w: Writer) -> None:
    resource = w.rng.choice(list(LIMITS))
    w.add("setrlimit", resource, w.rng.choice(LIMITS[resource]))


def on_descriptor(name: str) -> Callable[[Writer], None]:
    """Return the function for a call that takes a descriptor alone."""
    return lambda w: w.add(name, w.descriptor())


def write_drop_caches(w: Writer) -> None:
    """Have a file written back and dropped from the page cache: what comes next is cold again."""
    w.add("drop_caches", w.rng.choice(list(w.files)), who="kernel")


def write_unlink(w: Writer) -> None:
    w.add("unlink", w.rng.choice(("f0", "f1", "f2", "new")))


WRITERS: dict[str, Callable[[Writer], None]] = {
    **{name: on_range(name) for name in ("munmap", "mlock", "munlock", "mincore")},
    **{name: on_descriptor(name) for name in ("close", "fsync", "fstat")},
    **{name.removeprefix("write_"): f for name, f in list(globals().items()) if name.startswith("write_")},
}
"""Who writes which call."""
