"""Figures: one file a kind, from what the results hold to a document and its picture."""
