"""What a study found, drawn: ratios with their intervals, quality against cost, how much sooner, and the trials of tuning."""
