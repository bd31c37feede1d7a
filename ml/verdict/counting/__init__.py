"""From labelled rows to counts: made where the rows are."""
