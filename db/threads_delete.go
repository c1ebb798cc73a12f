package db

import "context"

// Delete removes the thread with its messages and reports whether it was there.
func (r *Threads) Delete(ctx context.Context, id string) (bool, error) {
	if !isValidID(id) {
		return false, nil
	}
	deleted := false
	err := r.commit(ctx, commitOptions{}, func(ctx context.Context, s session) ([]threadChange, error) {
		n, err := s.exec(ctx, `DELETE FROM threads WHERE tenant = ? AND id = ?`, s.tenant, id)
		if deleted = n > 0; err != nil || !deleted {
			return nil, err
		}
		return []threadChange{{Change: Change{ThreadID: id, Kind: Deleted}}}, nil
	})
	return deleted, err
}
