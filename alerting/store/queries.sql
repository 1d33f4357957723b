-- SQL of the alarm store and the outbox, loaded by name (alerting/store/rows.py).
-- Rows travel as one JSON text per statement: one round trip for one alarm or for ten thousand.

-- name: lock_current: alarms of these lifts that are open, or ended while their finding goes on
select a.* from alarms a
where a.elevator_id = any($1::bigint[]) and (a.ended_at is null or a.finding_active)
order by a.id for update;

-- name: lock_held: waiting alarms of these lifts
select a.* from alarms a where a.elevator_id = any($1::bigint[]) and a.held
order by a.id for update;

-- name: lock_one: one alarm, for a person's act
select a.* from alarms a where a.id = $1 for update;

-- name: still_open: which of these alarms are not over
select id from alarms where id = any($1::uuid[]) and ended_at is null;

-- name: lock_escalations: alarms that nobody accepted in time; those in use come in the next round
select a.* from alarms a where a.next_escalation_at <= $1
order by a.next_escalation_at limit $2 for update skip locked;

-- name: lock_free: of these alarms those that nobody else has locked (never waits: no deadlock)
select a.* from alarms a where a.id = any($1::uuid[]) order by a.id for update skip locked;

-- name: held_elevators: lifts with waiting alarms
select distinct elevator_id from alarms where held;

-- name: active_since: since when a kind of finding has been active on these lifts
select elevator_id, max(onset) as onset from alarms
where elevator_id = any($1::bigint[]) and kind = $2 and finding_active
group by elevator_id;

-- name: taken: which of these ids are in use
select id from alarms where id = any($1::uuid[]);

-- name: elevators: what messages say about these lifts
select id, code, sticker, building, address, confirmed from elevators where id = any($1::bigint[]);

-- name: insert_alarms: new alarms
insert into alarms (
    id, elevator_id, family, kind, kind_now, onset, detected, raised_at, state, level,
    finding_active, held, past, confidence, people, presses, last_press, doors_opened_at,
    evidence, rule, sequence, events, accepted_at, accepted_by, ended_at, ended_by, end_reason,
    next_escalation_at, last_seen, lag_ms, floor, drill)
select
    id, elevator_id, family, kind, kind_now, onset, detected, raised_at, state, level,
    finding_active, held, past, confidence, people, presses, last_press, doors_opened_at,
    evidence, rule, sequence, events, accepted_at, accepted_by, ended_at, ended_by, end_reason,
    next_escalation_at, last_seen, lag_ms, floor, drill
from json_populate_recordset(null::alarms, $1::text::json);

-- name: update_alarms: what may change about an alarm; identity, kind and onset may not
update alarms a set
    kind_now = u.kind_now, raised_at = u.raised_at, state = u.state, level = u.level,
    finding_active = u.finding_active, held = u.held, past = u.past, confidence = u.confidence,
    people = u.people, presses = u.presses, last_press = u.last_press,
    doors_opened_at = u.doors_opened_at, evidence = u.evidence, sequence = u.sequence,
    events = u.events, accepted_at = u.accepted_at, accepted_by = u.accepted_by,
    ended_at = u.ended_at, ended_by = u.ended_by, end_reason = u.end_reason,
    next_escalation_at = u.next_escalation_at, last_seen = u.last_seen, lag_ms = u.lag_ms,
    floor = u.floor
from json_populate_recordset(null::alarms, $1::text::json) u
where a.id = u.id;

-- name: insert_events: lines of timelines
insert into alarm_events (alarm_id, n, at, type, actor, source, data)
select alarm_id, n, at, type, actor, source, data
from json_populate_recordset(null::alarm_events, $1::text::json);

-- name: enqueue: one delivery per message and recipient; blocked behind an unsent earlier message
-- $2 endpoints, primary first; $3 time without a 2xx after which the next one gets the message too
insert into deliveries (
    message_id, endpoint, alarm_id, sequence, type, body, created_at, next_attempt_at, attempts,
    state, priority, failover_at)
select
    m.message_id, e.url, m.alarm_id, m.sequence, m.type, m.body, m.at,
    case when m.first and not exists (
        select from deliveries p
        where p.alarm_id = m.alarm_id and p.endpoint = e.url and p.state = 'pending') then m.at end,
    0, 'pending', m.priority,
    case when m.failover and e.ord < cardinality($2::text[]) then m.at + $3::interval end
from json_to_recordset($1::text::json) as m(
    message_id uuid, alarm_id uuid, sequence integer, type text, body jsonb, at timestamptz,
    first boolean, to_all boolean, failover boolean, priority smallint)
cross join unnest($2::text[]) with ordinality as e(url, ord)
where e.ord = 1 or m.to_all
    or exists (select from deliveries p where p.alarm_id = m.alarm_id and p.endpoint = e.url);

-- name: notify: wake the dispatcher when this transaction commits
select pg_notify('hoistway_deliveries', '');

-- name: get_alarm: one alarm with its lift
select a.*, e.code, e.sticker, e.building, e.address, e.confirmed
from alarms a join elevators e on e.id = a.elevator_id
where a.id = $1;

-- name: get_events: timeline of an alarm
select n, at, type, actor, source, data::text as data from alarm_events
where alarm_id = $1 order by n;

-- name: get_deliveries: what was sent about an alarm, and how it went
select message_id, endpoint, sequence, type, state, attempts, created_at, next_attempt_at,
    delivered_at, last_status, last_error
from deliveries where alarm_id = $1 order by sequence, endpoint;

-- name: claim: due deliveries of one endpoint, rescue and occupied lifts first, leased until $4
with due as (
    select d.message_id, d.endpoint
    from (values (0), (1), (2)) as p(priority)
    cross join lateral (
        select message_id, endpoint from deliveries
        where endpoint = $1 and state = 'pending' and priority = p.priority
            and next_attempt_at <= $2 and (claimed_until is null or claimed_until <= $2)
        order by next_attempt_at limit $3 for update skip locked) d
    limit $3)
update deliveries d set claimed_until = $4, attempts = d.attempts + 1
from due where d.message_id = due.message_id and d.endpoint = due.endpoint
returning d.message_id, d.endpoint, d.alarm_id, d.sequence, d.type, d.body::text as body,
    d.attempts, d.created_at, d.next_attempt_at, d.priority,
    (select a.ended_at from alarms a where a.id = d.alarm_id) as ended_at;

-- name: release_claims: what a sender that is gone had claimed is due again
update deliveries set claimed_until = null where state = 'pending' and claimed_until is not null;

-- name: record_attempts: every attempt, once
insert into delivery_attempts (message_id, endpoint, n, started_at, duration_ms, status, error)
select message_id, endpoint, n, started_at, duration_ms, status, error
from json_populate_recordset(null::delivery_attempts, $1::text::json)
on conflict do nothing;

-- name: mark: what follows the attempts; a delivery already settled stays so
update deliveries d set
    state = r.state, delivered_at = r.delivered_at, next_attempt_at = r.next_attempt_at,
    claimed_until = null, last_status = r.status, last_error = r.error,
    failover_at = case when r.state = 'pending' then d.failover_at end
from json_to_recordset($1::text::json) as r(
    message_id uuid, endpoint text, state text, delivered_at timestamptz,
    next_attempt_at timestamptz, status integer, error text)
where d.message_id = r.message_id and d.endpoint = r.endpoint and d.state = 'pending';

-- name: unblock: the next message of each of these alarms and endpoints is due
update deliveries d set next_attempt_at = $2
from (
    select distinct on (p.alarm_id, p.endpoint) p.message_id, p.endpoint
    from json_to_recordset($1::text::json) as r(alarm_id uuid, endpoint text)
    join deliveries p on p.alarm_id = r.alarm_id and p.endpoint = r.endpoint
    where p.state = 'pending' order by p.alarm_id, p.endpoint, p.sequence) n
where d.message_id = n.message_id and d.endpoint = n.endpoint and d.next_attempt_at is null;

-- name: unblock_all: nothing waits behind a message that is settled (after a start)
update deliveries d set next_attempt_at = $1
where d.state = 'pending' and d.next_attempt_at is null and not exists (
    select from deliveries p
    where p.alarm_id = d.alarm_id and p.endpoint = d.endpoint and p.state = 'pending'
        and p.sequence < d.sequence);

-- name: retarget: what was meant for endpoints no longer configured goes to the primary, $2
with lost as (
    update deliveries set
        state = 'given_up', last_error = 'endpoint is no longer configured',
        next_attempt_at = null, claimed_until = null, failover_at = null
    where state = 'pending' and endpoint <> all($1::text[])
    returning message_id, alarm_id, sequence, type, body, priority)
insert into deliveries (
    message_id, endpoint, alarm_id, sequence, type, body, created_at, state, priority)
select message_id, $2, alarm_id, sequence, type, body, $3, 'pending', priority from lost
on conflict do nothing;

-- name: due_failovers: alarms with a message that its endpoint did not take in time
select distinct alarm_id from (
    select alarm_id from deliveries where failover_at <= $1 order by failover_at limit $2) d;

-- name: hand_on: give those messages, and later ones of the same alarm, to the next endpoint too
-- $1 now, $2 endpoints, $3 failover time, $4 alarms locked by this transaction
with due as (
    update deliveries d set failover_at = null
    where d.alarm_id = any($4::uuid[]) and d.failover_at <= $1 and d.state = 'pending'
    returning d.alarm_id, d.endpoint, d.sequence),
target as (
    select due.alarm_id, o.url as origin, n.url, n.ord, min(due.sequence) as sequence
    from due
    join unnest($2::text[]) with ordinality as o(url, ord) on o.url = due.endpoint
    join unnest($2::text[]) with ordinality as n(url, ord) on n.ord = o.ord + 1
    group by due.alarm_id, o.url, n.url, n.ord)
insert into deliveries (
    message_id, endpoint, alarm_id, sequence, type, body, created_at, state, priority, failover_at)
select s.message_id, t.url, s.alarm_id, s.sequence, s.type, s.body, $1, 'pending', s.priority,
    case when t.ord < cardinality($2::text[]) then $1::timestamptz + $3::interval end
from target t
join deliveries s
    on s.alarm_id = t.alarm_id and s.endpoint = t.origin and s.sequence >= t.sequence
on conflict do nothing
returning alarm_id, endpoint, sequence;

-- name: backlog: messages not yet taken, by endpoint
select endpoint, count(*) as pending, min(created_at) as oldest from deliveries
where state = 'pending' group by endpoint;
