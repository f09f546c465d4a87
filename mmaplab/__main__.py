"""`python -m mmaplab` is the same as the command `mmaplab`."""

from __future__ import annotations

from mmaplab.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
