-- +goose Up

-- References are checked at the end of a transaction, not of each statement. A statement of several rows that such a check can
-- fail has to be able to be undone alone, and so copies each page before it changes it: a sixth of what an append costs.
-- SQLite knows no ALTER TABLE for that; this way is its own (https://sqlite.org/lang_altertable.html, the end of section 7).
PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql, ' ON DELETE CASCADE', ' ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED')
WHERE type = 'table' AND name IN ('messages', 'thread_properties') AND sql NOT LIKE '%DEFERRABLE%';

-- Any change of tables makes all connections read the schema anew.
CREATE TABLE changed (id integer);
DROP TABLE changed;

PRAGMA writable_schema = RESET;
