"""The parts of :mod:`trueneg.clean.neighbors`."""
