-- The storm on PostgreSQL: users who hold a connected slot, and the events of their reconnects.

-- Room on every page for the next version of a row, so that no index hears of an update.
CREATE TABLE users (
    name text PRIMARY KEY,
    id bigint NOT NULL,
    state smallint NOT NULL,
    concurrency bigint NOT NULL,
    session bigint NOT NULL,
    deadline timestamptz
) WITH (fillfactor = 50);

-- Wide columns first: no padding between them.
CREATE TABLE events (
    position bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    user_id bigint NOT NULL,
    concurrency bigint NOT NULL,
    session bigint NOT NULL,
    deadline timestamptz,
    kind smallint NOT NULL
);

-- A user's history.
CREATE INDEX events_of_user ON events (user_id, position);

-- Each number stands for the three positions of one reconnect.
CREATE SEQUENCE reconnects;

CREATE FUNCTION add_users(first bigint, total bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO users
    SELECT 'user' || first + number, number + 1, 2, number + 1, 0, NULL
    FROM generate_series(0, total - 1) AS number
$$;

-- One reconnect: disconnected (the window opens), applied (the same concurrency), a session that
-- is named after its position. Returns the session.
CREATE FUNCTION reconnect(who text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last bigint := nextval('reconnects') * 3;
    moment timestamptz := now();
    due timestamptz := moment + interval '90 s';
    held_by bigint;
    slot bigint;
BEGIN
    UPDATE users SET session = last, deadline = NULL WHERE name = who AND state = 2
    RETURNING id, concurrency INTO held_by, slot;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% holds no connected slot', who;
    END IF;
    INSERT INTO events (position, at, user_id, concurrency, session, deadline, kind) VALUES
        (last - 2, moment, held_by, slot, last, due, 2),
        (last - 1, moment, held_by, slot, last, due, 3),
        (last, moment, held_by, slot, last, NULL, 4);
    RETURN last;
END $$;

-- The same for many users in one statement, whose plan is kept. Returns how many events were added.
CREATE FUNCTION reconnect_many(who text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := now();
    due timestamptz := moment + interval '90 s';
    added bigint;
BEGIN
    WITH held AS (
        UPDATE users SET session = nextval('reconnects') * 3, deadline = NULL
        FROM unnest(who) AS asked (name)
        WHERE users.name = asked.name AND users.state = 2
        RETURNING users.id, users.concurrency, users.session AS last
    )
    INSERT INTO events (position, at, user_id, concurrency, session, deadline, kind)
    SELECT last - 3 + step, moment, id, concurrency, last, CASE WHEN step < 3 THEN due END, step + 1
    FROM held CROSS JOIN (VALUES (1), (2), (3)) AS steps (step);
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$;
