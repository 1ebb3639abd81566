"""Reproducibility suite for Self-Representation Alignment (SRA, arXiv 2505.02831): from images to the paper's tables."""

__version__ = "0.1.0"
