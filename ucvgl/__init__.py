"""Unsupervised cross-view geo-localization on Ray."""

__version__ = "0.1.0"
