"""The machine learning: one command a module here, what they are made of in the rooms."""
