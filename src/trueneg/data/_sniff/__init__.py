"""The parts of :mod:`trueneg.data.sniff`; import them from there."""
