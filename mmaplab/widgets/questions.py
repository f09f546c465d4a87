"""The questions of the chapters' «Check yourself», kept apart so that a cell does not give the answer away.

    ask("05-1")       puts the question of that key

Each is (question, {answer: what a wrong answer comes from, or None for the right one}).
"""

from __future__ import annotations

from mmaplab.widgets.quiz import Answers, Quiz, quiz

QUESTIONS: dict[str, tuple[str, Answers]] = {
    "05-1": (
        "A file of 64 pages is cached. Your program maps it and reads one byte of each page. Which number is certain?",
        {
            "64 faults": "That is one fault per page. A fault maps the cached neighbours in its window too.",
            "0 faults, since the file is cached": "Cached is the file's state. Your page table is empty after mmap.",
            "at least 4 faults": None,
            "exactly 4 faults": "Only if the area begins at a multiple of 16 slots.",
        },
    ),
    "05-2": (
        "A fault is counted as minor. What is certain?",
        {
            "The page was in the page table": "Then there would have been no fault.",
            "Nobody waited for the disk": None,
            "It cost next to nothing": "It is an entry into the kernel, some microseconds: dearer than a system call.",
            "The page was touched before": "By somebody, perhaps. Readahead may have brought it in untouched.",
        },
    ),
    "05-3": (
        "mincore says that all pages of your new mapping are in memory. Your first load of page 0 ...",
        {
            "faults": None,
            "does not fault": "mincore answers for the page cache. The page table of your process is still empty.",
            "faults only if the file changed": "A change of the file is not what the page table is about.",
        },
    ),
    "05-4": (
        "You have loaded every page of a shared writable mapping of an ext4 file. Now you store into page 7, twice.",
        {
            "no fault: the entry is there": "It is there, but read-only: the kernel wants to see the first store.",
            "one fault": None,
            "two faults": "After the first store the entry is writable, until the page is written back.",
            "one fault, and its window becomes writable": "A store makes one page dirty, so it maps one page.",
        },
    ),
}
"""Every question, by its key: the chapter's number and the question's."""


def ask(key: str) -> Quiz:
    """Put one question of a chapter; raises LookupError for a key that is none."""
    if key not in QUESTIONS:
        raise LookupError(f"there is no question {key!r}: there are {', '.join(sorted(QUESTIONS))}")
    question, answers = QUESTIONS[key]
    return quiz(question, answers, key)
