SELECT CAST(request_time AS DATE) AS day, arm, COUNT(*) AS predictions FROM $predictions GROUP BY CAST(request_time AS DATE), arm ORDER BY day, arm
SELECT date_trunc('day', request_time) AS day, COUNT(*) AS n FROM $requests GROUP BY 1 ORDER BY 1
SELECT to_date(request_time) AS day, arm, AVG(probability) AS mean_probability FROM $predictions GROUP BY ALL ORDER BY day, arm
SELECT arm, predicted_label, COUNT(*) AS n, ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY arm), 1) AS percent FROM $predictions GROUP BY arm, predicted_label ORDER BY arm, predicted_label
SELECT site, arm, COUNT(*) AS n, SUM(CASE WHEN outcome = 'TP' THEN 1 ELSE 0 END) AS tp, SUM(CASE WHEN outcome = 'FN' THEN 1 ELSE 0 END) AS fn FROM $labelled GROUP BY site, arm ORDER BY site, arm
SELECT arm, SUM(CASE WHEN outcome = 'TP' THEN 1 ELSE 0 END) / NULLIF(SUM(CASE WHEN outcome IN ('TP', 'FN') THEN 1 ELSE 0 END), 0) AS sensitivity, SUM(CASE WHEN outcome = 'TN' THEN 1 ELSE 0 END) / NULLIF(SUM(CASE WHEN outcome IN ('TN', 'FP') THEN 1 ELSE 0 END), 0) AS specificity FROM $labelled GROUP BY arm
SELECT arm, percentile_approx(execution_duration_ms, 0.5) AS p50, percentile_approx(execution_duration_ms, 0.95) AS p95, MAX(execution_duration_ms) AS slowest FROM $requests GROUP BY arm
SELECT arm, percentile(execution_duration_ms, array(0.5, 0.9, 0.99)) AS p FROM $requests WHERE status_code = 200 GROUP BY arm
SELECT arm, median(probability) AS median_probability, stddev(probability) AS sd FROM $predictions GROUP BY arm
SELECT hour(request_time) AS hour_of_day, COUNT(*) AS n FROM $requests GROUP BY hour(request_time) ORDER BY hour_of_day
SELECT date_format(request_time, 'EEEE') AS weekday, COUNT(*) AS n FROM $requests GROUP BY date_format(request_time, 'EEEE') ORDER BY n DESC, weekday
SELECT date_format(request_time, 'yyyy-MM') AS month, arm, COUNT(DISTINCT prediction_id) AS films FROM $predictions GROUP BY 1, 2 ORDER BY month, arm
SELECT p.arm, l.radiologist_id, COUNT(*) AS readings FROM $predictions p JOIN $labelled l ON l.prediction_id = p.prediction_id GROUP BY p.arm, l.radiologist_id ORDER BY readings DESC, p.arm, l.radiologist_id
SELECT p.prediction_id, p.probability FROM $predictions p LEFT JOIN $labelled l USING (prediction_id) WHERE l.prediction_id IS NULL ORDER BY p.probability DESC LIMIT 10
SELECT prediction_id, arm, probability FROM $predictions WHERE probability BETWEEN 0.4 AND 0.6 ORDER BY abs(probability - 0.5), prediction_id
SELECT *, row_number() OVER (PARTITION BY arm ORDER BY probability DESC, prediction_id) AS place FROM (SELECT arm, prediction_id, probability FROM $predictions) ORDER BY arm, place
WITH daily AS (SELECT CAST(request_time AS DATE) AS day, COUNT(*) AS n FROM $requests GROUP BY 1) SELECT day, n, n - LAG(n) OVER (ORDER BY day) AS change, SUM(n) OVER (ORDER BY day) AS total FROM daily ORDER BY day
WITH daily AS (SELECT CAST(request_time AS DATE) AS day, COUNT(*) AS n FROM $requests GROUP BY 1) SELECT day, AVG(n) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week_average FROM daily ORDER BY day
SELECT floor(probability * 10) / 10 AS bucket, COUNT(*) AS n FROM $predictions GROUP BY 1 ORDER BY 1
SELECT CASE WHEN probability < 0.2 THEN 'low' WHEN probability < 0.8 THEN 'middle' ELSE 'high' END AS band, COUNT(*) AS n FROM $predictions GROUP BY 1 ORDER BY n DESC, band
SELECT arm, COUNT_IF(status_code <> 200) AS failed, COUNT(*) AS all_requests, COUNT_IF(status_code <> 200) / COUNT(*) AS error_rate FROM $requests GROUP BY arm
SELECT arm, COUNT(*) FILTER (WHERE status_code >= 400) AS failed FROM $requests GROUP BY arm ORDER BY arm
SELECT client_request_id, COUNT(*) AS times FROM $requests WHERE client_request_id IS NOT NULL GROUP BY client_request_id HAVING COUNT(*) > 1
SELECT a.prediction_id, a.probability AS champion, b.probability AS challenger, a.probability - b.probability AS difference FROM $predictions a JOIN $predictions b ON a.prediction_id = b.prediction_id AND a.arm < b.arm
SELECT radiologist_id, ground_truth, COUNT(*) AS n FROM $labelled GROUP BY radiologist_id, ground_truth ORDER BY radiologist_id, ground_truth
SELECT prediction_id, COUNT(DISTINCT ground_truth) AS opinions FROM $labelled GROUP BY prediction_id HAVING COUNT(DISTINCT ground_truth) > 1
SELECT prediction_id, sort_array(collect_list(radiologist_id)) AS readers FROM $labelled GROUP BY prediction_id
SELECT prediction_id, array_join(array_sort(collect_set(ground_truth)), ', ') AS said FROM $labelled GROUP BY prediction_id ORDER BY prediction_id
SELECT AVG(timestampdiff(MINUTE, request_time, decided_at)) AS minutes_to_reading FROM $labelled
SELECT prediction_id, (unix_timestamp(decided_at) - unix_timestamp(request_time)) / 3600 AS hours FROM $labelled WHERE decided_at IS NOT NULL ORDER BY hours, prediction_id
SELECT sex, age_band, COUNT(*) AS n FROM $labelled GROUP BY ROLLUP (sex, age_band)
SELECT site, arm, COUNT(*) AS n FROM $labelled GROUP BY CUBE (site, arm)
SELECT COALESCE(site, 'unknown') AS site, COUNT(DISTINCT patient_key) AS patients FROM $contexts GROUP BY COALESCE(site, 'unknown') ORDER BY patients DESC, site
SELECT device_maker, device_model, COUNT(*) AS films FROM $contexts WHERE device_maker ILIKE 'acme%' OR device_maker IS NULL GROUP BY device_maker, device_model
SELECT hour, arm, requests, ROUND(share * 100, 1) AS percent FROM $traffic WHERE requests > 0 ORDER BY hour DESC, arm
SELECT date_trunc('WEEK', hour) AS week, SUM(requests) AS requests, SUM(failures) AS failures FROM $traffic GROUP BY date_trunc('WEEK', hour)
SELECT arm, SUM(requests * latency_p50_ms) / SUM(requests) AS weighted_median FROM $traffic GROUP BY arm
SELECT arm, model_version, true_positives / (true_positives + false_negatives) AS sensitivity FROM $outcomes WHERE true_positives + false_negatives > 0
SELECT arm, try_divide(true_negatives, true_negatives + false_positives) AS specificity FROM $outcomes
SELECT arm, (true_positives + true_negatives) / nullif(labelled - disputed, 0) AS accuracy FROM $outcomes ORDER BY accuracy DESC
SELECT arm, concat(round(100 * coverage, 1), '%') AS coverage FROM $outcomes
SELECT measure, MAX(psi) AS worst FROM $drift GROUP BY measure HAVING MAX(psi) > 0.1
SELECT * FROM $drift WHERE split_by IS NOT NULL AND psi > 0.2
SELECT * FROM $requests WHERE request_time >= '2026-01-02' AND request_time < '2026-01-04' AND status_code = 200
SELECT COUNT(*) FROM $requests WHERE request_time >= TIMESTAMP '2026-01-02 00:00:00' - INTERVAL 7 DAYS
SELECT COUNT(*) FROM $predictions WHERE request_time > (SELECT MAX(request_time) FROM $predictions) - INTERVAL 24 HOURS
SELECT model_name, model_version, COUNT(*) AS n FROM $predictions GROUP BY model_name, model_version ORDER BY CAST(model_version AS INT)
SELECT arm, corr(probability, CASE WHEN ground_truth = 'PNEUMONIA' THEN 1 ELSE 0 END) AS correlation FROM $labelled GROUP BY arm
SELECT arm, AVG(POWER(probability - CASE WHEN ground_truth = 'PNEUMONIA' THEN 1 ELSE 0 END, 2)) AS brier FROM $labelled WHERE ground_truth IN ('PNEUMONIA', 'NORMAL') GROUP BY arm
SELECT l.site, p.hour_of_day, COUNT(*) AS n FROM $labelled l JOIN (SELECT prediction_id, hour(request_time) AS hour_of_day FROM $predictions) p ON p.prediction_id = l.prediction_id GROUP BY l.site, p.hour_of_day ORDER BY 1, 2
SELECT prediction_id FROM $predictions EXCEPT SELECT prediction_id FROM $labelled
SELECT 'predictions' AS what, COUNT(*) AS n FROM $predictions UNION ALL SELECT 'labelled', COUNT(*) FROM $labelled UNION ALL SELECT 'requests', COUNT(*) FROM $requests
SELECT get_json_object(response, '$$.predictions[0][0]') AS p, status_code FROM $requests
SELECT arm, probability, percent_rank() OVER (PARTITION BY arm ORDER BY probability) AS rank, ntile(4) OVER (ORDER BY probability, prediction_id) AS quartile FROM $predictions
SELECT request_time::DATE AS day, count(*) n, count(*) * 100.0 / (SELECT count(*) FROM $requests) AS share FROM $requests GROUP BY day ORDER BY day
SELECT patient_key, COUNT(*) AS films, MIN(recorded_at) AS first_seen FROM $contexts GROUP BY patient_key HAVING COUNT(*) >= 2 ORDER BY films DESC
SELECT arm, date_add(CAST(request_time AS DATE), -dayofweek(request_time) + 1) AS week_start, COUNT(*) FROM $predictions GROUP BY 1, 2
SELECT EXTRACT(HOUR FROM request_time) AS h, AVG(execution_duration_ms) AS ms FROM $requests GROUP BY EXTRACT(HOUR FROM request_time) ORDER BY h
SELECT arm, max_by(prediction_id, probability) AS surest, min_by(prediction_id, probability) AS least_sure FROM $predictions GROUP BY arm
SELECT l.arm, l.outcome, COUNT(*) AS n, AVG(l.probability) AS mean FROM $labelled AS l WHERE EXISTS (SELECT 1 FROM $contexts c WHERE c.prediction_id = l.prediction_id AND c.sex = 'F') GROUP BY l.arm, l.outcome
SELECT site, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC) AS place FROM $contexts GROUP BY site
SELECT arm, SUM(COUNT(*)) OVER (PARTITION BY arm ORDER BY CAST(request_time AS DATE)) AS running, CAST(request_time AS DATE) AS day FROM $predictions GROUP BY arm, CAST(request_time AS DATE)
SELECT concat_ws(' ', device_maker, device_model) AS device, upper(view) AS view, COUNT(*) AS n FROM $contexts GROUP BY ALL
SELECT count(DISTINCT arm, model_version) AS versions FROM $predictions
SELECT prediction_id, probability, predicted_label = ground_truth AS is_right FROM $labelled WHERE NOT blind OR blind IS NULL
SELECT arm, approx_percentile(probability, array(0.25, 0.5, 0.75)) AS quartiles FROM $predictions GROUP BY arm
SELECT first(probability) FROM (SELECT probability FROM $predictions ORDER BY request_time)
SELECT arm, probability FROM $predictions ORDER BY probability DESC LIMIT 3 OFFSET 1
SELECT arm, SUM(IF(status_code = 200, 0, 1)) AS failed FROM $requests GROUP BY arm
SELECT year(request_time) AS y, weekofyear(request_time) AS w, COUNT(*) FROM $requests GROUP BY y, w ORDER BY y, w
SELECT minute(request_time) DIV 15 * 15 AS quarter_hour, COUNT(*) FROM $requests GROUP BY 1 ORDER BY 1
SELECT b.site, a.* FROM $outcomes a CROSS JOIN (SELECT DISTINCT site FROM $contexts) b ORDER BY b.site, a.arm, a.model_version
