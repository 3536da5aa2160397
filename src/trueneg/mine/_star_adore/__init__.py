"""The parts of :mod:`trueneg.mine.star_adore`, which is where they are public."""
