// Command service is an HTTP service that reads listings from a slow database
// through a cache. docs/tutorial.md explains it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

// A Listing is what the service reads and changes.
type Listing struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Price int    `json:"price"`
}

// A database takes 20 ms for a query, and counts its reads.
type database struct {
	mu    sync.Mutex
	rows  map[int64]Listing
	reads int
}

// ListingByID is the loader: the cache calls it for what neither tier has.
func (d *database) ListingByID(_ context.Context, id int64) (Listing, error) {
	time.Sleep(20 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	l, ok := d.rows[id]
	if !ok {
		return Listing{}, fmt.Errorf("listing %d: %w", id, store.ErrNotFound)
	}
	return l, nil
}

func (d *database) save(l Listing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[l.ID] = l
}

// A service answers requests from its cache and its database.
type service struct {
	db       *database
	backend  *strata.Backend
	listings *strata.Cache[int64, Listing]
}

func newService(ctx context.Context, c *strata.Config, db *database) (*service, error) {
	b, err := strata.Open(ctx, c) // one for the process: memory, and Redis if c has a URL
	if err != nil {
		return nil, err
	}
	listings, err := strata.New(b, "listing", db.ListingByID, &strata.Options[int64, Listing]{
		TTL:      time.Minute,
		StaleFor: time.Hour, // served that much longer while the database fails
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &service{db: db, backend: b, listings: listings}, nil
}

func (s *service) get(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // 0, which no listing has, if it is no number
	e, err := s.listings.GetEntry(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		http.Error(w, "no such listing", http.StatusNotFound)
	case err != nil: // the database failed, and there is no stale value
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	default:
		w.Header().Set("X-Tier", fmt.Sprint(e.Tier)) // L1, L2 or source
		_ = json.NewEncoder(w).Encode(e.Value)
	}
}

func (s *service) put(w http.ResponseWriter, r *http.Request) {
	var l Listing
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err = errors.Join(err, json.NewDecoder(r.Body).Decode(&l)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.ID = id
	s.db.save(l)                                               // first the database,
	if err := s.listings.Delete(r.Context(), id); err != nil { // then the cache
		log.Print(err) // Strata deletes it in Redis as soon as it can
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(s.backend.Health())
}

// run serves on l until ctx ends.
func run(ctx context.Context, l net.Listener, c *strata.Config, db *database) error {
	s, err := newService(ctx, c, db)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /listings/{id}", s.get)
	mux.HandleFunc("PUT /listings/{id}", s.put)
	mux.HandleFunc("GET /health", s.health)
	server := &http.Server{Handler: mux}
	idle := make(chan error, 1)
	context.AfterFunc(ctx, func() { idle <- server.Shutdown(context.Background()) })
	if err = server.Serve(l); errors.Is(err, http.ErrServerClosed) {
		err = <-idle // no request is under way
	}
	return errors.Join(err, s.backend.Close())
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	c, err := strata.FromEnv() // REDIS_URL, STRATA_MEMORY and others
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "localhost:8080")
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on http://", l.Addr())
	db := &database{rows: map[int64]Listing{1: {ID: 1, Title: "Loft by the canal", Price: 120}}}
	if err := run(ctx, l, c, db); err != nil {
		log.Fatal(err)
	}
}
