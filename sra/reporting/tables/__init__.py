"""Tables: from scores, costs and settings to a document, and from a document to every format."""
