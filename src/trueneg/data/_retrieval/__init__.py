"""Parts of :mod:`trueneg.data.retrieval`."""
