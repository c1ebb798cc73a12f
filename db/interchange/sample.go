package interchange

import (
	"context"
	_ "embed"
	"strings"
)

// sample are a few conversations of a bicycle shop that does not exist, for people
// who look around. All that the schema knows occurs in them.
//
//go:embed sample.jsonl
var sample string

// ImportSample imports the sample data, whose ids begin with "sample-".
func ImportSample(ctx context.Context, store Store, progress func(threads, messages int)) error {
	return Import(ctx, store, "sample data", strings.NewReader(sample), progress)
}
