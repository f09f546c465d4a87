"""The Python worker: started as a program of its own, not imported. It makes one call after the other for `scripted`.

A load is a write(2) from the address into a pipe, a store is a read(2) from the pipe to the address: the kernel then
touches the memory on our behalf, with the very page faults of a load or store, and where a program would get a
signal it answers EFAULT. So nothing has to be caught, on any architecture.
"""

import ctypes
import errno
import fcntl
import marshal
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

Pipe = tuple[int, int]
HIGH = 200
"""Our own descriptors begin here, so that the program's begin at 3."""
PAGE_SIZE = 4096
libc = ctypes.CDLL(None, use_errno=True)
NAMES = {"pread64": "pread", "pwrite64": "pwrite", "prlimit64": "prlimit", "exit_group": "_exit", "pipe2": "pipe2"}
LONG = {"mmap", "mremap", "read", "write", "pread64", "pwrite64", "lseek"}
"""The calls whose result has 64 bits; for the others a C int."""
ON_DESCRIPTORS = {"close", "dup", "read", "write", "pread64", "pwrite64", "lseek", "ftruncate", "fsync"}
"""The calls whose first argument is a descriptor."""
POPULATE_READ, POPULATE_WRITE = 22, 23
own: set[int] = set()
"""The descriptors that are not the program's."""
before, after = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)


def high(fd: int) -> int:
    """Move a descriptor out of the program's way."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(fd)
    own.add(moved)
    return moved


def close(fd: int) -> None:
    """Close a descriptor of our own."""
    os.close(fd)
    own.discard(fd)


def counted(function: Callable[..., int], *args: object) -> tuple[int, int, int]:
    """Call a C function; returns its result or negative errno, and the minor and major faults meanwhile."""
    getrusage = libc.getrusage
    getrusage(0, before)
    result = function(*args)
    getrusage(0, after)
    if result == -1:
        result = -ctypes.get_errno()
    old, new = struct.unpack_from("ll", before, 64), struct.unpack_from("ll", after, 64)
    return result, new[0] - old[0], new[1] - old[1]


def system_call(name: str, args: Sequence[int | bytes | tuple[str, int]]) -> tuple[object, ...]:
    """Make a system call through the C library; `("out", n)` asks for n bytes. Our own descriptors do not exist."""
    if name in ON_DESCRIPTORS and args[0] in own:
        return (-errno.EBADF, 0, 0, [bytes(arg[1]) for arg in args if isinstance(arg, tuple)])
    function = getattr(libc, NAMES.get(name, name))
    function.restype = ctypes.c_long if name in LONG else ctypes.c_int
    values: list[object] = []
    outs: list[ctypes.Array[ctypes.c_char]] = []
    for arg in args:
        if isinstance(arg, tuple):
            outs.append(ctypes.create_string_buffer(max(1, arg[1])))
            ctypes.memset(outs[-1], 1, len(outs[-1]))
            values.append(outs[-1])
        else:
            values.append(ctypes.c_char_p(arg) if isinstance(arg, bytes) else ctypes.c_uint64(arg % 2**64))
    result = counted(function, *values)
    return (*result, [out.raw for out in outs])


def load(pipe: Pipe, addr: int, n: int) -> tuple[object, ...]:
    """Load n bytes of one page; returns (result, minor, major, bytes)."""
    result = counted(libc.write, pipe[1], ctypes.c_void_p(addr), ctypes.c_size_t(n))
    return (*result, os.read(pipe[0], result[0]) if result[0] > 0 else b"")


def store(pipe: Pipe, addr: int, data: bytes) -> tuple[int, int, int]:
    """Store bytes into one page; returns (result, minor, major)."""
    os.write(pipe[1], data)
    result = counted(libc.read, pipe[0], ctypes.c_void_p(addr), ctypes.c_size_t(len(data)))
    if result[0] < 0:
        os.read(pipe[0], len(data))
    return result


def peek(addr: int, n: int) -> tuple[object, ...]:
    """Read n bytes of one page whatever its rights, by way of /proc/self/mem: (result, minor, major, bytes)."""
    page = ctypes.create_string_buffer(n)
    try:
        fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return (-(error.errno or errno.EMFILE), 0, 0, b"")
    libc.pread.restype = ctypes.c_long
    result = counted(libc.pread, fd, page, ctypes.c_size_t(n), ctypes.c_uint64(addr))
    os.close(fd)
    return (*result, page.raw)


def call(addr: int) -> tuple[int, int]:
    """Call the return instruction at `addr`, which the driver has looked at."""
    function = ctypes.CFUNCTYPE(None)(addr)
    _, minor, major = counted(function)
    return minor, major


def fork(sock: socket.socket) -> tuple[int, socket.socket]:
    """Fork; returns (pid, sock) in the parent and (0, the child's own socket) in the child."""
    sock.send(b"?")
    _, fds, _, _ = socket.recv_fds(sock, 1, 1)
    if not fds:
        raise OSError(errno.EMFILE, "no descriptor is left for the child's socket")
    fd = high(fds[0])
    pid = os.fork()
    if pid:
        close(fd)
        return pid, sock
    own.discard(sock.fileno())
    sock.close()
    return 0, socket.socket(fileno=fd)


def receive(sock: socket.socket) -> Any:
    """Return the next request, or None when the driver is gone."""
    header = b""
    while len(header) < 4:
        part = sock.recv(4 - len(header))
        if not part:
            return None
        header += part
    (length,) = struct.unpack("I", header)
    data = bytearray()
    while len(data) < length:
        part = sock.recv(min(1 << 20, length - len(data)))
        if not part:
            return None
        data += part
    return marshal.loads(data)


def answer(sock: socket.socket, value: Any) -> None:
    """Send an answer."""
    data = marshal.dumps(value)
    sock.sendall(struct.pack("I", len(data)) + data)


def new_pipe() -> Pipe:
    """Return the two ends of a pipe, out of the program's way."""
    read_end, write_end = os.pipe()
    return high(read_end), high(write_end)


def serve(sock: socket.socket, seconds: int) -> None:
    """Answer requests until the driver is gone."""
    pipe = new_pipe()
    ours = {start for start, *_ in areas()}
    settle(ours)
    answer(sock, os.getpid())
    while (request := receive(sock)) is not None:
        kind, *args = request
        signal.alarm(seconds)  # should the driver die while a call waits for ever, so do we
        if kind == "syscall":
            answer(sock, system_call(*args))
        elif kind == "load":
            answer(sock, load(pipe, *args))
        elif kind == "peek":
            answer(sock, peek(*args))
        elif kind == "store":
            answer(sock, store(pipe, *args))
        elif kind == "call":
            answer(sock, call(*args))
        elif kind == "exit":
            os._exit(args[0])
        elif kind == "fork":
            try:
                pid, sock = fork(sock)
            except OSError as error:
                pid = -(error.errno or errno.EAGAIN)
            if pid == 0:
                for fd in pipe:
                    close(fd)
                pipe = new_pipe()
            if pid >= 0:
                settle(ours)
                warm_up(pipe)
            answer(sock, pid or os.getpid())
        signal.alarm(0)


def areas() -> list[tuple[int, int, str, str]]:
    """Return (start, end, permissions, path) of all areas."""
    found = []
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            where, perms, _, _, _, *path = line.split(None, 5)
            start, end = (int(part, 16) for part in where.split("-"))
            found.append((start, end, perms, path[0].strip() if path else ""))
    return found


def settle(ours: set[int]) -> None:
    """Bring all memory of the interpreter into the page table, written where it can be: no later fault is ours.

    `ours` holds where its areas began before the program had any. Linux before 5.14 refuses, and some faults remain.
    """
    for start, end, perms, path in areas():
        if start in ours or path in ("[heap]", "[stack]"):
            advice = POPULATE_WRITE if perms.startswith("rw") else POPULATE_READ
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)


def warm_up(pipe: Pipe) -> None:
    """Touch what a call touches and what memory it allocates."""
    page = ctypes.create_string_buffer(2 * PAGE_SIZE)
    for n in (1, PAGE_SIZE, 1):
        load(pipe, ctypes.addressof(page), n)
        store(pipe, ctypes.addressof(page), bytes(n))
        system_call("mincore", (0, 0, ("out", 1)))
        system_call("lseek", (-1, 0, 0))


def main() -> None:
    """Take over: the allocator never maps memory again, signals are the default, descriptors 0 to 2 the directory."""
    sock = socket.socket(fileno=high(int(sys.argv[1])))
    directory = os.open(sys.argv[2], os.O_PATH | os.O_DIRECTORY)
    for low in range(3):
        os.dup2(directory, low)
    os.closerange(3, HIGH)
    if hasattr(libc, "mallopt"):
        for parameter, value in ((-3, 1 << 30), (-1, 1 << 30), (-2, 1 << 20)):
            libc.mallopt(parameter, value)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD
    libc.prctl(15, b"mmaplab live", 0, 0, 0)
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans of ours need nobody else
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sock, int(sys.argv[3]))
    os._exit(0)


if __name__ == "__main__":
    main()
