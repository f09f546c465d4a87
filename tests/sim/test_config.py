"""Profiles: named ones, the one of this machine, and bad values."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from mmaplab.constants import MAP_32BIT, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ
from mmaplab.lab import NotAvailable
from mmaplab.releases import SINCE
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.config import PROFILES, of_release

PAGE = 4096


def test_today_s_kernel_is_the_default() -> None:
    assert KernelConfig.named("modern") == KernelConfig() == PROFILES["modern"]


def test_a_hint_below_the_lowest_address_becomes_a_whole_page() -> None:
    """Linux takes any number for vm.mmap_min_addr, and rounds it up where it is asked for an address."""
    p = Kernel(KernelConfig(mmap_min_addr=65537, hint_min_addr=65537), check=invariants.check).spawn()
    for flags in (MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT):
        a = p.mmap(PAGE, PAGE, PROT_READ, flags)
        assert a == 17 * PAGE
        p.munmap(a, PAGE)


@pytest.mark.parametrize("name", ["modern", "classic", "modern-tmpfs", "classic-tmpfs"])
def test_every_profile_runs(name: str) -> None:
    config = KernelConfig.named(name)
    assert config.file_system == ("tmpfs" if name.endswith("tmpfs") else "ext4")
    kernel = Kernel(config)
    kernel.create_file("f", b"x" * 5000)
    p = kernel.spawn()
    assert p.load(p.mmap(0, 5000, 1, 1, p.open("f"))) == b"x"


def test_the_older_kernel_has_what_it_had() -> None:
    """5.15: single pages, windows of sixteen, readahead of 128 KiB, no alignment on 2 MiB."""
    old, new = KernelConfig.named("classic"), KernelConfig.named("modern")
    assert not old.large_folios and new.large_folios
    assert (old.fault_around_pages, old.ra_pages, old.thp_align_anon) == (16, 32, "never")
    assert old == of_release((5, 15)) and new == of_release((6, 18)) == of_release((99, 0))
    differ = {f.name for f in fields(KernelConfig) if getattr(old, f.name) != getattr(new, f.name)}
    assert {"map_whole_folio", "merge_unfaulted", "mremap_multi", "async_hit_is_minor"} <= differ


def test_a_release_between_the_profiles() -> None:
    """Every field that a release switches on exists, and is off before it."""
    assert set(SINCE) <= {f.name for f in fields(KernelConfig)}
    for field, (major, minor) in SINCE.items():
        before, since = of_release((major, minor - 1)), of_release((major, minor))
        assert (getattr(before, field), getattr(since, field)) == (False, True)
    aligned = [of_release((6, minor)).thp_align_anon for minor in (6, 7, 12, 13)]
    assert aligned == ["never", "larger", "larger", "multiple"]


@pytest.mark.parametrize("name", ["newest", "modern-xfs", ""])
def test_an_unknown_profile_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"no profile '{name}'"):
        KernelConfig.named(name)


def test_this_machine_takes_what_was_measured() -> None:
    config = KernelConfig.of_this_machine({"ra_pages": 7, "file_system": "tmpfs"})
    assert (config.ra_pages, config.file_system) == (7, "tmpfs")
    with pytest.raises(ValueError, match="no field 'readahead'"):
        KernelConfig.of_this_machine({"readahead": 7})


@pytest.mark.live
def test_the_probe_measures_fields_that_exist() -> None:
    from mmaplab.real.probe import measured

    try:
        found = measured()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    assert set(found) <= {f.name for f in fields(KernelConfig)} and len(found) >= 8
    assert KernelConfig.of_this_machine(found).fault_around_pages >= 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page_size", 8192),
        ("file_system", "xfs"),
        ("fault_around_bytes", 5000),
        ("fault_around_bytes", 3 * 4096),
        ("thp_align_anon", "always"),
        ("cpus", 0),
        ("tlb_entries", 0),
        ("memory_pages", -1),
        ("memory_pages", 0),
        ("disk_pages", -5),
        ("ra_pages", -1),
        ("io_pages", -1),
        ("max_map_count", 0),
        ("rlimit_as", -1),
        ("overcommit_memory", 3),
        ("commit_seconds", float("nan")),
        ("flush_tick_seconds", 0),
    ],
)
def test_a_bad_value_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{field} is {value!r}"):
        replace(KernelConfig(), **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("base", [5, 0, -PAGE, PAGE, 1 << 47, 0x7FFF_0000_0001])
def test_an_impossible_mmap_base_is_named(base: int) -> None:
    with pytest.raises(ValueError, match=f"mmap_base is {base:#x}: give the start of a page"):
        KernelConfig(mmap_base=base)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cpus", "2", "a whole number"),
        ("cpus", True, "a whole number"),
        ("cpus", None, "a whole number"),
        ("fault_around_bytes", "64K", "a whole number"),
        ("memory_pages", 1.5, "a whole number, or None"),
        ("journal", 1, "True or False"),
        ("file_system", None, "a string"),
        ("commit_seconds", "5", "a number of seconds"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(field: str, value: object, words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"{field} is {value!r}: give {words}")):
        KernelConfig(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": "modern"}, "config is 'modern': give a KernelConfig, such as KernelConfig.named('modern')"),
        ({"config": {"cpus": 2}}, "config is {'cpus': 2}: give a KernelConfig"),
        ({"record": "x"}, "record is 'x': give True or False"),
        ({"check": 7}, "check is 7: give a function"),
    ],
)
def test_what_is_no_argument_of_a_kernel_is_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        Kernel(**arguments)  # type: ignore[arg-type]
