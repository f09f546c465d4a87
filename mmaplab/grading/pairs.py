"""Functions on plain data that a question calls faulty, each beside what a simulated kernel answers.

This room and `situations` hold right answers. They are not in the copy of the package that answers run on (package.py),
so nothing that an answer's process needs may import them: `judge` does it when it judges.
"""

from __future__ import annotations

from collections.abc import Callable

from mmaplab.grading.bugs_copies import careless_account
from mmaplab.grading.bugs_edges import careless_truncate
from mmaplab.grading.bugs_first import careless_mprotect
from mmaplab.grading.bugs_store import careless_queue
from mmaplab.grading.bugs_ties import careless_unmap
from mmaplab.grading.plain import Plain
from mmaplab.grading.situations import account_of, mprotect_of, queue_of, truncate_of, unmapped_of

PAIRS: dict[str, tuple[Callable[..., Plain], Callable[..., Plain]]] = {
    "careless_mprotect": (mprotect_of, careless_mprotect),
    "careless_truncate": (truncate_of, careless_truncate),
    "careless_unmap": (unmapped_of, careless_unmap),
    "careless_account": (account_of, careless_account),
    "careless_queue": (queue_of, careless_queue),
}
"""By the name of the faulty one: (what a kernel answers, the faulty one)."""
