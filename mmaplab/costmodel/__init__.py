"""What a program will cost in time, from what it does and from a few prices of this machine.

    prices = Prices.of(lab(calibrate, "09 prices"))           a second or two, on the live kernel
    work = trials.touching(passes=4).work(pages=16384)               counts, from the simulated kernel; nothing is timed
    estimate(work, prices)                                    nanoseconds of a program that has never run here

The counts are exact and the same everywhere; only the prices are times. See work.py (the formula), trials.py (programs
in both forms), calibrate.py (the prices) and contest.py (how good the estimates are).
"""

from mmaplab.costmodel import trials
from mmaplab.costmodel.calibrate import calibrate
from mmaplab.costmodel.contest import contest, estimates, races
from mmaplab.costmodel.work import Prices, Work, estimate, parts

__all__ = ["Prices", "Work", "calibrate", "contest", "estimate", "estimates", "parts", "races", "trials"]
