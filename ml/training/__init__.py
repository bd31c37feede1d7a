"""From labelled films to a trained network."""
