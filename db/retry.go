package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Waiting times between two attempts of a transaction. They are short, since
// what they wait for is one other transaction, and random, so that two that
// undo each other do not meet again.
const (
	minBackoff = time.Millisecond
	maxBackoff = 20 * time.Millisecond
)

func newBackoff() *backoff.ExponentialBackOff {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = minBackoff, maxBackoff
	return waits
}

// retry runs op until it ends in something else than a lost race, for at most
// the pool timeout, and returns its error as one of ours.
func (db *DB) retry(ctx context.Context, op func() error) error {
	err := op()
	if err == nil || ended(ctx) || db.classify(err) != retryable {
		return db.mapError(ctx, err)
	}
	waits := newBackoff()
	time.Sleep(waits.NextBackOff()) // milliseconds
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := op()
		if err != nil && (ended(ctx) || db.classify(err) != retryable) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(db.options.PoolTimeout))
	return db.mapError(ctx, err)
}

// errRetryTx: another transaction has done meanwhile what this one had found undone.
var errRetryTx = errors.New("overtaken by another transaction")

// asRetryable turns the loss of a connection into a reason to try again, where nothing
// can have been changed yet, or running again does no harm: after a restart of the
// server, each idle connection is found broken by who takes it. (Which errors of a
// driver are retryable or a lost connection, its dialect says: classify.)
func (db *DB) asRetryable(err error) error {
	if db.dialect.classify(err) == lost {
		return fmt.Errorf("%w: %w", errRetryTx, err)
	}
	return err
}

func (db *DB) classify(err error) errClass {
	if errors.Is(err, errRetryTx) {
		return retryable
	}
	return db.dialect.classify(err)
}

// mapError turns a driver's error into one of ours; what stays as it is, is a defect or a broken row.
func (db *DB) mapError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = p.Err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if ended(ctx) {
		return &Error{Code: Timeout, Reason: "the request was not finished in time, or its client left", Err: err}
	}
	switch db.classify(err) {
	case retryable:
		return tooBusy(err)
	case unavailable, lost:
		return &Error{Code: Unavailable, Reason: "the database cannot take the request; try again", Err: err}
	}
	return err
}
