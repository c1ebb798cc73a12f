package httpmw

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// AllowOrigins lets browser pages of other origins call the API.
func AllowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"X-Request-Id"},
		MaxAge:         int((10 * time.Minute).Seconds()),
	}).Handler(next)
}
