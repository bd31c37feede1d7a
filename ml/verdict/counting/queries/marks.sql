-- What is noted of each case, to be added up by `sums.sql`.
COALESCE(status_code <> 200, FALSE) AS failed,
    COALESCE(NOT (probability >= 0 AND probability <= 1), FALSE) AS no_probability,
    COALESCE(NOT (sampling > 0 AND sampling <= 1), FALSE) AS no_sampling,
    COALESCE(truth >= -1 AND called AND sampling < CAST(:review_share AS DOUBLE), FALSE) AS below_review_share,
    COALESCE(truth >= -1 AND NOT called AND sampling < CAST(:audit_share AS DOUBLE), FALSE) AS below_audit_share,
    COALESCE(propensity < 0 OR propensity > 1, FALSE) AS no_propensity,
    not_blind,
    said_again,
    changed_mind,
    simulations
