-- +goose Up

-- The reason is in PostgreSQL's file. SQLite cannot change a primary key, so the tables are made anew. Their columns and
-- indexes are else as migrations 1 and 3 left them. The first INSERT fails where there is a tenant already: nothing is done twice.
CREATE TABLE threads_4 (
  tenant text NOT NULL DEFAULT '',
  id text NOT NULL,
  title text,
  attributes text NOT NULL DEFAULT '{}',
  source text,
  created_at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  updated_at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  last_sequence integer NOT NULL DEFAULT 0,
  system_count integer NOT NULL DEFAULT 0,
  user_count integer NOT NULL DEFAULT 0,
  assistant_count integer NOT NULL DEFAULT 0,
  tool_count integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, id)
);

INSERT INTO threads_4 SELECT '', threads.* FROM threads;

CREATE TABLE messages_4 (
  tenant text NOT NULL DEFAULT '',
  id text NOT NULL,
  thread_id text NOT NULL,
  sequence integer NOT NULL,
  position integer NOT NULL DEFAULT 0,
  ordinal integer NOT NULL GENERATED ALWAYS AS (CASE WHEN sequence > 0 THEN sequence ELSE position - 2147483648 END) STORED,
  role text NOT NULL,
  content text,
  parts text,
  name text,
  tool_call_id text,
  tool_calls text,
  attributes text NOT NULL DEFAULT '{}',
  "timestamp" text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  source text,
  attachments text,
  metrics text NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, thread_id) REFERENCES threads_4 (tenant, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

INSERT INTO messages_4 (id, thread_id, sequence, position, role, content, parts, name, tool_call_id, tool_calls, attributes,
  "timestamp", source, attachments, metrics)
SELECT id, thread_id, sequence, position, role, content, parts, name, tool_call_id, tool_calls, attributes,
  "timestamp", source, attachments, metrics FROM messages;

CREATE TABLE thread_properties_4 (
  tenant text NOT NULL DEFAULT '',
  thread_id text NOT NULL,
  key text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (tenant, thread_id, key),
  FOREIGN KEY (tenant, thread_id) REFERENCES threads_4 (tenant, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) WITHOUT ROWID;

INSERT INTO thread_properties_4 (thread_id, key, value) SELECT thread_id, key, value FROM thread_properties;

DROP TABLE messages;
DROP TABLE thread_properties;
DROP TABLE threads;
ALTER TABLE threads_4 RENAME TO threads; -- and so in what refers to it
ALTER TABLE messages_4 RENAME TO messages;
ALTER TABLE thread_properties_4 RENAME TO thread_properties;

CREATE INDEX threads_updated_at ON threads (tenant, updated_at DESC, id DESC);
CREATE UNIQUE INDEX messages_thread_ordinal ON messages (tenant, thread_id, ordinal);
CREATE INDEX messages_thread_role_ordinal ON messages (tenant, thread_id, role, ordinal);
CREATE INDEX thread_properties_key_value ON thread_properties (tenant, key, value, thread_id);
