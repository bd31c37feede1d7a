-- The days added up: what `counts.sql` counts of all cases at once.
SELECT
  counted,
  day,
  side,
  standing,
  mature,
  propensity,
  called,
  truth,
  sampling,
  keyed,
  rounded,
  milliseconds,
  hours,
  said_pneumonia,
  said_normal,
  said_neither$subgroup_columns,
  SUM(n) AS n,
  SUM(failures) AS failures,
  SUM(not_blind) AS not_blind,
  SUM(said_again) AS said_again,
  SUM(changed_mind) AS changed_mind,
  SUM(simulations) AS simulations,
  SUM(no_probability) AS no_probability,
  SUM(no_sampling) AS no_sampling,
  SUM(below_review_share) AS below_review_share,
  SUM(below_audit_share) AS below_audit_share,
  SUM(no_propensity) AS no_propensity
FROM (
  SELECT
    counted,
    CASE WHEN counted IN ('requests', 'films') THEN day END AS day,
    side,
    standing,
    CASE WHEN counted = 'standings' THEN mature END AS mature,
    propensity,
    called,
    truth,
    sampling,
    keyed,
    CASE
      WHEN counted <> 'scores' THEN NULL
$rounded
    END AS rounded,
    milliseconds,
    hours,
    said_pneumonia,
    said_normal,
    said_neither,
    subgroup,
    n,
    failures,
    not_blind,
    said_again,
    changed_mind,
    simulations,
    no_probability,
    no_sampling,
    below_review_share,
    below_audit_share,
    no_propensity
  FROM cells
  WHERE NOT (counted = 'units' OR counted LIKE 'patients by %')
    AND (mature OR NOT (counted IN ('films', 'scores') OR counted LIKE 'subgroup %'))
) AS cell
GROUP BY counted, day, side, standing, mature, propensity, called, truth, sampling, keyed, rounded,
  milliseconds, hours, said_pneumonia, said_normal, said_neither, subgroup
