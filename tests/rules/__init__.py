"""One test for each rule of Linux memory mapping that the simulator obeys; see `titles.TITLES`."""
