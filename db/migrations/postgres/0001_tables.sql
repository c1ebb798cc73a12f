-- Version 1 of the schema. It is run by migrate_tyler.go, in one transaction with the adoption of Tyler's tables.

-- Ids are compared as bytes, so that ties of updated_at come in the same order on both databases.
CREATE TABLE threads (
  id text COLLATE "C" PRIMARY KEY,
  title text,
  attributes jsonb NOT NULL DEFAULT '{}',
  source jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- The highest sequence, and how many messages of each role there are.
  last_sequence bigint NOT NULL DEFAULT 0,
  system_count bigint NOT NULL DEFAULT 0,
  user_count bigint NOT NULL DEFAULT 0,
  assistant_count bigint NOT NULL DEFAULT 0,
  tool_count bigint NOT NULL DEFAULT 0
);

-- Newest first.
CREATE INDEX threads_updated_at ON threads (updated_at DESC, id DESC);

CREATE TABLE messages (
  id text COLLATE "C" PRIMARY KEY,
  thread_id text COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  sequence bigint NOT NULL,
  -- The place among the thread's system messages, which all have sequence 0; 0 for the others.
  position bigint NOT NULL DEFAULT 0,
  -- The place in the thread as one number: the sequence, or for system messages a negative number.
  ordinal bigint NOT NULL GENERATED ALWAYS AS (CASE WHEN sequence > 0 THEN sequence ELSE position - 2147483648 END) STORED,
  role text COLLATE "C" NOT NULL,
  content text,
  -- The content as a list of parts; null for plain text.
  parts jsonb,
  name text,
  tool_call_id text,
  tool_calls jsonb,
  attributes jsonb NOT NULL DEFAULT '{}',
  "timestamp" timestamptz NOT NULL DEFAULT now(),
  source jsonb,
  attachments jsonb,
  metrics jsonb NOT NULL DEFAULT '{}'
);

-- The order of messages, and the guard against two messages in one place.
CREATE UNIQUE INDEX messages_thread_ordinal ON messages (thread_id, ordinal);

-- Windows of some roles.
CREATE INDEX messages_thread_role_ordinal ON messages (thread_id, role, ordinal);

-- One row for each top-level key of attributes and source whose value is not null; see property in thread_properties.go.
CREATE TABLE thread_properties (
  thread_id text COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  key text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  PRIMARY KEY (thread_id, key)
);

CREATE INDEX thread_properties_key_value ON thread_properties (key, value, thread_id);
