"""The parts of trueneg.heads.naive_bayes, which is where they are public."""
