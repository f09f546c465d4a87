"""Every rule has a test that is named after it. A rule without one is a promise that nobody checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent

RULES = {
    "1_1": "offsets of areas",
    "1_2": "compatible neighbours",
    "1_3": "when merging is tried",
    "1_4": "where the identity of private pages comes from",
    "1_5": "fork",
    "1_6": "promised memory",
    "1_7": "shared mappings of what may only be read",
    "1_8": "mmap over something",
    "1_9": "mremap",
    "2_1": "the highest gap, and hints",
    "2_2": "large mappings begin on 2 MiB",
    "2_3": "what the search starts from",
    "2_4": "the ends of the address space",
    "3": "errno, and what was done before it",
    "4": "signals, codes and addresses",
    "5_1": "private anonymous memory",
    "5_2": "private mappings of files",
    "5_3": "shared mappings",
    "5_4": "copy on write",
    "5_5": "fault-around",
    "5_6": "single pages and large folios",
    "5_7": "sizes of folios",
    "5_8": "page tables at fork",
    "5_9": "madvise",
    "5_10": "populate and mlock",
    "5_11": "counters",
    "5_12": "smaps",
    "6_1": "truncate",
    "6_2": "bytes behind the end",
    "6_3": "stub pages of ext4",
    "6_4": "readahead belongs to the open file",
    "6_5": "a miss through a mapping",
    "6_6": "a miss of read",
    "6_7": "what follows a miss",
    "6_8": "what can be dropped",
    "6_9": "the books of read and of faults",
    "6_10": "drop_caches",
    "7": "brk",
    "8": "what differs between kernels",
}
"""The rules, by number; rules about driving a live process are tested in tests/real."""


def names_of_tests() -> set[str]:
    """Return the names of all tests of this folder."""
    texts = [path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py")]
    return {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("rule", list(RULES), ids=lambda rule: f"{rule} {RULES[rule]}")
def test_every_rule_has_a_test_of_its_name(rule: str) -> None:
    found = [name for name in names_of_tests() if re.match(rf"test_{rule}_[a-z]", name)]
    assert found, f"no test of rule {rule}: {RULES[rule]}"
