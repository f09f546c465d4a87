"""The live kernel as a whole: its files and their pages, and that nothing outlives it."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmaplab import constants as c
from mmaplab.constants import Map, Open, Prot
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel, WorkerDied, WorkerHung, files, warm_file

pytestmark = pytest.mark.live
PAGE = 4096
RW, ANON = Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS
BOTH = pytest.mark.parametrize("executor", ["machine code", "python"])


def eventually(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Wait until a condition holds; whether it does in the end."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# ---------------------------------------------------------------- files


def test_files_are_cold_or_warm(kernel: LinuxKernel) -> None:
    data = os.urandom(20 * PAGE + 5)
    kernel.create_file("cold", data)
    kernel.create_file("warm", data, warm=True)
    if kernel.file_system != "tmpfs":
        assert kernel.residency("cold") == [False] * 21
    assert kernel.residency("warm") == [True] * 21
    assert kernel.file_bytes("cold") == kernel.file_bytes("warm") == data
    if kernel.file_system != "tmpfs":
        assert kernel.residency("cold") == [False] * 21, "looking at the bytes changed what is cached"
    kernel.drop_caches("warm")
    if kernel.file_system != "tmpfs":
        assert not any(kernel.residency("warm"))
    kernel.create_file("empty")
    assert kernel.file_bytes("empty") == b""
    assert kernel.residency("empty") == []


def test_names_are_flat(kernel: LinuxKernel) -> None:
    kernel.create_file("once")
    with pytest.raises(FileExistsError):
        kernel.create_file("once")
    for name in ("", "a/b", "..", ".", "/etc/passwd"):
        with pytest.raises(ValueError, match="flat directory"):
            kernel.create_file(name)
        with pytest.raises(FileNotFoundError):
            kernel.file_bytes(name)
    with pytest.raises(TypeError, match="data is 'text'"):
        kernel.create_file("typed", "text")  # type: ignore[arg-type]


def test_a_directory_on_tmpfs(tmp_path: Path) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no tmpfs at /dev/shm")
    with LinuxKernel("/dev/shm") as kernel:
        assert kernel.file_system == "tmpfs"
        kernel.create_file("f", b"abc")
        assert kernel.residency("f") == [True]


def test_a_directory_that_cannot_be_used_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"/no/such/place.*directory="):
        LinuxKernel("/no/such/place")
    with pytest.raises(OSError, match=r"/proc.*directory="):
        LinuxKernel("/proc")


def test_a_full_disk_says_so() -> None:
    script = """
import resource
from mmaplab.real import LinuxKernel
with LinuxKernel() as kernel:
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    try:
        kernel.create_file("big", bytes(65536))
    except OSError as error:
        print(type(error).__name__, error.errno, end=" ")
    kernel.create_file("small", b"abc")
    print(kernel.file_bytes("small"))
"""
    assert run(script).stdout == "NoRoom 27 b'abc'\n"


# ---------------------------------------------------------------- nothing is left


@BOTH
def test_close_ends_processes_and_removes_files(executor: str) -> None:
    kernel = LinuxKernel(executor=executor)
    kernel.create_file("f", b"abc")
    processes = [kernel.spawn() for _ in range(3)]
    processes.append(processes[0].fork())
    kernel.close()
    kernel.close()
    assert not Path(kernel.directory).exists()
    assert all(is_gone(p.pid) for p in processes)
    with pytest.raises(WorkerDied):
        processes[0].load(0)
    with pytest.raises(ValueError, match="closed"):
        kernel.spawn()


@BOTH
def test_a_process_keeps_its_kernel(executor: str) -> None:
    p = LinuxKernel(executor=executor).spawn()
    assert p.brk(0) > 0
    assert p.maps() == []


def run(script: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **kwargs)  # type: ignore[call-overload, no-any-return]


BEGIN = """
import os, signal, sys, time
from mmaplab.real import LinuxKernel
kernel = LinuxKernel(executor={executor!r})
kernel.create_file("f", b"abc")
p = kernel.spawn(); q = p.fork()
print(kernel.directory, p.pid, q.pid, flush=True)
"""


@BOTH
@pytest.mark.parametrize(
    "end", ["pass", "raise KeyboardInterrupt", "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "sys.exit(3)"]
)
def test_nothing_is_left_when_python_ends(executor: str, end: str) -> None:
    directory, *pids = run(BEGIN.format(executor=executor) + end).stdout.split()
    assert not Path(directory).exists()
    assert all(is_gone(int(pid)) for pid in pids)


@BOTH
def test_processes_end_when_the_notebook_is_killed(executor: str) -> None:
    script = BEGIN.format(executor=executor) + "os.kill(os.getpid(), signal.SIGKILL)"
    directory, *pids = run(script).stdout.split()
    assert eventually(lambda: all(is_gone(int(pid)) for pid in pids))
    LinuxKernel(Path(directory).parent).close()
    assert not Path(directory).exists(), "the next kernel removes what a killed one left"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the loop is x86-64 code")
def test_a_loop_ends_with_the_notebook_that_is_killed() -> None:
    loop = 'p.store(page := p.mmap(0, 4096, 7, 0x22), bytes.fromhex("ebfe")); p.execute(page)'  # a jump to itself
    command = [sys.executable, "-c", BEGIN.format(executor="machine code") + loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout is not None
        pid = int(notebook.stdout.readline().split()[1])
        begin = user_time(pid)
        assert eventually(lambda: user_time(pid) > begin + 5), "it does loop"
        notebook.kill()
    assert eventually(lambda: is_gone(pid))


def user_time(pid: int) -> int:
    """Return the processor time of a process outside the kernel, in clock ticks; proc_pid_stat(5)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_a_living_kernel_is_not_swept_away() -> None:
    with LinuxKernel() as kernel:
        kernel.create_file("f", b"abc")
        long_ago = time.time() - 3600
        os.utime(kernel.directory, (long_ago, long_ago))
        LinuxKernel(Path(kernel.directory).parent).close()
        assert kernel.file_bytes("f") == b"abc"


def test_only_the_moment_without_a_lock_is_spared(tmp_path: Path) -> None:
    """A private directory has another name until its lock is there; so one that has its name and no lock is dead."""
    young, old, dead = tmp_path / f"{files.NEW}1", tmp_path / f"{files.NEW}2", tmp_path / f"{files.PREFIX}3"
    for path in (young, old, dead):
        path.mkdir()
        (path / "file").write_bytes(b"x")
    os.utime(old, (0, 0))
    (tmp_path / f"{files.PREFIX}4").symlink_to(young)
    with LinuxKernel(tmp_path) as kernel:
        assert {path.name for path in tmp_path.iterdir()} == {
            young.name, f"{files.PREFIX}4", Path(kernel.directory).name
        }  # fmt: skip
    assert (young / "file").exists()


def test_a_warm_file_is_swept_away_when_its_owner_was_killed(tmp_path: Path) -> None:
    script = f"""
import os, signal
from mmaplab.real import warm_file
with warm_file(2, {str(tmp_path)!r}) as path:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(script).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    with warm_file(1, tmp_path) as path:
        assert list(tmp_path.iterdir()) == [Path(path).parent]
    assert list(tmp_path.iterdir()) == []


def test_a_forked_copy_of_python_leaves_the_kernel_alone() -> None:
    script = BEGIN.format(executor=None) + "if os.fork() == 0: sys.exit()\nos.wait(); print(p.brk(0) > 0)"
    assert run(script).stdout.split()[-1] == "True"


ZOMBIES = """
from mmaplab.real import LinuxKernel
from mmaplab.real.libc import function
assert function("prctl")(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: what nobody has an account of becomes ours
for _ in range(3):
    with LinuxKernel(executor="{executor}") as kernel:
        p = kernel.spawn()
        others = [kernel.spawn() for _ in range(3)], p.fork().fork()
print(open("/proc/self/task/%d/children" % __import__("os").getpid()).read().split())
"""


@BOTH
def test_a_closed_kernel_leaves_no_zombies(executor: str) -> None:
    """Children go before the parent that lets them go; in a container, nobody else would."""
    done = run(ZOMBIES.format(executor=executor))
    assert (done.stdout, done.stderr) == ("[]\n", "")


# ---------------------------------------------------------------- workers that misbehave


@BOTH
def test_a_killed_process_is_an_error_and_not_the_end(executor: str) -> None:
    with LinuxKernel(executor=executor) as kernel:
        p = kernel.spawn()
        os.kill(p.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match=rf"{p.pid}.*spawn"):
            p.brk(0)
        with pytest.raises(WorkerDied):
            p.load(0)
        assert kernel.spawn().brk(0) > 0


@BOTH
@pytest.mark.parametrize("known", [False, True], ids=["told by the look", "told by a call before"])
def test_every_look_at_a_killed_process_says_that_it_is_dead(executor: str, known: bool) -> None:
    with LinuxKernel(executor=executor) as kernel:
        p, followed = kernel.spawn(), kernel.spawn()
        fd = p.open("f", Open.O_RDWR | Open.O_CREAT)
        a = p.mmap(0, 2 * PAGE, RW, ANON)
        followed.fault_events()
        for process in (p, followed):
            os.kill(process.pid, signal.SIGKILL)
            assert eventually(lambda process=process: is_gone(process.pid))
        if known:
            with pytest.raises(WorkerDied):
                p.brk(0)
        looks = (p.maps, lambda: p.pagemap(a, PAGE), lambda: p.fstat(fd), p.fault_events, followed.fault_events)
        for look in (*looks, p.faults, p.fork, lambda: p.munmap(a, PAGE), lambda: p.mincore(a, PAGE)):
            with pytest.raises(WorkerDied, match=r"has ended.*spawn"):
                look()
        assert kernel.spawn().maps() == []


@pytest.mark.parametrize("code", [b"\x0f\x0b", b"\xcc", b"\x31\xc9\xf7\xf1"], ids=["ud2", "int3", "div"])
@BOTH
def test_code_that_is_no_return_instruction_is_said_to_be_none(executor: str, code: bytes) -> None:
    """SIGILL, SIGTRAP, SIGFPE are no signals of a memory access."""
    if platform.machine() != "x86_64":
        pytest.skip("these are instructions of x86")
    with LinuxKernel(executor=executor) as kernel:
        p = kernel.spawn()
        a = p.mmap(0, PAGE, RW | Prot.PROT_EXEC, ANON)
        p.store(a, code + b"\xc3")
        with pytest.raises(ValueError, match="no return instruction"):
            p.execute(a)
        assert p.load(a, len(code)) == code
        p.store(a, b"\xc3")
        p.execute(a)


@BOTH
def test_a_killed_first_process_is_made_anew(executor: str) -> None:
    with LinuxKernel(executor=executor) as kernel:
        p = kernel.spawn()
        zygote = int(Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(zygote, signal.SIGKILL)
        assert eventually(lambda: is_gone(zygote))
        q = kernel.spawn()
        assert q.maps() == []
        assert (p.brk(0) > 0, q.brk(0) > 0) == (True, True)


@BOTH
def test_a_call_that_waits_for_ever_is_ended(executor: str) -> None:
    with LinuxKernel(executor=executor, time_limit=0.5) as kernel:
        p = kernel.spawn()
        read_end, _ = p.pipe()
        with pytest.raises(WorkerHung, match=r"0\.5 seconds"):
            p.read(read_end, 1)
        assert is_gone(p.pid)
        assert kernel.spawn().brk(0) > 0


def test_code_that_is_no_return_does_not_end_the_notebook() -> None:
    with LinuxKernel(time_limit=1) as kernel:
        p = kernel.spawn()
        rwx = c.Prot.PROT_READ | c.Prot.PROT_WRITE | c.Prot.PROT_EXEC
        a = p.mmap(0, PAGE, rwx, c.Map.MAP_PRIVATE | c.Map.MAP_ANONYMOUS)
        p.store(a, b"\xeb\xfe")  # jump to itself
        with pytest.raises((WorkerHung, ValueError)):
            p.execute(a)
        assert kernel.spawn().brk(0) > 0


@BOTH
def test_ctrl_c_during_a_call_leaves_the_process_usable(executor: str) -> None:
    """The call goes on: its data are its own, and the answer to the next call is not that to this one."""
    script = f"""
import signal, threading, time
from mmaplab.real import LinuxKernel
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with SIGINT ignored
with LinuxKernel(executor={executor!r}) as kernel:
    p = kernel.spawn()
    r, w = p.pipe()
    a = p.mmap(0, 4096, 3, 0x22)
    q = p.fork()
    threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT)).start()
    threading.Timer(1.0, lambda: q.write(w, b"late")).start()
    try:
        p.read(r, 4)
    except KeyboardInterrupt:
        print("interrupted", end=" ")
    p.store(a, b"mine")
    print(p.load(a, 4), p.brk(0) > 0)
"""
    done = run(script)
    assert done.stdout == "interrupted b'mine' True\n", done.stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only machine code has a buffer that all share")
def test_ctrl_c_during_a_large_call_leaves_the_other_processes_their_data() -> None:
    """Large data go through one buffer for all: who is still at it comes first."""
    script = """
import signal, threading
from mmaplab.real import LinuxKernel
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with SIGINT ignored
written = []
def late():
    written.append(q.write(w, b"late" * 1000))
with LinuxKernel(executor="machine code") as kernel:
    p, other = kernel.spawn(), kernel.spawn()
    r, w = p.pipe()
    q = p.fork()
    fd = other.memfd_create("large")
    threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT)).start()
    threading.Timer(1.0, late).start()
    try:
        p.read(r, 1 << 20)
    except KeyboardInterrupt:
        print("interrupted", end=" ")
    print(other.write(fd, b"mine" * (1 << 18)), written, p.brk(0) > 0)
"""
    done = run(script)
    assert done.stdout == f"interrupted {1 << 20} [4000] True\n", done.stderr


def test_several_threads_may_use_one_kernel() -> None:
    with LinuxKernel() as kernel:
        wrong: list[object] = []

        def work(byte: int) -> None:
            try:
                p = kernel.spawn()
                a = p.mmap(0, PAGE, 3, c.Map.MAP_PRIVATE | c.Map.MAP_ANONYMOUS)
                for _ in range(100):
                    p.store(a, bytes([byte]) * 64)
                    assert p.load(a, 64) == bytes([byte]) * 64
                p.exit()
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_more_processes_than_there_are_channels() -> None:
    with LinuxKernel() as kernel:
        for _ in range(250):
            kernel.spawn().exit()
        if kernel.executor == "machine code":
            with pytest.raises(RuntimeError, match=r"p\.exit"):
                kept = [kernel.spawn() for _ in range(250)]
                del kept


# ---------------------------------------------------------------- choosing


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    with pytest.raises(NotAvailable, match="switched off"):
        LinuxKernel()


def test_elsewhere_than_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotAvailable, match="Linux"):
        LinuxKernel()


def test_the_environment_chooses_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_EXECUTOR", "python")
    with LinuxKernel() as kernel:
        assert kernel.executor == "python"
    with pytest.raises(ValueError, match="executor is 'fast'"):
        LinuxKernel(executor="fast")


def test_where_machine_code_does_not_work_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with LinuxKernel() as kernel:
        assert kernel.executor == "python"
        assert kernel.spawn().maps() == []
    with pytest.raises(NotAvailable, match="aarch64"):
        LinuxKernel(executor="machine code")


def test_the_worker_s_own_memory_is_out_of_reach(kernel: LinuxKernel) -> None:
    p = kernel.spawn()
    own = p._worker.region.base if kernel.executor == "machine code" else p._worker.all_areas()[0].start  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="choose another address"):
        p.mmap(own, PAGE, 3, c.Map.MAP_PRIVATE | c.Map.MAP_ANONYMOUS | c.Map.MAP_FIXED)
    with pytest.raises(OSError, match="mprotect"):
        p.mprotect(own, PAGE, 0)
    with pytest.raises(Exception, match="SEGV_MAPERR"):
        p.load(own)
    p.exit()
