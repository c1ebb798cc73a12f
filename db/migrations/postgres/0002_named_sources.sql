-- +goose Up

-- A property of a source is always searched together with the source's name. So its value now begins with that of the name,
-- and one search finds both; see named in thread_properties.go. The first letter of these keys changes from s to n. A source without a
-- name is never found, and has no properties.
DELETE FROM thread_properties WHERE key LIKE 's%' AND NOT EXISTS (
  SELECT 1 FROM thread_properties n WHERE n.thread_id = thread_properties.thread_id AND n.key = 's:name' AND (n.value LIKE ':"%' OR n.value LIKE '#%'));

UPDATE thread_properties SET key = 'n' || substr(key, 2),
  value = (SELECT n.value FROM thread_properties n WHERE n.thread_id = thread_properties.thread_id AND n.key = 's:name') || value
WHERE key LIKE 's%' AND key <> 's:name';

UPDATE thread_properties SET key = 'n:name' WHERE key = 's:name';
