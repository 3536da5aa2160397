"""A review: draw the rows that a person should judge, give a page to judge on, read the answers back."""

from __future__ import annotations
