package db

import "context"

// Delete removes the thread with its messages and reports whether it was there.
func (r *Threads) Delete(ctx context.Context, id string) (bool, error) {
	if !knownID(id) {
		return false, nil
	}
	var n int64
	err := r.db.inTx(ctx, false, func(s session) (err error) {
		n, err = s.exec(ctx, `DELETE FROM threads WHERE id = ?`, id)
		return err
	})
	return n > 0, err
}
