"""The assembled loop: what the listing says is what the bytes are."""

from __future__ import annotations

import re

import pytest

from mmaplab.real import machine_code


def test_every_line_is_assembled() -> None:
    code, labels = machine_code.assemble()
    lines = [line for line in machine_code.LISTING.splitlines() if line.startswith("    ")]
    assert len(lines) == int(re.findall(r"(\d+) instructions", machine_code.__doc__ or "")[0])
    assert set(labels) >= {"start", "child", "loop", "handler", "restorer"}
    assert labels["start"] == 0
    assert len(code) < 4096


def test_jumps_go_to_their_labels() -> None:
    code, labels = machine_code.assemble("a:\n    e9 <b>    jmp b\n    90    nop\nb:\n    e9 <a>    jmp a  # back\n")
    assert code == bytes.fromhex("e901000000 90 e9f5ffffff")
    assert labels == {"a": 0, "b": 6}


def test_a_jump_to_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        machine_code.assemble("    e9 <nowhere>    jmp nowhere\n")


def test_offsets_in_the_listing_are_those_of_the_channel() -> None:
    text = machine_code.LISTING
    assert f"lea rsp, [r15+{machine_code.STACK_TOP:#x}]" in text
    for offset in (machine_code.SIGNO, machine_code.SI_CODE, machine_code.SI_ADDR, machine_code.RECOVERY):
        assert f"[r15+{offset:#x}], rax" in text
    assert f"mov rax, [r15+{machine_code.NUMBER:#x}]" in text
