"""Parts of :mod:`trueneg.clean.pooling_bias`."""
