"""Which arm is better: from labelled rows to PROMOTE, KEEP, ROLLBACK or INCONCLUSIVE."""
