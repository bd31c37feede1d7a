-- What is added up of the cases that are counted together; of `marks.sql`.
COUNT(*) AS n,
  COUNT_IF(failed) AS failures,
  SUM(not_blind) AS not_blind,
  SUM(said_again) AS said_again,
  SUM(changed_mind) AS changed_mind,
  SUM(simulations) AS simulations,
  COUNT_IF(no_probability) AS no_probability,
  COUNT_IF(no_sampling) AS no_sampling,
  COUNT_IF(below_review_share) AS below_review_share,
  COUNT_IF(below_audit_share) AS below_audit_share,
  COUNT_IF(no_propensity) AS no_propensity
