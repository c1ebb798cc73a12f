-- +goose Up

-- Every row belongs to a tenant, '' where there are none. It comes first in each key, so that an id is free in another
-- tenant, a search never leaves its own, and a database can be distributed by it.
ALTER TABLE threads ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE thread_properties ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';

ALTER TABLE messages DROP CONSTRAINT messages_thread_id_fkey, DROP CONSTRAINT messages_pkey;
ALTER TABLE thread_properties DROP CONSTRAINT thread_properties_thread_id_fkey, DROP CONSTRAINT thread_properties_pkey;
ALTER TABLE threads DROP CONSTRAINT threads_pkey;
DROP INDEX threads_updated_at, messages_thread_ordinal, messages_thread_role_ordinal, thread_properties_key_value;

ALTER TABLE threads ADD CONSTRAINT threads_pkey PRIMARY KEY (tenant, id);
ALTER TABLE messages ADD CONSTRAINT messages_pkey PRIMARY KEY (tenant, id);
ALTER TABLE thread_properties ADD CONSTRAINT thread_properties_pkey PRIMARY KEY (tenant, thread_id, key);
CREATE INDEX threads_updated_at ON threads (tenant, updated_at DESC, id DESC);
CREATE UNIQUE INDEX messages_thread_ordinal ON messages (tenant, thread_id, ordinal);
CREATE INDEX messages_thread_role_ordinal ON messages (tenant, thread_id, role, ordinal);
CREATE INDEX thread_properties_key_value ON thread_properties (tenant, key, value, thread_id);

ALTER TABLE messages ADD CONSTRAINT messages_thread_id_fkey
  FOREIGN KEY (tenant, thread_id) REFERENCES threads (tenant, id) ON DELETE CASCADE;
ALTER TABLE thread_properties ADD CONSTRAINT thread_properties_thread_id_fkey
  FOREIGN KEY (tenant, thread_id) REFERENCES threads (tenant, id) ON DELETE CASCADE;

-- All indexes begin with the tenant, which alone tells nothing where there is one. Without statistics the planner takes it to
-- be as good as an id, and a plan that is made then, on new tables, and kept, may read all of a tenant's rows. So the tables have
-- statistics from the start: rows of one tenant, in which ids are distinct.
INSERT INTO threads (id) SELECT 'migration-4/' || gen_random_uuid() FROM generate_series(1, 100);
INSERT INTO messages (id, thread_id, sequence, role) SELECT id, id, 1, 'user' FROM threads WHERE id LIKE 'migration-4/%';
INSERT INTO thread_properties (thread_id, key, value) SELECT id, id, id FROM threads WHERE id LIKE 'migration-4/%';
ANALYZE threads, messages, thread_properties;
DELETE FROM threads WHERE id LIKE 'migration-4/%';
