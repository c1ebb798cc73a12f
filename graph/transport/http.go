// Package transport is how GraphQL requests come and answers go: over HTTP.
package transport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/threadstore/threadstore/db/jsontext"
	"github.com/threadstore/threadstore/graph/codes"
	"github.com/threadstore/threadstore/internal/budget"
)

// Media types of answers. The first is the default, for clients older than the second.
const (
	typeJSON    = "application/json"
	typeGraphQL = "application/graphql-response+json"
)

// HTTP is GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/).
// gqlgen's own transport echoes malformed requests in its answers, and differs in status codes.
type HTTP struct {
	MaxBody   int64 // bytes
	MaxAnswer int64 // bytes, before compression
	Memory    *budget.Pool
}

var _ graphql.Transport = HTTP{}

// Supports takes every request: those that are not GraphQL get their error
// here, too, and an Upgrade that no transport before this one wants is ignored.
func (HTTP) Supports(*http.Request) bool { return true }

// requestError is a request that HTTP, JSON or a limit forbids.
type requestError struct {
	status  int
	message string
	code    string // BAD_USER_INPUT if it is empty
}

func (t HTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, account := t.Memory.Open(r.Context(), t.MaxAnswer)
	defer account.Close()
	contentType := negotiate(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	refuse := func(e *requestError) {
		// Not with the context of an account that has failed: it has ended.
		code := cmp.Or(e.code, codes.BadUserInput)
		err := &gqlerror.Error{Message: e.message, Extensions: map[string]any{"code": code}}
		WriteResponse(w, e.status, exec.DispatchError(r.Context(), gqlerror.List{err}))
	}

	var params *graphql.RawParams
	var reqErr *requestError
	switch r.Method {
	case http.MethodPost:
		params, reqErr = t.readBody(ctx, w, r)
	case http.MethodGet, http.MethodHead:
		params, reqErr = readURL(r.URL)
	default:
		w.Header().Set("Allow", "GET, POST")
		const message = "GraphQL is asked by POST, or queries by GET"
		reqErr = &requestError{status: http.StatusMethodNotAllowed, message: message}
	}
	if reqErr != nil {
		refuse(reqErr)
		return
	}
	params.Headers = r.Header
	params.ReadTime.Start, params.ReadTime.End = graphql.Now(), graphql.Now()

	op, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		// The request could not be executed. Older clients expect 200 with the errors in the body.
		status := http.StatusOK
		if contentType == typeGraphQL {
			status = http.StatusBadRequest
		}
		errs = errs[:min(len(errs), maxErrors)]
		WriteResponse(w, status, exec.DispatchError(graphql.WithOperationContext(ctx, op), errs))
		return
	}
	if r.Method != http.MethodPost && op.Operation.Operation != ast.Query {
		w.Header().Set("Allow", "POST")
		refuse(&requestError{status: http.StatusMethodNotAllowed, message: "only queries may be sent by GET"})
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, op)
	response := responses(ctx)
	status := http.StatusOK
	if account.Err() == budget.ErrBusy {
		status = http.StatusServiceUnavailable
	}
	WriteResponse(w, status, response)
}

// maxErrors is how many errors of an invalid document are told: 12 KB of unknown directives would make 600 KB of them.
const maxErrors = 10

// negotiate returns the media type of the answer: the first of ours that the
// client names, preferring what it weighs higher.
func negotiate(accept []string) string {
	if len(accept) == 1 && (accept[0] == typeJSON || accept[0] == typeGraphQL) {
		return accept[0]
	}
	best, weight := typeJSON, 0.0
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil || name != typeJSON && name != typeGraphQL {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if err := json.Unmarshal([]byte(text), &q); err != nil {
				continue
			}
		}
		if q > weight {
			best, weight = name, q
		}
	}
	return best
}

func (t HTTP) readBody(
	ctx context.Context, w http.ResponseWriter, r *http.Request,
) (*graphql.RawParams, *requestError) {
	bad := func(status int, format string, args ...any) (*graphql.RawParams, *requestError) {
		return nil, &requestError{status: status, message: fmt.Sprintf(format, args...)}
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return bad(http.StatusUnsupportedMediaType, "the content type must be application/json")
	}
	if r.ContentLength > t.MaxBody {
		return nil, t.bodyTooLarge()
	}
	body, reqErr := t.readAll(ctx, w, http.MaxBytesReader(w, r.Body, t.MaxBody), r.ContentLength)
	if reqErr != nil {
		return nil, reqErr
	}
	account := budget.Of(ctx)
	v, err := jsontext.DecodeWithin(body, func(bytes int) error { return account.UseInput(ctx, bytes) })
	switch {
	case err == nil:
	case errors.Is(err, jsontext.ErrTooManyValues):
		return bad(http.StatusBadRequest, "the request body holds more than %d JSON values, which is the limit",
			jsontext.MaxValues)
	case account.Err() != nil:
		return nil, t.budgetRefusal(account.Err())
	default:
		return bad(http.StatusBadRequest,
			"the request body is not valid JSON, or not UTF-8, or holds half of a surrogate pair alone")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return bad(http.StatusBadRequest, "the request body must be a JSON object with a query")
	}
	return toParams(object)
}

// isJSON reports whether a content type is JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == typeJSON {
		return true
	}
	name, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && name == typeJSON && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

func readURL(u *url.URL) (*graphql.RawParams, *requestError) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, &requestError{status: http.StatusBadRequest, message: "the URL's query cannot be read"}
	}
	for name, list := range values {
		if !utf8.ValidString(name) || !utf8.ValidString(strings.Join(list, "")) {
			return nil, &requestError{status: http.StatusBadRequest, message: "the URL's query must be UTF-8"}
		}
	}
	object := map[string]any{}
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		text := values.Get(name)
		switch {
		case text == "":
		case name == "query" || name == "operationName":
			object[name] = text
		default:
			if object[name], err = jsontext.Decode([]byte(text)); err != nil {
				return nil, &requestError{status: http.StatusBadRequest, message: name + " must be JSON in UTF-8"}
			}
		}
	}
	return toParams(object)
}

// toParams takes the parameters of a GraphQL request from its JSON object.
func toParams(object map[string]any) (*graphql.RawParams, *requestError) {
	p := &graphql.RawParams{}
	bad := func(name, want string) *requestError {
		return &requestError{status: http.StatusBadRequest, message: name + " must be " + want}
	}
	var ok bool
	if p.Query, ok = object["query"].(string); !ok || p.Query == "" {
		return nil, bad("query", "a GraphQL document, as a string")
	}
	if hasLoneSurrogate(p.Query) {
		return nil, bad("query", "Unicode, with no half of a surrogate pair alone")
	}
	if v := object["operationName"]; v != nil {
		if p.OperationName, ok = v.(string); !ok {
			return nil, bad("operationName", "a string")
		}
	}
	if v := object["variables"]; v != nil {
		if p.Variables, ok = v.(map[string]any); !ok {
			return nil, bad("variables", "an object")
		}
	}
	if v := object["extensions"]; v != nil {
		if p.Extensions, ok = v.(map[string]any); !ok {
			return nil, bad("extensions", "an object")
		}
	}
	return p, nil
}

// hasLoneSurrogate reports whether a string of a GraphQL document holds an escaped
// surrogate without its other half, for which gqlparser would put U+FFFD.
func hasLoneSurrogate(document string) bool {
	if !strings.Contains(document, `\u`) {
		return false
	}
	for i := 0; i < len(document); {
		rest := document[i:]
		switch {
		case rest[0] == '#':
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				return false
			}
			i += end
		case strings.HasPrefix(rest, `"""`): // block strings have no escapes but one for their end
			end := 3
			for {
				next := strings.Index(rest[end:], `"""`)
				if next < 0 {
					return false
				}
				if end += next + 3; rest[end-4] != '\\' {
					break
				}
			}
			i += end
		case rest[0] == '"':
			end := 1
			for end < len(rest) && rest[end] != '"' {
				if rest[end] == '\\' {
					end++
				}
				end++
			}
			if jsontext.CheckUnicode([]byte(rest[:min(end, len(rest))])) != nil {
				return true
			}
			i += end + 1
		default:
			i++
		}
	}
	return false
}

// WriteResponse sends the response. Its data is JSON already and is written as it is;
// json.Marshal of the response would cost as much as making the data did.
func WriteResponse(w http.ResponseWriter, status int, response *graphql.Response) {
	if response == nil { // the client has left
		response = &graphql.Response{Errors: gqlerror.List{{
			Message: "the request was cancelled", Extensions: map[string]any{"code": codes.Timeout},
		}}}
	}
	var before, after bytes.Buffer // the data
	separator := "{"
	member := func(buf *bytes.Buffer, name string, v any) {
		text, err := json.Marshal(v)
		if err != nil { // extensions hold strings, numbers and lists of these
			panic(err)
		}
		buf.WriteString(separator + `"` + name + `":`)
		buf.Write(text)
		separator = ","
	}
	if len(response.Errors) > 0 {
		member(&before, "errors", response.Errors)
	}
	if len(response.Data) > 0 {
		before.WriteString(separator + `"data":`)
		separator = ","
	}
	if len(response.Extensions) > 0 {
		member(&after, "extensions", response.Extensions)
	}
	after.WriteString("}")
	w.Header().Set("Content-Length", strconv.Itoa(before.Len()+len(response.Data)+after.Len()))
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	sender := newSender(w)
	for _, part := range [][]byte{before.Bytes(), response.Data, after.Bytes()} {
		sender.send(part)
	}
	sender.done()
}
