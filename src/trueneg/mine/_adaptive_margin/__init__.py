"""Parts of :mod:`trueneg.mine.adaptive_margin`."""
