"""Class statistics in parts; the door is :mod:`trueneg.core.class_stats`."""
