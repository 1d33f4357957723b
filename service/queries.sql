-- key_by_id: the API key with this id, revoked or not
SELECT name, role, hash, revoked_at FROM api_keys WHERE id = $1;

-- touch_key: remember that a key was used, at most once a minute
UPDATE api_keys SET last_used_at = $2::timestamptz
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - INTERVAL '1 minute');

-- create_key: a new key; a revoked one of the same name makes room, one in force does not
INSERT INTO api_keys (id, name, role, hash, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE
    SET id = excluded.id, role = excluded.role, hash = excluded.hash,
        created_at = excluded.created_at, revoked_at = NULL, last_used_at = NULL
    WHERE api_keys.revoked_at IS NOT NULL
RETURNING id;

-- list_keys: all keys, without their hashes
SELECT id, name, role, created_at, revoked_at, last_used_at FROM api_keys ORDER BY name;

-- revoke_key: revoke the key of this name if it is in force
UPDATE api_keys SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL RETURNING id;

-- audit: one line of the audit log
INSERT INTO audit_log (at, actor, action, subject, data) VALUES ($1, $2, $3, $4, $5);

-- list_elevators: a page of the registry, by id; a NULL filter does not filter
SELECT e.*, g.name AS gateway,
       (SELECT count(*) FROM alarms a WHERE a.elevator_id = e.id AND a.ended_at IS NULL)
           AS open_alarms
FROM elevators e LEFT JOIN gateways g ON g.id = e.gateway_id
WHERE e.id > $1
  AND ($2::boolean IS NULL OR e.confirmed = $2)
  AND ($3::text IS NULL OR g.name = $3)
  AND ($4::text IS NULL OR e.sticker = $4)
ORDER BY e.id LIMIT $5;

-- elevator: one lift by its code
SELECT e.*, g.name AS gateway,
       (SELECT count(*) FROM alarms a WHERE a.elevator_id = e.id AND a.ended_at IS NULL)
           AS open_alarms
FROM elevators e LEFT JOIN gateways g ON g.id = e.gateway_id
WHERE e.code = $1;

-- last_frame: the newest frame of a lift
SELECT time, received_at FROM frames WHERE elevator_id = $1 ORDER BY time DESC, seq DESC LIMIT 1;

-- lock_elevator: one lift by its code, locked for a change of its registration
SELECT e.*, g.name AS gateway FROM elevators e LEFT JOIN gateways g ON g.id = e.gateway_id
WHERE e.code = $1 FOR UPDATE OF e;

-- add_elevator: make room for a lift that is not known yet
INSERT INTO elevators (code, first_seen) VALUES ($1, $2) ON CONFLICT (code) DO NOTHING;

-- add_gateway: the id of a gateway, which is created if it is not known yet
WITH made AS (
    INSERT INTO gateways (name, first_seen) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
    RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM gateways WHERE name = $1 LIMIT 1;

-- update_elevator: all that the registry says about a lift
UPDATE elevators
SET sticker = $2, unit = $3, building = $4, address = $5, district = $6, maintainer = $7,
    use_unit = $8, insurer = $9, policy = $10, model = $11, rated_speed_mps = $12,
    params = $13, confirmed = $14, gateway_id = $15, gateway_registered = $16
WHERE id = $1;

-- frames: frames of a lift in a span of time, after a key, in order
SELECT f.*, l.label AS floor_label, g.name AS gateway
FROM frames f
JOIN gateways g ON g.id = f.gateway_id
LEFT JOIN floor_labels l ON l.elevator_id = f.elevator_id AND l.key = f.floor
WHERE f.elevator_id = $1 AND f.time >= $2 AND f.time < $3 AND (f.time, f.seq) > ($4, $5)
ORDER BY f.time, f.seq LIMIT $6;

-- list_gateways: a page of gateways, by id
SELECT g.id, g.name, g.status, g.status_at, g.first_seen,
       (SELECT count(*) FROM elevators e WHERE e.gateway_id = g.id) AS elevators
FROM gateways g WHERE g.id > $1::bigint ORDER BY g.id LIMIT $2;

-- list_dead_letters: a page of dead letters, newest identity first; a NULL filter does not filter
SELECT id, class, reason, topic, index, key, size, detail, received_at, last_at, times,
       replayed_at, encode(sha256, 'hex') AS sha256
FROM dead_letters
WHERE id < $1
  AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR class = $3)
  AND ($4::text IS NULL OR topic = $4)
  AND ($5::timestamptz IS NULL OR last_at >= $5)
ORDER BY id DESC LIMIT $6;

-- dead_letter: one dead letter with its bytes
SELECT id, class, reason, topic, index, key, size, raw, detail, received_at, last_at, times,
       replayed_at, encode(sha256, 'hex') AS sha256
FROM dead_letters WHERE id = $1;

-- mark_replayed: remember when a dead letter was submitted again
UPDATE dead_letters SET replayed_at = $2 WHERE id = $1;

-- schema_revision: the migration that the database is at
SELECT version_num FROM alembic_version;

-- list_alarms: a page of alarms with their lifts, newest onset first; a NULL filter does not filter
SELECT a.*, e.code, e.sticker, e.building, e.address, e.confirmed
FROM alarms a JOIN elevators e ON e.id = a.elevator_id
WHERE ($1::text IS NULL OR a.state = $1)
  AND ($2::boolean IS NULL OR (a.ended_at IS NULL) = $2)
  AND ($3::boolean IS NULL OR a.past = $3)
  AND ($4::smallint IS NULL OR a.kind = $4)
  AND ($5::text IS NULL OR e.code = $5)
  AND ($6::timestamptz IS NULL OR a.onset >= $6)
  AND ($7::timestamptz IS NULL OR (a.onset, a.id) < ($7, $8::uuid))
  AND ($10::smallint[] IS NULL OR a.kind_now = ANY ($10))
ORDER BY a.onset DESC, a.id DESC LIMIT $9;

-- server: what the server is and how it keeps data
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS number,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('max_connections')::int AS connections,
       pg_size_pretty(pg_database_size(current_database())) AS size;

-- edition: TimescaleDB in this database
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS version,
       coalesce(current_setting('timescaledb.license', true), 'apache') AS license;

-- open_alarms_by_kind: how many alarms are not over, by kind
SELECT kind, count(*) AS count FROM alarms WHERE ended_at IS NULL GROUP BY kind;

-- registry_changed: tell the process that works which lift a person changed
SELECT pg_notify('hoistway_registry', $1);

-- score_elevators: what the registry says about the lifts of a truth file
SELECT id, code, sticker, unit, building, address, district, maintainer, use_unit, insurer, policy,
       model, rated_speed_mps
FROM elevators WHERE code = ANY($1::text[]) ORDER BY id;

-- score_transitions: what was found on some lifts in a span of event time, in order, and when
SELECT t.elevator_id, t.time, t.onset, t.kind, t.kind_now, t.change, t.reason, t.confidence, t.rule,
       t.version, t.evidence, t.thresholds, t.parameters, b.now_us AS known_us
FROM transitions t JOIN batches b ON b.lane = t.lane AND b.id = t.batch
WHERE t.elevator_id = ANY($1::bigint[]) AND t.time >= $2 AND t.time <= $3
ORDER BY t.lane, t.batch, t.n;

-- score_alarms: the alarms of some lifts
SELECT a.id, e.code, a.kind, a.onset FROM alarms a JOIN elevators e ON e.id = a.elevator_id
WHERE a.elevator_id = ANY($1::bigint[]);

-- shadow_set: begin a shadow run
INSERT INTO shadow_runs (parameters, candidate, set_at, set_by) VALUES ($1, $2, $3, $4)
RETURNING version;

-- shadow_clear: end the shadow run that is in force
UPDATE shadow_runs SET cleared_at = $1, cleared_by = $2 WHERE cleared_at IS NULL RETURNING version;

-- shadow_run: the run of a version; NULL = the one in force
SELECT version, parameters, candidate, set_at, set_by, cleared_at, cleared_by
FROM shadow_runs
WHERE CASE WHEN $1::int IS NULL THEN cleared_at IS NULL ELSE version = $1 END;

-- list_shadow_runs: a page of runs before a version, newest first
SELECT version, parameters, candidate, set_at, set_by, cleared_at, cleared_by
FROM shadow_runs WHERE version < $1 ORDER BY version DESC LIMIT $2;

-- list_shadow_transitions: a page of what a run would have said, by time; NULL does not filter
SELECT t.lane, t.batch, t.n, e.code, t.elevator_id, t.time, t.onset, t.kind, t.kind_now, t.change,
       t.reason, t.confidence, t.rule, t.rule_version AS version, t.evidence, t.thresholds,
       t.parameters
FROM shadow_transitions t JOIN elevators e ON e.id = t.elevator_id
WHERE t.version = $1 AND t.time >= $2 AND t.time < $3
  AND ($4::text IS NULL OR e.code = $4)
  AND ($5::smallint IS NULL OR t.kind_now = $5)
  AND (t.time, t.lane, t.batch, t.n) > ($6, $7, $8, $9)
ORDER BY t.time, t.lane, t.batch, t.n LIMIT $10;

-- lock_shadow: one change of what runs at a time
SELECT pg_advisory_xact_lock($1);

-- forget_shadow: at most $2 findings of shadows from before $1, the oldest first
DELETE FROM shadow_transitions WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM shadow_transitions WHERE time < $1 ORDER BY time LIMIT $2));

-- forget_delivery_attempts: at most $2 attempts from before $1 of alarms that ended before $1
DELETE FROM delivery_attempts WHERE ctid = ANY (ARRAY(
    SELECT a.ctid
    FROM delivery_attempts a
    JOIN deliveries d ON d.message_id = a.message_id AND d.endpoint = a.endpoint
    LEFT JOIN alarms m ON m.id = d.alarm_id
    WHERE a.started_at < $1 AND d.state <> 'pending' AND (m.id IS NULL OR m.ended_at < $1)
    ORDER BY a.started_at LIMIT $2));

-- shadow_newest: the newest shadow run, in force or not
SELECT max(version) FROM shadow_runs;

-- shadow_hold: hold the run in force until the end of the transaction; no row = it is over
SELECT version FROM shadow_runs WHERE version = $1 AND cleared_at IS NULL FOR SHARE;

-- shadow_standing: how far the lanes of a run are, and how far the service is
SELECT s.*, (SELECT max(b.now_us) FROM batches b WHERE b.lane = s.lane) AS live_us
FROM shadow_lanes s WHERE s.version = $1 ORDER BY s.lane;

-- shadow_lane: one lane of a run
SELECT * FROM shadow_lanes WHERE version = $1 AND lane = $2;

-- shadow_start: when a shadow began, anew or for the first time, and what it remembered then
INSERT INTO shadow_starts (version, lane, at, batch, memory_from_us, reason)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- shadow_starts: the starts of a run
SELECT lane, at, batch, memory_from_us, reason FROM shadow_starts
WHERE version = $1 ORDER BY at, lane;

-- shadow_begin: the place at which a lane's shadow begins
INSERT INTO shadow_lanes (version, lane, lanes, started_batch, started_us, batch, now_us)
VALUES ($1, $2, $3, $4, $5, $4, $5)
ON CONFLICT (version, lane) DO UPDATE
SET lanes = $3, started_batch = $4, started_us = $5, batch = $4, now_us = $5,
    snapshot_batch = NULL;

-- shadow_advance: move on, with what it took
UPDATE shadow_lanes
SET batch = $3, now_us = $4, frames = frames + $5, transitions = transitions + $6,
    step_s = step_s + $7, failures = failures + $8, last_failure = coalesce($9, last_failure)
WHERE version = $1 AND lane = $2;

-- shadow_write: what the shadow would have said in one batch
INSERT INTO shadow_transitions (version, lane, batch, n, elevator_id, time, onset, kind, kind_now,
                                change, reason, confidence, rule, rule_version, evidence,
                                thresholds, parameters)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- shadow_snapshot_piece: keep a piece of a lane's state
INSERT INTO shadow_snapshots (lane, piece, layout, checksum, data) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (lane, piece) DO UPDATE
SET layout = excluded.layout, checksum = excluded.checksum, data = excluded.data;

-- shadow_snapshot_of: name the batch after which the pieces are the state
UPDATE shadow_lanes SET snapshot_batch = $3, snapshot_lifts = $4 WHERE version = $1 AND lane = $2;

-- shadow_pieces: the pieces of a lane's state
SELECT piece, layout, checksum, data FROM shadow_snapshots WHERE lane = $1 ORDER BY piece;

-- shadow_forget: the state of no run is needed
DELETE FROM shadow_snapshots;

-- shadow_lock: be the only process that runs the shadow
SELECT pg_try_advisory_lock($1, $2);

-- compare_shadow: what a shadow run would have said, in order
SELECT t.elevator_id, t.time, t.onset, t.kind, t.kind_now, t.change, t.reason, t.confidence, t.rule,
       t.rule_version AS version, t.evidence, t.thresholds, t.parameters,
       NULL::bigint AS known_us
FROM shadow_transitions t JOIN shadow_lanes s ON s.version = t.version AND s.lane = t.lane
WHERE t.version = $1 AND t.batch > s.started_batch AND t.batch <= s.batch
  AND t.time >= $2 AND ($3::bigint[] IS NULL OR t.elevator_id = ANY ($3))
ORDER BY t.lane, t.batch, t.n;

-- compare_live: what the service said in the batches that a shadow run has taken, in order
SELECT t.*, NULL::bigint AS known_us
FROM transitions t JOIN shadow_lanes s ON s.version = $1 AND s.lane = t.lane
WHERE t.batch > s.started_batch AND t.batch <= s.batch
  AND t.time >= $2 AND ($3::bigint[] IS NULL OR t.elevator_id = ANY ($3))
ORDER BY t.lane, t.batch, t.n;

-- compare_size: how many transitions a comparison would read, each side counted up to $4
SELECT (SELECT count(*) FROM (
            SELECT FROM shadow_transitions s
            WHERE s.version = $1 AND s.time >= $2 AND ($3::text IS NULL OR s.elevator_id =
                  (SELECT id FROM elevators WHERE code = $3)) LIMIT $4) s)
     + (SELECT count(*) FROM (
            SELECT FROM transitions t
            WHERE t.time >= $2 AND ($3::text IS NULL OR t.elevator_id =
                  (SELECT id FROM elevators WHERE code = $3)) LIMIT $4) t);

-- compare_codes: the registration codes of lifts; NULL = of all
SELECT id, code FROM elevators WHERE $1::text[] IS NULL OR code = ANY ($1);

-- number_gaps: the numbers that are missing between stored frames of a lift, late ones included
SELECT time_before, time, seq_before, seq
FROM (SELECT time, seq, lag(time) OVER frames_in_order AS time_before,
             lag(seq) OVER frames_in_order AS seq_before
      FROM frames WHERE elevator_id = $1 AND time >= $2 AND time < $3 AND seq > 0
      WINDOW frames_in_order AS (ORDER BY time, seq)) AS numbered
WHERE seq > seq_before + 1
ORDER BY time, seq;

-- refused_frames: the bytes of frames that we refused in a span of arrival, the newest ones
SELECT raw FROM dead_letters
WHERE class = 'frame' AND last_at >= $1 AND received_at < $2
ORDER BY last_at DESC, id DESC LIMIT $3;

-- elevator_parameters: what says which parameters a lift has
SELECT id, model FROM elevators WHERE code = $1;

-- set_elevator_params: a lift's own parameters
UPDATE elevators SET params = $2 WHERE id = $1;

-- parameters_of_lift: what is in force for a lift of a model, by subject
SELECT DISTINCT ON (scope, subject) version, scope, subject, elevator_id, before, after
FROM parameter_changes
WHERE scope IN ('installation', 'fleet') OR (scope = 'lift' AND subject = $1)
   OR (scope = 'model' AND subject = $2)
ORDER BY scope, subject, version DESC;

-- parameters_of_all: what is in force for settings, fleet and models
SELECT DISTINCT ON (scope, subject) version, scope, subject, elevator_id, before, after
FROM parameter_changes WHERE scope IN ('installation', 'fleet', 'model')
ORDER BY scope, subject, version DESC;

-- parameters_version: the newest version, 0 if there is none
SELECT coalesce(max(id), 0) FROM parameter_versions;

-- count_lifts: lifts of a model, NULL = all
SELECT count(*) FROM elevators WHERE $1::text IS NULL OR model = $1;

-- parameter_versions: a page of versions before $1, newest first; a NULL filter does not filter
SELECT v.id, v.at, v.actor, v.reason,
       (SELECT json_agg(json_build_object('scope', c.scope, 'subject', c.subject,
                                          'before', c.before, 'after', c.after)
                        ORDER BY c.scope, c.subject)
        FROM (SELECT * FROM parameter_changes WHERE version = v.id
              ORDER BY scope, subject LIMIT 100) c) AS changes
FROM parameter_versions v
WHERE v.id < $1 AND EXISTS (
    SELECT FROM parameter_changes c WHERE c.version = v.id
        AND ($3::text IS NULL OR c.scope = $3) AND ($4::text IS NULL OR c.subject = $4))
ORDER BY v.id DESC LIMIT $2;

-- parameter_times: when each version was set
SELECT id, at FROM parameter_versions ORDER BY id;

-- parameter_openings: the first listed batch of every lane, and those that brought a version
-- Without frames it was written for the change, at its instant; else the change came behind the
-- batch before. ``tied``: frames of that one arrived at the very instant, so it counts 1 us later.
WITH b AS (
    SELECT lane, id, parameters, now_us, min_time IS NULL AS is_tick,
           lag(parameters) OVER w AS parameters_before, lag(now_us) OVER w AS before_us,
           lag(min_time) OVER w AS min_time, lag(max_time) OVER w AS max_time
    FROM batches WINDOW w AS (PARTITION BY lane ORDER BY id)
), changed AS (
    SELECT *, CASE WHEN is_tick THEN now_us ELSE before_us END AS at_us
    FROM b WHERE parameters_before IS DISTINCT FROM parameters
)
SELECT lane, id, now_us, parameters, at_us,
       EXISTS (SELECT FROM frames f WHERE f.batch = c.id - 1
               AND f.time BETWEEN c.min_time AND c.max_time
               AND f.received_at = TIMESTAMPTZ 'epoch' + c.at_us * INTERVAL '1 microsecond'
       )::int AS tied
FROM changed c ORDER BY lane, id;
