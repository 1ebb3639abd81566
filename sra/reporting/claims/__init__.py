"""The paper's claims, judged from numbers that tables and figures show."""
