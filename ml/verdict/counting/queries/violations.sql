-- Rows that no analysis can be made of.
SELECT
  COUNT_IF(NOT (probability >= 0 AND probability <= 1)) AS no_probability,
  COUNT_IF(NOT (sampling > 0 AND sampling <= 1)) AS no_sampling,
  COUNT_IF(truth >= -1 AND called AND sampling < CAST(:review_share AS DOUBLE))
    AS below_review_share,
  COUNT_IF(truth >= -1 AND NOT called AND sampling < CAST(:audit_share AS DOUBLE))
    AS below_audit_share,
  COUNT_IF(propensity < 0 OR propensity > 1) AS no_propensity
FROM cases
