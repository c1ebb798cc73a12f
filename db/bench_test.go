package db_test

import (
	"fmt"
	"testing"

	"github.com/threadstore/threadstore/db"
	"github.com/threadstore/threadstore/db/dbtest"
)

// BenchmarkPages reads pages of 100 threads by cursor, at the start of the list and three quarters down, in a store of
// 20,000 threads and in one of ten times as many. None takes longer than 1.5 times the first page of the smaller store:
//
//	.ci/with-postgres go test ./db -run - -bench Pages
func BenchmarkPages(b *testing.B) {
	for _, driver := range dbtest.Drivers {
		for _, n := range []int{20_000, 200_000} {
			b.Run(fmt.Sprintf("%s/%d", driver, n), func(b *testing.B) {
				o := dbtest.Options(b, driver)
				store := dbtest.OpenOptions(b, o, db.Hooks{})
				dbtest.Bulk(b, o, n, 0)
				deep := db.Cursor{UpdatedAt: dbtest.BulkTime(n / 4), ID: dbtest.BulkID(n / 4)}
				for _, c := range []struct {
					name string
					page db.PageRequest
				}{
					{"first", db.PageRequest{Limit: 100}},
					{"deep", db.PageRequest{Limit: 100, After: &deep}},
					{"deep with hasPreviousPage", db.PageRequest{Limit: 100, After: &deep, LookBeyondCursors: true}},
					{"deep backward", db.PageRequest{Limit: 100, Before: &deep, FromEnd: true}},
				} {
					b.Run(c.name, func(b *testing.B) {
						for b.Loop() {
							page, err := store.Scope("").Threads().Page(b.Context(), c.page)
							if err != nil || len(page.Threads) != 100 {
								b.Fatalf("%v, %v", page, err)
							}
						}
					})
				}
			})
		}
	}
}
