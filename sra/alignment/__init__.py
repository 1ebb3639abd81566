"""What pulls a student's features towards a target while it trains: one small file a method."""
