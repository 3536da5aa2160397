"""The parts of :mod:`trueneg.core.neighbors`."""
