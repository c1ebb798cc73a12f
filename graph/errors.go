package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/graph/httpmw"
	"github.com/threadstore/threadstore/graph/validate"
)

// codeOf is the one mapping from the domain's errors to the API's.
var codeOf = map[db.Code]string{
	db.Invalid:     codes.BadUserInput,
	db.NotFound:    codes.NotFound,
	db.Conflict:    codes.Conflict,
	db.Unavailable: codes.ServiceUnavailable,
	db.Timeout:     codes.Timeout,
}

// errorPresenter makes errors presentable, and logs those that are not.
type errorPresenter struct{ log *slog.Logger }

// present turns any error into what a client may see. What is not a domain error
// and not the framework's own is logged and masked.
func (p *errorPresenter) present(ctx context.Context, err error) *gqlerror.Error {
	shown := &gqlerror.Error{Extensions: map[string]any{}}
	var framework *gqlerror.Error
	if errors.As(err, &framework) {
		shown.Path, shown.Locations = framework.Path, framework.Locations
	} else {
		shown.Path = graphql.GetPath(ctx)
	}
	switch domain, ok := errors.AsType[*db.Error](err); {
	case ok:
		shown.Message = domain.Reason
		shown.Extensions["code"] = codeOf[domain.Code]
		if len(domain.Path) > 0 {
			shown.Extensions["argumentPath"] = domain.Path
			shown.Message = domain.Field() + " " + domain.Reason
		}
		if domain.Err != nil {
			p.log.LogAttrs(ctx, slog.LevelWarn, "database", httpmw.RequestAttr(ctx), slog.String("error", err.Error()))
		}
	case framework != nil && framework.Err == nil:
		shown.Message, shown.Rule = framework.Message, framework.Rule
		if isVariableError(framework) { // "must be defined"
			name := strings.TrimPrefix(framework.Path.String(), string(validate.VariablePath)+".")
			shown.Message = "$" + name + ": " + shown.Message
		}
		shown.Message = truncate(shown.Message)
		shown.Extensions["code"] = frameworkCode(framework)
	default:
		p.log.LogAttrs(ctx, slog.LevelError, "internal error", httpmw.RequestAttr(ctx),
			slog.String("error", err.Error()))
		shown.Message = "internal server error"
		shown.Extensions["code"] = codes.InternalServerError
	}
	if id := httpmw.RequestIDOf(ctx); id != "" {
		shown.Extensions["requestId"] = id
	}
	return shown
}

// maxMessage is how long a message of the framework may be, in bytes: it can quote names of a client's choice.
const maxMessage = 500

func truncate(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// isVariableError reports whether err is about the value of a variable.
func isVariableError(err *gqlerror.Error) bool {
	return len(err.Path) > 0 && err.Path[0] == validate.VariablePath
}

// frameworkCode translates the codes of gqlgen and gqlparser, who reject requests before a resolver runs.
func frameworkCode(err *gqlerror.Error) string {
	code, _ := err.Extensions["code"].(string)
	switch {
	case code == codes.ValidationFailed && isVariableError(err):
		return codes.BadUserInput // a variable's value is not the document's fault
	case code != "":
		return code
	}
	return codes.InternalServerError
}

// panicError is what a panic becomes; its text and stack are for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

func recoverPanic(_ context.Context, value any) error {
	return &panicError{value, debug.Stack()}
}
