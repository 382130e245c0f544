"""Two versions side by side: what differs, and bringing two lines together."""
