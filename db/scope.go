package db

// Scope is a tenant's part of the database: its repositories see nothing of any
// other's, and an id in one says nothing of the same id in another. Where there
// are no tenants, everything is in the scope of "".
type Scope struct {
	db     *DB
	tenant string
}

// Scope returns the scope of a tenant. Repositories are had only through one. [Scope.read] and
// [Scope.commit] put the tenant into the session; each statement names it (a test database refuses one that does not).
func (db *DB) Scope(tenant string) Scope { return Scope{db, tenant} }

// Threads returns the repository of threads.
func (s Scope) Threads() *Threads { return &Threads{s} }

// Messages returns the repository of messages.
func (s Scope) Messages() *Messages { return &Messages{s} }
