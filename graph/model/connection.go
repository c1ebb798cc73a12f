package model

import "github.com/threadstore/threadstore/db"

// ThreadConnection is a page of threads as the Relay Cursor Connections
// specification has it.
type ThreadConnection struct {
	Edges    []ThreadEdge
	PageInfo PageInfo
}

// ThreadEdge is a thread in a page.
type ThreadEdge struct{ Node *db.Thread }

// Cursor returns the thread's place in the list.
func (e ThreadEdge) Cursor() string { return e.Node.Cursor().String() }

// PageInfo says how a page lies in its list. The cursors are nil when it is empty.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// NewThreadConnection returns the connection of a page.
func NewThreadConnection(p *db.Page) *ThreadConnection {
	c := &ThreadConnection{
		Edges:    make([]ThreadEdge, len(p.Threads)),
		PageInfo: PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrevious},
	}
	for i, t := range p.Threads {
		c.Edges[i].Node = t
	}
	if n := len(c.Edges); n > 0 {
		start, end := c.Edges[0].Cursor(), c.Edges[n-1].Cursor()
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &start, &end
	}
	return c
}
