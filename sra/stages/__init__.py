"""One file for each stage of the workflow: reads a specification, calls the rooms below, writes its files whole with a receipt."""
