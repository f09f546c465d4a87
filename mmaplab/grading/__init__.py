"""Exercises that grade themselves: at the desk with `check`, in bulk with `mmaplab grade`.

from mmaplab.grading import check_slot
check_slot(my_find_vma)                 a kernel function of your own against the reference
"""

from mmaplab.grading.desk import check, check_slot, hint

__all__ = ["check", "check_slot", "hint"]
