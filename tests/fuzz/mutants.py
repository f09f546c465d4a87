"""Break one rule of the simulator at a time: does the fuzzer notice?

    make mutants                      all of them, 500 programs each; the result is stored in mutants.json
    python tests/fuzz/mutants.py [--programs 500] [--jobs 2] [NAME ...]

Each mutant is one line of the simulator, changed in a copy of the package. A rule that can be broken unnoticed is a
rule that the random programs do not test. Noticed is any difference: so the simulator as it is (`CONTROL`) is run
first, with the same programs, and must show none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "mmaplab"
RESULT = Path(__file__).with_name("mutants.json")
SEED = 1
GOOD_ENOUGH = 5 / 6
"""Of the mutants, so many have to be noticed."""


@dataclass(frozen=True)
class Mutant:
    """A line of a room of the simulator, and what it is changed to."""

    name: str
    room: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "find_vma takes the end for inside",
        "vma",
        "return vma if vma is not None and vma.vm_start <= addr else None",
        "return vma if vma is not None and vma.vm_start < addr else None",
    ),
    Mutant(
        "merge overlooks the file offset",
        "merge",
        "        and left.vm_pgoff + left.pages == right.vm_pgoff\n        and is_merge",
        "        and is_merge",
    ),
    Mutant(
        "merge overlooks the open file",
        "merge",
        "        and left.vm_file is right.vm_file\n        and left.vm_pgoff",
        "        and left.vm_pgoff",
    ),
    Mutant("merge after fork", "merge", "    return not vma_had_uncowed_parents(owner)", "    return True"),
    Mutant(
        "no identity is shared with a neighbour",
        "merge",
        "        owner.anon_vma is not None\n",
        "        owner.anon_vma is not None and False\n",
    ),
    Mutant(
        "the child has the parent's identity",
        "fork",
        "    child.anon_vma = AnonVma()\n",
        "    child.anon_vma = parent.anon_vma\n",
    ),
    Mutant("fork leaves pages exclusive", "fork", "            page.anon_exclusive = False\n", "            pass\n"),
    Mutant(
        "fork copies DONTCOPY areas", "fork", "        if vma.vm_flags & VmFlags.VM_DONTCOPY:\n", "        if False:\n"
    ),
    Mutant(
        "fault-around has no multiple to begin at",
        "filefault",
        "max(pte_off & -nr_pages, ",
        "max(pte_off - nr_pages // 2, ",
    ),
    Mutant("fault-around passes the file's end", "filefault", "    end_pgoff = min(end_pgoff, inode.pages - 1)\n", ""),
    Mutant("whole folios are never mapped", "filefault", "len(folio.pages) == 1:\n", "len(folio.pages) > 0:\n"),
    Mutant("no page-table quirk", "filefault", "        config.eof_quirk\n", "        config.eof_quirk and False\n"),
    Mutant(
        "SIGBUS one page late",
        "filefault",
        "    if vmf.pgoff >= inode.pages:\n        return SIGBUS, None\n    folio = filemap",
        "    if vmf.pgoff > inode.pages:\n        return SIGBUS, None\n    folio = filemap",
    ),
    Mutant(
        "copy-on-write never copies", "anon", "    return page.anon_exclusive or page.mapcount == 1", "    return True"
    ),
    Mutant(
        "mprotect makes clean shared pages writable",
        "mprotect",
        "vma_wants_writenotify(vma) and pte_dirty(pte)",
        "True",
    ),
    Mutant(
        "mprotect does not count what becomes data",
        "mprotect",
        "            flags |= VmFlags.VM_ACCOUNT\n",
        "            pass\n",
    ),
    Mutant(
        "mprotect forgets to give back accounting",
        "mprotect",
        "        flags &= ~VmFlags.VM_ACCOUNT\n",
        "        pass\n",
    ),
    Mutant(
        "mremap keeps the offset of untouched memory",
        "mremap",
        "        pgoff = new_addr >> PAGE_SHIFT\n",
        "        pass\n",
    ),
    Mutant("large mappings are not aligned", "vma", "    return addr + (shift or PMD_SIZE)", "    return addr + shift"),
    Mutant("truncate leaves private copies", "truncate", "    unmap_mapping_range(inode.i_mapping, first)\n", ""),
    Mutant(
        "no stub page", "truncate", "        folio.stub = True\n", "        folio.stub, folio.uptodate = False, True\n"
    ),
    Mutant("msync leaves entries writable", "writeback", "    folio_mkclean(folio)\n", ""),
    Mutant(
        "readahead window one page short",
        "readahead",
        "ra.size, ra.async_size, ra.order = ra_pages, ra_pages // 4, 0",
        "ra.size, ra.async_size, ra.order = ra_pages - 1, ra_pages // 4, 0",
    ),
    Mutant(
        "a stream starts with half the window",
        "readahead",
        "        return newsize * 4\n",
        "        return newsize * 2\n",
    ),
    Mutant("mlock counts major faults", "fault", "major = waits_count and (", "major = ("),
    Mutant(
        "WIPEONFORK keeps the pages",
        "fork",
        "        wiped = vma.vm_flags & VmFlags.VM_WIPEONFORK\n",
        "        wiped = 0\n",
    ),
    Mutant("merge overlooks the flags", "merge", "        and left.vm_flags == right.vm_flags\n", ""),
    Mutant("fault-around is not clamped to the area", "filefault", ", pte_off + vma.pages - vma_off) - 1", ") - 1"),
    Mutant(
        "fault-around is not clamped to the page table", "filefault", "nr_pages, PTRS_PER_PTE, pte", "nr_pages, pte"
    ),
    Mutant("no gap is kept below a stack", "vma", "max(0, vma.vm_start - STACK_GUARD_GAP)", "vma.vm_start"),
    Mutant(
        "a write behind the end clears all that is behind it",
        "truncate",
        "tail, min(most, PAGE_SIZE - tail))",
        "tail, PAGE_SIZE - tail)",
    ),
    Mutant("brk shrinks over a hole", "brk", "if area is None or area.vm_start >= old:", "if False:"),
    Mutant(
        "a direct write leaves the page cache as it is",
        "direct",
        "    invalidate_inode_pages2_range(inode, first, last)\n    at = pos",
        "    at = pos",
    ),
    Mutant(
        "mlock of a guard succeeds",
        "mlock",
        "    if mm_populate(task, start, start + size, ignore_errors=False):",
        "    if mm_populate(task, start, start + size, ignore_errors=True):",
    ),
    Mutant("guards are not copied by fork", "fork", " and not parent.maybe_guard:\n", ":\n"),
)
"""One for each rule that a learner is taught and that a program can observe."""
CONTROL = Mutant("the simulator as it is", "vma", "def find_vma(", "def find_vma(")
"""Nothing is changed: if this one is noticed, the programs find differences that are no mutant's."""


def changed(mutant: Mutant) -> str:
    """Return the text of the mutant's room with its line changed; ValueError where the line is not there once."""
    text = (PACKAGE / "sim" / f"{mutant.room}.py").read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: the line is {text.count(mutant.old)} times in {mutant.room}.py")
    return text.replace(mutant.old, mutant.new)


def mutated(mutant: Mutant, directory: Path) -> None:
    """Make a copy of the package in `directory`, with the mutant's line changed; raises ValueError."""
    shutil.copytree(PACKAGE, directory / "mmaplab", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "mmaplab" / "sim" / f"{mutant.room}.py").write_text(changed(mutant))


def programs_until_found(mutant: Mutant, programs: int, file_system: str = "ext4") -> int | None:
    """Return how many random programs it took to notice the mutant, or None."""
    with tempfile.TemporaryDirectory() as directory:
        mutated(mutant, Path(directory))
        options = ["--seed", str(SEED), "--programs", str(programs), "--file-system", file_system, "--no-shrink"]
        run = subprocess.run(
            [sys.executable, "-m", "mmaplab.fuzz.command", *options, "--save", directory],
            env={**os.environ, "PYTHONPATH": directory},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            return None
        counted = re.search(r"^(\d+) programs", run.stdout, re.MULTILINE)
        if run.returncode != 1 or not counted:
            raise RuntimeError(f"{mutant.name}: {run.stderr[-500:]}")
        return int(counted[1])


class ControlDiffers(RuntimeError):
    """The simulator as it is does not agree with the live kernel: what a mutant changes cannot be told from that."""


def check_control(programs: int, file_system: str = "ext4") -> None:
    """Raise ControlDiffers where the programs find a difference that no mutant has made."""
    number = programs_until_found(CONTROL, programs, file_system)
    if number is not None:
        again = f"mmaplab fuzz --seed {SEED} --programs {number} --file-system {file_system}"
        raise ControlDiffers(f"program {number} differs, and nothing was changed: put that right first; {again}")


def try_all(mutants: Sequence[Mutant], programs: int, jobs: int) -> dict[str, int | None]:
    """Return for each mutant how many programs it took to notice it, or None; prints a line for each.

    Raises ControlDiffers; ValueError before anything is tried, where a mutant does not fit any more.
    """
    found: dict[str, int | None] = {}
    for mutant in mutants:
        changed(mutant)
    if mutants:
        check_control(programs)
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, number in zip(mutants, pool.map(lambda m: programs_until_found(m, programs), mutants), strict=True):
            found[mutant.name] = number
            print(f"{mutant.name:55} {f'program {number}' if number else 'not noticed'}", flush=True)
    print(f"{sum(map(bool, found.values()))} of {len(found)} noticed within {programs} programs")
    return found


def simulator_hash() -> str:
    """Return a number of the simulator's text and the fuzzer's: a stored result of other ones is known by it."""
    digest = hashlib.sha256()
    for room in sorted([*(PACKAGE / "sim").glob("*.py"), *(PACKAGE / "fuzz").glob("*.py")]):
        digest.update(room.name.encode() + b"\0" + room.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def store(found: dict[str, int | None], programs: int) -> None:
    """Write down a result, with what it depends on."""
    head = {"date": time.strftime("%Y-%m-%d"), "kernel": os.uname().release, "seed": SEED, "programs": programs}
    head |= {"simulator": simulator_hash(), "file_system": "ext4"}
    RESULT.write_text(json.dumps({**head, "noticed": found}, indent=1) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Try the named mutants, or all; returns 0 where enough of them were noticed (`GOOD_ENOUGH`), 1 where not.

    2 where the simulator differs by itself: then nothing is tried, and nothing stored.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=500, metavar="N", help="random programs for each (500)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at a time (2)")
    parser.add_argument("--store", action="store_true", help=f"write the result to {RESULT.name}")
    parser.add_argument("names", nargs="*", help="of the mutants (all)")
    args = parser.parse_args(argv)
    wanted = [mutant for mutant in MUTANTS if not args.names or mutant.name in args.names]
    try:
        found = try_all(wanted, args.programs, args.jobs)
    except ControlDiffers as reason:
        print(f"{CONTROL.name}: {reason}", file=sys.stderr)
        return 2
    if args.store:
        store(found, args.programs)
    return int(sum(map(bool, found.values())) < len(found) * GOOD_ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
