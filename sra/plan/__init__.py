"""What to build, from what and with what: all that the `.smk` files call. No torch, so a plan of the paper preset takes seconds."""
