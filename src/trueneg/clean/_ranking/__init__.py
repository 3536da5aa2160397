"""The parts of :mod:`trueneg.clean.ranking`."""
