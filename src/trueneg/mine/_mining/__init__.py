"""Parts of :mod:`trueneg.mine.mining`."""
