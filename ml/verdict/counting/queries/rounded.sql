-- The branches of a CASE: the probability under which a film with a truth is counted.
      WHEN CAST(:steps AS DOUBLE) > 0 THEN ROUND(1 / (1 + EXP(-ROUND(
        LN(
          LEAST(GREATEST(probability, 1e-7), 1 - 1e-7)
          / (1 - LEAST(GREATEST(probability, 1e-7), 1 - 1e-7))
        ) * CAST(:steps AS DOUBLE)
      ) / CAST(:steps AS DOUBLE))), 9)
      WHEN LEAST(probability, 1 - probability) < 0.0001 THEN ROUND(probability, 10)
      WHEN LEAST(probability, 1 - probability) < 0.01 THEN ROUND(probability, 8)
      ELSE ROUND(probability, 6)
