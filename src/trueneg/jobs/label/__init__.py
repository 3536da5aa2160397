"""Automatic labels for a file of posts: what ``trueneg label`` does."""

from trueneg.jobs.label.run import label

__all__ = ["label"]
