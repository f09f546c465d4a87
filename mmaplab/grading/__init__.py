"""Exercises that grade themselves: at the desk with `check`, in bulk with `mmaplab grade`."""
