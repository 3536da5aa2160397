"""The parts of :mod:`trueneg.report.figures`."""
