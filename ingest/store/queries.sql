-- Named queries of ingest.store: `-- name: what it does`, then one statement with $n parameters.
-- {columns} stands for layout.select_list, the stored columns with NULL read as "unknown".

-- make_staging: the session's staging table for frames that may be stored already
CREATE TEMP TABLE IF NOT EXISTS frames_staging (LIKE frames) ON COMMIT DELETE ROWS

-- merge_staging: move staged frames over, leaving out those whose key is stored
INSERT INTO frames SELECT * FROM frames_staging ON CONFLICT DO NOTHING

-- lookup_frames: stored frames with these keys; $4 and $5 bound their times, to prune chunks
SELECT {columns}
FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) AS k (elevator_id, time, seq)
JOIN frames f ON f.elevator_id = k.elevator_id AND f.time = k.time AND f.seq = k.seq
WHERE f.time >= $4 AND f.time <= $5

-- read_batches: frames of the batches $1..$2 of one lane, in the order in which they were handled
SELECT {columns}
FROM frames f
WHERE f.batch >= $1 AND f.batch <= $2 AND f.time >= $3 AND f.time <= $4
  AND f.elevator_id % $5 = $6
ORDER BY f.batch, f.elevator_id, f.received_at, f.time, f.seq

-- spans: of each of the lifts $1 that has frames in [$2, $3): where their times begin and end
SELECT f.elevator_id, min(f.time) AS first, max(f.time) AS last, max(f.unit) AS unit,
       min(f.received_at) AS first_arrival, max(f.received_at) AS last_arrival
FROM frames f
WHERE f.elevator_id = ANY ($1::bigint[]) AND f.time >= $2 AND f.time < $3
GROUP BY f.elevator_id

-- read_span: frames of the lifts $1 with event times in [$2, $3)
SELECT {columns}
FROM frames f
WHERE f.elevator_id = ANY ($1::bigint[]) AND f.time >= $2 AND f.time < $3

-- stored_heads: the newest stored event time of each lift that has one
SELECT e.id, h.time
FROM unnest($1::bigint[]) AS e (id)
CROSS JOIN LATERAL (
    SELECT f.time FROM frames f WHERE f.elevator_id = e.id ORDER BY f.time DESC LIMIT 1
) h

-- write_batch: the batch's row, only if the writer's epoch still is $3; holds takeovers off
INSERT INTO batches (lane, id, epoch, now_us, caught_up, min_time, max_time,
                     received, stored, duplicate, rejected, transitions, parameters,
                     listening_since_us)
SELECT w.lane, $2, w.epoch, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
FROM (SELECT lane, epoch FROM writer WHERE lane = $1 AND epoch = $3 FOR SHARE) w

-- lock_writer: wait until no transaction of this lane is under way
SELECT epoch FROM writer WHERE lane = $1 FOR UPDATE

-- batch_exists: whether this batch was committed
SELECT EXISTS (SELECT FROM batches WHERE lane = $1 AND id = $2)

-- last_batch: the newest batch of the lane
SELECT max(id) FROM batches WHERE lane = $1

-- list_batches: batches after $2 in order, at most $3
SELECT lane, id, epoch, now_us, caught_up, min_time, max_time,
       received, stored, duplicate, rejected, transitions, parameters, listening_since_us
FROM batches WHERE lane = $1 AND id > $2 ORDER BY id LIMIT $3

-- last_batch_before: the newest batch handled before $2
SELECT id FROM batches WHERE lane = $1 AND now_us < $2 ORDER BY id DESC LIMIT 1

-- prune_batches: forget batches up to $2, but none that the snapshot does not hold, and never the
-- newest one: numbers would begin again
DELETE FROM batches
WHERE lane = $1 AND id <= least($2, coalesce((SELECT batch FROM snapshots WHERE lane = $1), $2))
  AND id < (SELECT max(id) FROM batches WHERE lane = $1)

-- write_transitions: what the detectors said in one batch
INSERT INTO transitions (lane, batch, n, elevator_id, time, onset, kind, kind_now, change, reason,
                         confidence, rule, version, evidence, thresholds, parameters)
SELECT $1::smallint, $2::bigint, n, elevator_id, time, onset, kind, kind_now, change, reason, confidence,
       rule, version, evidence, thresholds, parameters
FROM json_populate_recordset(null::transitions, $3::text::json)

-- read_transitions: transitions of the batches $2..$3, in order
SELECT batch, n, elevator_id, time, onset, kind, kind_now, change, reason, confidence,
       rule, version, evidence, thresholds, parameters
FROM transitions WHERE lane = $1 AND batch >= $2 AND batch <= $3 ORDER BY batch, n

-- write_dead_letters: keep what could not be used; a repetition only counts
INSERT INTO dead_letters (class, reason, topic, sha256, index, key, size, raw, detail,
                          received_at, last_at, times)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::int[], $6::text[],
                     $7::int[], $8::bytea[], $9::jsonb[], $10::timestamptz[], $11::timestamptz[],
                     $12::bigint[])
ON CONFLICT (topic, sha256, index, class, key, reason) DO UPDATE
SET times = dead_letters.times + excluded.times,
    last_at = greatest(dead_letters.last_at, excluded.last_at)

-- load_gateways: all gateways
SELECT id, name, status, status_at, first_seen FROM gateways ORDER BY id

-- load_elevators: all lifts
SELECT id, code, sticker, unit, building, address, district, maintainer, use_unit, insurer, policy,
       model, rated_speed_mps, params, confirmed, gateway_id, gateway_registered, first_seen
FROM elevators ORDER BY id

-- load_floor_labels: all floor labels
SELECT elevator_id, key, label FROM floor_labels ORDER BY elevator_id, key

-- load_clock_runs: the newest $1 clock runs of every stream, oldest first
SELECT elevator_id, gateway_id, run, first_device_time_us, offset_us, started_received_us
FROM (SELECT *, row_number() OVER (PARTITION BY elevator_id, gateway_id ORDER BY run DESC) AS age
      FROM clock_runs) r
WHERE age <= $1 ORDER BY elevator_id, gateway_id, run

-- register_gateways: make the ones that are missing
INSERT INTO gateways (name, first_seen) SELECT n, $2 FROM unnest($1::text[]) AS u (n)
WHERE NOT EXISTS (SELECT FROM gateways g WHERE g.name = n)
ON CONFLICT (name) DO NOTHING

-- gateways_by_name: the gateways with these names
SELECT id, name, status, status_at, first_seen FROM gateways WHERE name = ANY ($1::text[])

-- register_elevators: make the lifts that are missing, unconfirmed and bound by first use
INSERT INTO elevators (code, unit, gateway_id, first_seen)
SELECT c, u, g, $4 FROM unnest($1::text[], $2::smallint[], $3::int[]) AS n (c, u, g)
WHERE NOT EXISTS (SELECT FROM elevators e WHERE e.code = c)
ON CONFLICT (code) DO NOTHING

-- elevators_by_code: the lifts with these codes
SELECT id, code, sticker, unit, building, address, district, maintainer, use_unit, insurer, policy,
       model, rated_speed_mps, params, confirmed, gateway_id, gateway_registered, first_seen
FROM elevators WHERE code = ANY ($1::text[])

-- bind_by_first_use: bind lifts to gateways unless a person has said which one it is
UPDATE elevators e SET gateway_id = b.gateway_id
FROM unnest($1::bigint[], $2::int[]) AS b (elevator_id, gateway_id)
WHERE e.id = b.elevator_id AND NOT e.gateway_registered

-- set_gateway_status: what the gateway or its last will said last
UPDATE gateways SET status = $2, status_at = $3
WHERE name = $1 AND (status_at IS NULL OR status_at <= $3)

-- add_floor_labels: new labels of lifts
INSERT INTO floor_labels (elevator_id, key, label)
SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[])
ON CONFLICT DO NOTHING

-- add_clock_runs: runs that began in this batch
INSERT INTO clock_runs (elevator_id, gateway_id, run, first_device_time_us, offset_us,
                        started_received_us)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (elevator_id, gateway_id, run) DO UPDATE
SET first_device_time_us = excluded.first_device_time_us, offset_us = excluded.offset_us,
    started_received_us = excluded.started_received_us

-- forget_clock_runs: runs of these streams that are older than the newest $4 are never looked under
DELETE FROM clock_runs c
USING unnest($1::bigint[], $2::int[], $3::int[]) AS newest(elevator_id, gateway_id, run)
WHERE c.elevator_id = newest.elevator_id AND c.gateway_id = newest.gateway_id
  AND c.run <= newest.run - $4::int

-- write_snapshot_head: say which batch the pieces belong to
INSERT INTO snapshots (lane, batch, at, lifts) VALUES ($1, $2, $3, $4)
ON CONFLICT (lane) DO UPDATE
SET batch = excluded.batch, at = excluded.at, lifts = excluded.lifts

-- write_snapshot_piece: one piece, in place of its older self
INSERT INTO detector_snapshots (lane, piece, batch, layout, checksum, data)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (lane, piece) DO UPDATE
SET batch = excluded.batch, layout = excluded.layout, checksum = excluded.checksum,
    data = excluded.data

-- drop_snapshot: forget the lane's snapshot, pieces included
DELETE FROM snapshots WHERE lane = $1

-- snapshot_head: the lane's snapshot
SELECT batch, at, lifts FROM snapshots WHERE lane = $1

-- newest_layout: what the newest snapshot of any lane is written in
SELECT p.layout FROM snapshots s JOIN detector_snapshots p ON p.lane = s.lane
ORDER BY s.at DESC, p.batch DESC LIMIT 1

-- snapshot_pieces: its pieces in order
SELECT piece, batch, layout, checksum, data FROM detector_snapshots WHERE lane = $1 ORDER BY piece

-- try_writer_lock: take the lane's advisory lock if nobody has it
SELECT pg_try_advisory_lock($1, $2)

-- drop_writer_lock: give it back
SELECT pg_advisory_unlock($1, $2)

-- next_epoch: begin a new epoch; waits for transactions of the old one
INSERT INTO writer (lane, epoch) VALUES ($1, 1)
ON CONFLICT (lane) DO UPDATE SET epoch = writer.epoch + 1
RETURNING epoch

-- check_epoch: hold takeovers off until this transaction ends, and say which epoch it is
SELECT epoch FROM writer WHERE lane = $1 FOR SHARE

-- parameters_at: the newest change of every subject up to version $1
SELECT DISTINCT ON (scope, subject) version, scope, subject, elevator_id, before, after
FROM parameter_changes WHERE version <= $1 ORDER BY scope, subject, version DESC

-- parameters_after: changes of all versions after $1, in order
SELECT version, scope, subject, elevator_id, before, after
FROM parameter_changes WHERE version > $1 ORDER BY version, scope, subject

-- parameters_of_batch: the version in force after batch $2 of a lane, 0 if none is known
SELECT coalesce((SELECT parameters FROM batches WHERE lane = $1 AND id <= $2
                 ORDER BY id DESC LIMIT 1), 0)

-- parameters_newest: what is in force for one subject
SELECT version, scope, subject, elevator_id, before, after
FROM parameter_changes WHERE scope = $1 AND subject = $2 ORDER BY version DESC LIMIT 1

-- lock_parameters: one version at a time, seen in the order of their numbers
SELECT pg_advisory_xact_lock($1)

-- add_version: the next version
INSERT INTO parameter_versions (id, at, actor, reason)
SELECT coalesce(max(id), 0) + 1, $1, $2, $3 FROM parameter_versions RETURNING id

-- add_parameter_change: what a version sets for one subject
INSERT INTO parameter_changes (version, scope, subject, elevator_id, before, after)
VALUES ($1, $2, $3, $4, $5, $6)

-- tell_parameters: make the process that works read them
SELECT pg_notify('hoistway_registry', $1)
