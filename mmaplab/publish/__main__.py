"""python -m mmaplab.publish"""

from mmaplab.publish.command import main

raise SystemExit(main())
