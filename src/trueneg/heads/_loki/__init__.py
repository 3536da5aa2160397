"""The parts of trueneg.heads.loki, which is where they are public."""
