"""Images on their way to training: archive -> index -> crop -> array store -> batches. Knows no model."""
