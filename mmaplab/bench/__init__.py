"""The numbers that the project promises, measured and written down. `mmaplab bench --help`, or `make bench`."""
