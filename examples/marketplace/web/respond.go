package web

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/store"
)

// counted returns a handler whose responses have a header field with the number of reads of the
// database.
func counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, reads := source.CountReads(r.Context())
		next.ServeHTTP(&response{ResponseWriter: w, reads: reads}, r.WithContext(ctx))
	})
}

// A response has a header field with the number of reads of the database.
type response struct {
	http.ResponseWriter
	reads *atomic.Int64
	wrote bool
}

func (r *response) WriteHeader(code int) {
	r.wrote = true
	r.Header().Set("X-Source-Reads", strconv.FormatInt(r.reads.Load(), 10))
	r.ResponseWriter.WriteHeader(code)
}

func (r *response) Write(b []byte) (int, error) {
	if !r.wrote {
		r.WriteHeader(http.StatusOK)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// A badRequest is a mistake of the client.
type badRequest struct{ error }

func badf(format string, args ...any) error { return badRequest{fmt.Errorf(format, args...)} }

func writeJSON(w http.ResponseWriter, code int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // fails only if the client has gone
	return nil
}

// writeError answers with the status that err stands for.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	code, text := http.StatusServiceUnavailable, "try again later"
	switch {
	case errors.As(err, new(badRequest)):
		code, text = http.StatusBadRequest, err.Error()
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sql.ErrNoRows):
		code, text = http.StatusNotFound, "there is no such thing"
	case errors.Is(err, source.ErrTaken), errors.Is(err, source.ErrEmail):
		code, text = http.StatusConflict, err.Error()
	case r.Context().Err() != nil: // the client has gone
	default:
		slog.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, code)
}

// pathID returns the id in the path. All ids are positive.
func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// number returns a number of the form or query, or 0 if it is not there.
func number(r *http.Request, name string) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1_000_000_000 {
		return 0, badf("%s: %q is not a number between 0 and 1000000000", name, text)
	}
	return n, nil
}

// readJSON reads a body of up to 64 KiB.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	if err := d.Decode(v); err != nil {
		return badf("the body is not what is expected: %w", err)
	}
	return nil
}
