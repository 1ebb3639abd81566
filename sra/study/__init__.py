"""The statistics of many methods and seeds: paired ratios, budgets, intervals, and what may be said of them."""
