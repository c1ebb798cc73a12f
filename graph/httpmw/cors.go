package httpmw

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// CORS lets browser pages of other origins call the API; without origins it does nothing.
func CORS(origins []string) Middleware {
	if len(origins) == 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{requestIDHeader},
		MaxAge:         int((10 * time.Minute).Seconds()),
	}).Handler
}
