"""The parts of :mod:`trueneg.reject.mahalanobis`, which is where they are public."""
