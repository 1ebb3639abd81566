"""What the results hold, as the report reads it: scores, probes, sample packs, and what the papers print."""
