-- The columns and indexes are those of PostgreSQL; its file has the comments.
-- Times are text, YYYY-MM-DD HH:MM:SS.ffffff in UTC, as Tyler writes them.
CREATE TABLE threads (
  id text NOT NULL PRIMARY KEY,
  title text,
  attributes text NOT NULL DEFAULT '{}',
  source text,
  created_at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  updated_at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  last_sequence integer NOT NULL DEFAULT 0,
  system_count integer NOT NULL DEFAULT 0,
  user_count integer NOT NULL DEFAULT 0,
  assistant_count integer NOT NULL DEFAULT 0,
  tool_count integer NOT NULL DEFAULT 0
);

CREATE INDEX threads_updated_at ON threads (updated_at DESC, id DESC);

CREATE TABLE messages (
  id text NOT NULL PRIMARY KEY,
  thread_id text NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
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
  metrics text NOT NULL DEFAULT '{}'
);

CREATE UNIQUE INDEX messages_thread_ordinal ON messages (thread_id, ordinal);

CREATE INDEX messages_thread_role_ordinal ON messages (thread_id, role, ordinal);

CREATE TABLE thread_properties (
  thread_id text NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  key text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (thread_id, key)
) WITHOUT ROWID;

CREATE INDEX thread_properties_key_value ON thread_properties (key, value, thread_id);
