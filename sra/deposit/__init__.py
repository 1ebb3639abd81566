"""What is handed on: the appendix, the list of every number, and the metadata of an archive. No torch."""
