-- +goose Up

-- Nothing to do: this is for SQLite's sake only, whose file has the reason.
