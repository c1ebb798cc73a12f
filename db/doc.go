// Package db is the domain and its storage: threads, their messages, the rules
// both obey, and every SQL statement of the program.
//
// # Conventions
//
// Time. A time is UTC and cut to the microsecond before it is written or
// returned, so that both databases give back what they were given. PostgreSQL
// keeps timestamptz; SQLite keeps fixed-width text (2006-01-02
// 15:04:05.000000), which sorts as the times do and is what Tyler writes there.
//
// Ids. 1 to 255 code points, given by the client or made here (UUIDv7). An id
// that could not exist is unknown to reads, never an error.
//
// Order. Threads: newest updated_at first, ties by id descending, compared as
// bytes on both databases. Messages: by ordinal, a generated column that is the
// sequence for all but the system messages, which all have sequence 0, and for
// those a negative number made of their position, which counts them from 1: so one
// integer orders the messages of a thread.
//
// JSON. Objects stay text from the request to the column: they are checked and
// written out once ([NewObject]), never decoded into floats. Two values are
// equal when their canonical texts are (numbers by value, keys in any order).
//
// Find. The table thread_properties holds one row for each top-level key of a
// thread's attributes and source, with the canonical text of its value. Find is
// a comparison of that text, the same on both databases; user data never
// becomes SQL or a JSON path, and an append touches none of it. The value of a
// property of a source begins with that of the source's name, as these two are
// always searched together.
//
// Counters. threads keeps last_sequence and a count of messages for each role,
// changed in the transaction that changes the messages. Appending and counting
// cost the same whatever the length of the thread.
//
// Errors. What a caller can act on is an [*Error] with a [Code]; anything else
// is a defect or a broken row, and its text is for the log only. No caller needs
// to know a driver's errors.
//
// Writes. Every write is committed by [Scope.commit], which is told what it has
// changed: that is where what follows from a change is written ([writeChanges]). A write
// is one transaction, in which only the session handed in may be used, since with a
// pool of one a second connection would never come; or one statement.
//
// Tenants. Every row belongs to a tenant, the first column of each key; "" where
// there are none. Repositories are had through a [Scope], and each statement names
// the tenant of every table in it.
//
// Coalescing. Writers at the same time share transactions on SQLite
// (groupCommitter), and appends, searches and reads of single threads share
// statements ([coalesce.Coalescer]): what comes while some are under way is the
// next batch. Nobody waits for others to come, each gets what it would get alone,
// and what fails harms no other.
//
// Plans. PostgreSQL makes the plan of a statement once for a connection, by
// settings that leave it an index or nothing (planner), and joins begin where
// their text begins (LATERAL, OFFSET 0); migration 4 gives new tables statistics: so no plan depends on what the tables
// held when it was made.
//
// Sessions. A connection to PostgreSQL keeps settings and prepared statements.
// With lib/pq's binary_parameters it keeps nothing from one transaction to the
// next, for poolers that lend connections (package pgconn): what a write needs is set
// in its transaction.
package db
