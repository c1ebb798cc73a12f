package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/internal/budget"
)

// BudgetError returns what clients are told of the error of a request's account; nil if it is none of a limit.
func (t HTTP) BudgetError(err error) *gqlerror.Error {
	fail := func(code, format string, args ...any) *gqlerror.Error {
		return &gqlerror.Error{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": code}}
	}
	switch {
	case errors.Is(err, budget.ErrAnswerTooLarge):
		return fail(codes.ResponseTooLarge, "the answer is larger than %d bytes (THREADSTORE_MAX_ANSWER): "+
			"ask for fewer fields or smaller pages", t.MaxAnswer)
	case errors.Is(err, budget.ErrNeverFits):
		return fail(codes.ResponseTooLarge, "the request takes more memory than all requests together may, %d bytes "+
			"(THREADSTORE_MAX_MEMORY): ask for fewer fields or smaller pages", t.Memory.Size())
	case errors.Is(err, budget.ErrInputTooLarge):
		return fail(codes.BadUserInput, "the request takes more memory than all requests together may, %d bytes "+
			"(THREADSTORE_MAX_MEMORY): send less at once", t.Memory.Size())
	case errors.Is(err, budget.ErrBusy):
		return fail(codes.ServiceUnavailable, "the requests under way hold all the memory there is for requests, "+
			"%d bytes (THREADSTORE_MAX_MEMORY); try again", t.Memory.Size())
	}
	return nil
}

// budgetRefusal refuses a request for whose body there is no memory.
func (t HTTP) budgetRefusal(err error) *requestError {
	told := t.BudgetError(err)
	switch {
	case told == nil: // the client has left
		return &requestError{status: http.StatusBadRequest, message: "the request body could not be read"}
	case errors.Is(err, budget.ErrBusy):
		return &requestError{http.StatusServiceUnavailable, told.Message, codes.ServiceUnavailable}
	}
	return &requestError{status: http.StatusRequestEntityTooLarge, message: told.Message}
}

func (t HTTP) bodyTooLarge() *requestError {
	return &requestError{status: http.StatusRequestEntityTooLarge,
		message: fmt.Sprintf("the request body is too large: the limit is %d bytes (THREADSTORE_MAX_BODY)", t.MaxBody)}
}

// A body and an answer have some time, and more for what has come or gone. A client that is slower than that is
// taken to be gone, or to mean harm: it holds memory and a connection.
const (
	bodyTime   = 10 * time.Second
	bodyRate   = 32 << 10 // bytes a second
	answerTime = 30 * time.Second
	answerRate = 64 << 10
	answerStep = 256 << 10 // bytes that are written at once
	firstRead  = 8 << 10   // bytes; then half of what there is already
)

// readAll reads a body into memory, of which the request's account has what has arrived, and not what is announced.
func (t HTTP) readAll(
	ctx context.Context, w http.ResponseWriter, r io.Reader, announced int64,
) ([]byte, *requestError) {
	account, conn, start := budget.Of(ctx), http.NewResponseController(w), time.Now()
	var body []byte
	for {
		if len(body) == cap(body) {
			size := len(body) + max(firstRead, len(body)/2)
			if announced > int64(len(body)) {
				size = min(size, int(announced)+1) // and one to see the end
			}
			if err := account.UseInput(ctx, size-len(body)); err != nil {
				return nil, t.budgetRefusal(err)
			}
			body = append(make([]byte, 0, size), body...)
		}
		// Not every connection has deadlines: one of a test has none.
		_ = conn.SetReadDeadline(start.Add(bodyTime + time.Duration(len(body))*time.Second/bodyRate))
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			_ = conn.SetReadDeadline(time.Time{}) // at its end the request would end, too
			return body, nil
		case err == nil:
		case isTooLarge(err):
			return nil, t.bodyTooLarge()
		case isTimeout(err):
			w.Header().Set("Connection", "close")
			return nil, &requestError{status: http.StatusRequestTimeout, code: codes.Timeout, message: fmt.Sprintf(
				"the request body came too slowly: it has %s, and a second more for each %d bytes", bodyTime, bodyRate)}
		default:
			return nil, &requestError{status: http.StatusBadRequest, message: "the request body could not be read"}
		}
	}
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// sender writes an answer to a client that must take it at a minimum rate.
type sender struct {
	w      http.ResponseWriter
	conn   *http.ResponseController
	start  time.Time
	sent   int
	failed bool
}

func newSender(w http.ResponseWriter) *sender {
	return &sender{w: w, conn: http.NewResponseController(w), start: time.Now()}
}

func (s *sender) send(part []byte) {
	for len(part) > 0 && !s.failed {
		n := min(len(part), answerStep)
		_ = s.conn.SetWriteDeadline(s.start.Add(answerTime + time.Duration(s.sent)*time.Second/answerRate))
		_, err := s.w.Write(part[:n])
		s.failed = err != nil // the client may be gone
		s.sent += n
		part = part[n:]
	}
}

// done leaves the connection as it was.
func (s *sender) done() {
	if !s.failed {
		_ = s.conn.SetWriteDeadline(time.Time{})
	}
}
