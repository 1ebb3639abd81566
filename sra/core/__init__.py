"""Atomic files, hashes, seeds, receipts and progress: what every room uses and that knows no model."""
