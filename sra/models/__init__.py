"""Transformers and the small heads that training hangs on them. They know no losses and no processes."""
