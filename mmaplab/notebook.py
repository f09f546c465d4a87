"""What a notebook imports, in one place. No logic lives here.

from mmaplab.notebook import Kernel, predict, bill, ladder, source
"""

from __future__ import annotations

from mmaplab import ledger
from mmaplab.advice import advice_effects, faults_and_io
from mmaplab.areas import count_areas, promises, time_with_areas
from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PTRS_PER_PTE
from mmaplab.costmodel import Prices, calibrate, contest, estimate, estimates, parts, races, trials
from mmaplab.durable import cached_after_munmap, dirty_after_each_call, flusher_rules
from mmaplab.edges import in_a_child, page_size, touch_by_system_call
from mmaplab.experiments import faults_by_piece, time_touches, twin
from mmaplab.firstlook import can_be_mapped, cold_file, cold_touch, loaded_elsewhere, text_file
from mmaplab.grading.desk import check, check_slot, frames_here, hint, run_here, score, variant
from mmaplab.grading.programs import pages
from mmaplab.hops import books_of_reading, entries_of_three_ways, four_ways_to_copy, slices_and_views
from mmaplab.interface import BusError, FatalSignal, SegmentationFault
from mmaplab.lab import NotAvailable, lab
from mmaplab.outcomes import crash_outcomes, interleavings
from mmaplab.owners import copies_of_one_store, dirty_pages, first_stores, one_frame_for_two, time_of_change
from mmaplab.ownkernel import against_linux
from mmaplab.ownspace import kernel_thread, my_space, one_line, predict_places, raw_lines, thread_and_me
from mmaplab.pte import address_fields
from mmaplab.randomly import fuzz_here, random_programs
from mmaplab.real import (
    LinuxKernel,
    doctor,
    drop_cache,
    fault_addresses,
    fault_counts,
    file_mapping,
    io_counters,
    pagemap,
    residency,
    rollup,
    status,
    warm_file,
)
from mmaplab.refusals import refusals, refused
from mmaplab.scale import a_terabyte, cold_and_random, cold_in_order, tables_of_a_walk, two_regimes
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.filefault import filemap_map_pages
from mmaplab.sim.mm_types import FaultResult
from mmaplab.source import source
from mmaplab.ties import deleted_and_mapped, tie
from mmaplab.variants import (
    cheaper_question,
    copies_question,
    durable_question,
    edge_question,
    file_page_question,
    hops_question,
    last_page_question,
    line_question,
    merge_question,
    orders_question,
    window_question,
)
from mmaplab.views.areahistory import area_history
from mmaplab.views.bill import bill
from mmaplab.views.cache import page_cache
from mmaplab.views.coursemap import course_map
from mmaplab.views.frames import frames
from mmaplab.views.ladder import ladder
from mmaplab.views.linked import linked
from mmaplab.views.plots import against, lines, raster
from mmaplab.views.space import space
from mmaplab.views.strip import strip
from mmaplab.views.tables import tables
from mmaplab.views.timeline import timeline
from mmaplab.views.twinview import twinview
from mmaplab.widgets.beliefs import beliefs, what_changed
from mmaplab.widgets.live import live_walk
from mmaplab.widgets.live_books import live_copies, live_pages
from mmaplab.widgets.ownwords import own_words
from mmaplab.widgets.play import play
from mmaplab.widgets.player import player
from mmaplab.widgets.predict import compare, compare_pages, predict, predict_pages
from mmaplab.widgets.progress import progress, progress_table
from mmaplab.widgets.questions import ask
from mmaplab.widgets.quiz import quiz, quiz_variant
from mmaplab.widgets.workbench import workbench

__all__ = [
    "PAGE_SHIFT",
    "PAGE_SIZE",
    "PTRS_PER_PTE",
    "BusError",
    "FatalSignal",
    "FaultResult",
    "Kernel",
    "KernelConfig",
    "LinuxKernel",
    "NotAvailable",
    "Prices",
    "SegmentationFault",
    "a_terabyte",
    "address_fields",
    "advice_effects",
    "against",
    "against_linux",
    "area_history",
    "ask",
    "beliefs",
    "bill",
    "books_of_reading",
    "cached_after_munmap",
    "calibrate",
    "can_be_mapped",
    "cheaper_question",
    "check",
    "check_slot",
    "cold_and_random",
    "cold_file",
    "cold_in_order",
    "cold_touch",
    "compare",
    "compare_pages",
    "contest",
    "copies_of_one_store",
    "copies_question",
    "count_areas",
    "course_map",
    "crash_outcomes",
    "deleted_and_mapped",
    "dirty_after_each_call",
    "dirty_pages",
    "doctor",
    "drop_cache",
    "durable_question",
    "edge_question",
    "entries_of_three_ways",
    "estimate",
    "estimates",
    "fault_addresses",
    "fault_counts",
    "faults_and_io",
    "faults_by_piece",
    "file_mapping",
    "file_page_question",
    "filemap_map_pages",
    "first_stores",
    "flusher_rules",
    "four_ways_to_copy",
    "frames",
    "frames_here",
    "fuzz_here",
    "hint",
    "hops_question",
    "in_a_child",
    "interleavings",
    "io_counters",
    "kernel_thread",
    "lab",
    "ladder",
    "last_page_question",
    "ledger",
    "line_question",
    "lines",
    "linked",
    "live_copies",
    "live_pages",
    "live_walk",
    "loaded_elsewhere",
    "merge_question",
    "my_space",
    "one_frame_for_two",
    "one_line",
    "orders_question",
    "own_words",
    "page_cache",
    "page_size",
    "pagemap",
    "pages",
    "parts",
    "play",
    "player",
    "predict",
    "predict_pages",
    "predict_places",
    "progress",
    "progress_table",
    "promises",
    "quiz",
    "quiz_variant",
    "races",
    "random_programs",
    "raster",
    "raw_lines",
    "refusals",
    "refused",
    "residency",
    "rollup",
    "run_here",
    "score",
    "slices_and_views",
    "source",
    "space",
    "status",
    "strip",
    "tables",
    "tables_of_a_walk",
    "text_file",
    "thread_and_me",
    "tie",
    "time_of_change",
    "time_touches",
    "time_with_areas",
    "timeline",
    "touch_by_system_call",
    "trials",
    "twin",
    "twinview",
    "two_regimes",
    "variant",
    "warm_file",
    "what_changed",
    "window_question",
    "workbench",
]
