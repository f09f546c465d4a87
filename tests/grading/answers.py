"""Answers to every exercise: wrong ones with the points they may keep, and right ones unlike the master's.

    (question, name, points, source)         points of None: full marks

The wrong ones are misconceptions first, then slips, then nothing that is an answer.
"""

from __future__ import annotations

WINDOW = """
def do_fault_around(vmf):
    n = vmf.vma.vm_mm.config.fault_around_pages
    slot = vmf.address // PAGE % 512
    in_area = vmf.pgoff - vmf.vma.vm_pgoff
    first = {first}
    last = {last} - 1
    return filemap_map_pages(vmf, vmf.pgoff + first - slot, vmf.pgoff + last - slot)
"""
FIRST = "max(slot // n * n, slot - min(slot, in_area))"
LAST = "min(first + n, 512, slot + vmf.vma.pages - in_area)"

CASES = """
def witness(p):
    {witness}

def fixed_handle_mm_fault(vmf):
    vma, mm = vmf.vma, vmf.vma.vm_mm
    pte = mm.pgd.get_pte(vmf.address)
    if not pte_present(pte):
        if vma.is_anonymous:
            return do_anonymous_page(vmf)
        {dispatch}
    if vmf.write and not pte_write(pte):
        return mm.slots.do_wp_page(vmf)
    mm.pgd.set_pte(vmf.address, pte | (PAGE_DIRTY if vmf.write else 0))
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE)
    return 0
"""
WITNESS = 'a = p.mmap(0, 2 * PAGE, 3, MAP_SHARED, p.open("f", O_RDWR)); p.load(a); p.load(a + PAGE)'
RIGHT_DISPATCH = "return do_read_fault(vmf) if not vmf.write else do_shared_fault(vmf) if vma.shared else do_cow_fault(vmf)"

TEN = """
def ten_faults(p):
    a = p.mmap(0x10000000, 100 * PAGE, {prot}, {kind} | MAP_FIXED, p.open("f", O_RDWR))
    for page in range(100):
        p.load(a + page * PAGE)
    {more}
"""


def window(first: str = FIRST, last: str = LAST) -> str:
    """Return a do_fault_around with these two lines."""
    return WINDOW.format(first=first, last=last)


def cases(witness: str = WITNESS, dispatch: str = RIGHT_DISPATCH) -> str:
    """Return a witness and a fixed function."""
    return CASES.format(witness=witness, dispatch=dispatch)


def ten(more: str = "pass", prot: str = "PROT_READ | PROT_WRITE", kind: str = "MAP_SHARED") -> str:
    """Return a program that walks the mapping and does something more."""
    return TEN.format(more=more, prot=prot, kind=kind)


ANSWERS: list[tuple[str, str, int | None, str]] = [
    # 1: which pages fault
    ("fault-recall", "one fault per page", 1, "first_pass = list(range(40)); shifted = list(range(40)); second_pass = 0"),
    ("fault-recall", "everything faults again", 3, "first_pass = [0, 16, 32]; shifted = [0, 16, 27]; second_pass = 40"),
    ("fault-recall", "windows counted from the area", 2, "first_pass = shifted = [0, 16, 32]; second_pass = 0"),
    ("fault-recall", "windows cut at the boundary", 2, "first_pass = [0, 16, 32]; shifted = [0, 11, 27]; second_pass = 0"),
    ("fault-recall", "how many, not which", 1, "first_pass = 3; shifted = 3; second_pass = 0"),
    ("fault-recall", "text", 0, "first_pass = '[0, 16, 32]'; shifted = '[0, 16, 27]'; second_pass = '0'"),
    ("fault-recall", "bool for a number", 1, "first_pass = [False, 16, 32]; shifted = [0]; second_pass = 0"),
    ("fault-recall", "RIGHT: written by hand", None, "first_pass = [0, 16, 32]\nshifted = [0, 16, 27]\nsecond_pass = 0"),
    (
        "fault-recall",
        "RIGHT: numpy and tuples",
        None,
        "import numpy as np\nfirst_pass = tuple(np.arange(0, 40, 16))\nshifted = (0, 16, np.int64(27))\nsecond_pass = np.int64(0)",
    ),
    # 2: a bill
    ("fault-bill", "every access faults", 2, "faults = [1, 1, 1, 1, 1, 1]; copied = 6"),
    ("fault-bill", "sixteen entries are sixteen faults", 1, "faults = [16, 0, 0, 0, 16, 0]; copied = 0 if False else 16"),
    ("fault-bill", "present means writable", 3, "faults = [1, 0, 0, 0, 1, 1]; copied = 0"),
    ("fault-bill", "a store takes its window along", 4, "faults = [1, 0, 1, 0, 1, 0]; copied = 0"),
    ("fault-bill", "shared stores copy", 6, "faults = [1, 0, 1, 0, 1, 1]; copied = 8192"),
    ("fault-bill", "cached means no fault", 1, "faults = [0, 0, 0, 0, 0, 0]; copied = None"),
    ("fault-bill", "a total", 1, "faults = 4; copied = 0"),
    ("fault-bill", "RIGHT: a tuple", None, "faults = (1, 0, 1, 0, 1, 1)\ncopied = 0"),
    (
        "fault-bill",
        "RIGHT: measured",
        None,
        """
kernel = Kernel()
kernel.create_file("f", pages(32), warm=True)
p = kernel.spawn()
a = p.mmap(0x10000000, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, p.open("f", O_RDWR))
faults = []
for act in (lambda: p.load(a + 3 * PAGE), lambda: p.load(a + 12 * PAGE), lambda: p.store(a + 12 * PAGE, b"x"),
            lambda: p.store(a + 12 * PAGE + 1, b"y"), lambda: p.store(a + 20 * PAGE, b"z"), lambda: p.load(a + 21 * PAGE)):
    before = p.faults().minor
    act()
    faults.append(p.faults().minor - before)
copied = sum(getattr(r.event, "nbytes", 0) for r in kernel.trace.records[-40:] if type(r.event).__name__ == "Copy")
""",
    ),
    # 3: do_fault_around
    ("fault-window", "windows laid out by file page", 0, window("slot - vmf.pgoff % n")),
    ("fault-window", "centred on the fault", 0, window("max(0, slot - n // 2, slot - in_area)")),
    ("fault-window", "the whole area", 0, window("max(0, slot - in_area)", "min(512, slot + vmf.vma.pages - in_area)")),
    ("fault-window", "the moved window loses pages", 4, window(last="min(slot // n * n + n, 512, slot + vmf.vma.pages - in_area)")),
    ("fault-window", "begins before the area", 2, window("slot // n * n")),
    ("fault-window", "leaves the page table", 6, window(last="min(first + n, slot + vmf.vma.pages - in_area)")),
    ("fault-window", "leaves the area", 4, window(last="min(first + n, 512)")),
    ("fault-window", "sixteen, whatever the configuration", 7, window().replace("vmf.vma.vm_mm.config.fault_around_pages", "16")),
    ("fault-window", "end not included", 0, window(last="min(first + n, 512, slot + vmf.vma.pages - in_area) - 1")),
    ("fault-window", "only the page itself", 0, "def do_fault_around(vmf):\n    return filemap_map_pages(vmf, vmf.pgoff, vmf.pgoff)"),
    (
        "fault-window",
        "calls the reference",
        0,
        "from mmaplab.sim.filefault import do_fault_around as reference\ndef do_fault_around(vmf): return reference(vmf)",
    ),
    (
        "fault-window",
        "RIGHT: addresses in place of slots",
        None,
        """
def do_fault_around(vmf):
    vma = vmf.vma
    size = vma.vm_mm.config.fault_around_bytes
    table = vmf.address // (512 * PAGE) * (512 * PAGE)
    start = max(vmf.address // size * size, vma.vm_start, table)
    end = min(start + size, vma.vm_end, table + 512 * PAGE)
    shift = vmf.pgoff - vmf.address // PAGE
    return filemap_map_pages(vmf, start // PAGE + shift, end // PAGE - 1 + shift)
""",
    ),
    (
        "fault-window",
        "RIGHT: page by page",
        None,
        """
def do_fault_around(vmf):
    n = vmf.vma.vm_mm.config.fault_around_pages
    slot = (vmf.address >> 12) & 511
    room = vmf.pgoff - vmf.vma.vm_pgoff
    first = slot
    while first % n and first > 0 and slot - first < room:
        first -= 1
    last = first
    while last + 1 < min(first + n, 512) and vmf.pgoff + last + 1 - slot < vmf.vma.vm_pgoff + vmf.vma.pages:
        last += 1
    return filemap_map_pages(vmf, vmf.pgoff - (slot - first), vmf.pgoff + (last - slot))
""",
    ),
    # 4: the careless fault handler
    ("fault-bug", "the mistake is still there", 2, cases(dispatch="return do_read_fault(vmf) if not vma.vm_flags & 2 else do_shared_fault(vmf) if vma.shared else do_cow_fault(vmf)")),
    ("fault-bug", "private and shared swapped", 2, cases(dispatch="return do_read_fault(vmf) if not vmf.write else do_cow_fault(vmf) if vma.shared else do_shared_fault(vmf)")),
    ("fault-bug", "never copies", 3, cases(dispatch="return do_read_fault(vmf) if not vmf.write else do_shared_fault(vmf)")),
    ("fault-bug", "a witness that loads once", 3, cases(witness='a = p.mmap(0, PAGE, 3, MAP_SHARED, p.open("f", O_RDWR)); p.load(a)')),
    ("fault-bug", "a witness that may only read", 3, cases(witness='a = p.mmap(0, 2 * PAGE, 1, MAP_SHARED, p.open("f")); p.load(a); p.load(a + PAGE)')),
    ("fault-bug", "a witness of too many calls", 3, cases(witness='a = p.mmap(0, 8 * PAGE, 3, MAP_SHARED, p.open("f", O_RDWR)); [p.load(a + i * PAGE) for i in range(8)]')),
    ("fault-bug", "the careless one itself", 2, cases() + "\nfixed_handle_mm_fault = careless_handle_mm_fault"),
    ("fault-bug", "RIGHT: another order", None, cases(dispatch="return (do_shared_fault if vma.shared else do_cow_fault)(vmf) if vmf.write else do_read_fault(vmf)")),
    (
        "fault-bug",
        "RIGHT: a private witness, and the careless one corrected by a disguise",
        None,
        cases(witness='a = p.mmap(0, PAGE, 3, 2, p.open("f")); p.load(a); p.store(a, b"x")', dispatch="return {(0, 0): do_read_fault, (0, 1): do_read_fault, (1, 0): do_cow_fault, (1, 1): do_shared_fault}[vmf.write, vma.shared](vmf)"),
    ),
    # 5: exactly ten faults
    ("fault-exact", "the plain walk", 0, ten()),
    ("fault-exact", "one store too many", 0, ten("[p.store(a + i * PAGE, b'x') for i in range(4)]")),
    ("fault-exact", "stores to one page", 0, ten("[p.store(a + i, b'x') for i in range(3)]")),
    ("fault-exact", "the same loads again", 0, ten("[p.load(a + i * PAGE) for i in range(3)]")),
    ("fault-exact", "not every page", 3, 'def ten_faults(p):\n    a = p.mmap(0x10000000, 100 * PAGE, 3, 0x11, p.open("f", 2))\n    [p.load(a + i * PAGE) for i in range(0, 99)]\n    [p.store(a + i * PAGE, b"x") for i in range(3)]'),
    ("fault-exact", "too many system calls", 3, ten("[(p.madvise(a + i * 16 * PAGE, PAGE, 4), p.load(a + i * 16 * PAGE)) for i in range(3)]")),
    ("fault-exact", "a cold file of its own", 0, ten("p.madvise(a, 100 * PAGE, 21)")),
    ("fault-exact", "RIGHT: throw three windows away", None, ten("p.madvise(a, 48 * PAGE, 4); [p.load(a + i * 16 * PAGE) for i in range(3)]", prot="PROT_READ")),
    ("fault-exact", "RIGHT: private copies", None, ten("[p.store(a + i * PAGE, b'x') for i in (9, 50, 99)]", kind="2")),
    ("fault-exact", "RIGHT: it measures itself", None, ten("page = 0\n    while p.faults().minor < 10:\n        p.store(a + page * PAGE, b'x')\n        page += 1")),
]
