"""What each alignment method may vary: one file of options a method, every default the paper's with its source beside it. No torch."""
