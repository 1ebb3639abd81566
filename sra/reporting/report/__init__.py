"""The report: one typed document of everything, and the page and PDF made from it."""
