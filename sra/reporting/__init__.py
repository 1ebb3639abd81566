"""Tables, figures and the page: the paper's numbers beside ours, from score files, with the same bytes for the same inputs. No torch."""
