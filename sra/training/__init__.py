"""Training any run of any method: the loop, its state, the averaged weights and what survives an interruption."""
