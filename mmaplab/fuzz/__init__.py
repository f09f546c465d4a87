"""Random programs on both kernels: the simulator proves itself. `mmaplab fuzz --help`."""
