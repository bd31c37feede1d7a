"""Jobs: their definitions, and runs that do what they say, or are refused."""
