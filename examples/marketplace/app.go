package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/market"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/examples/marketplace/web"
)

// drain bounds how long requests in flight may take at the shutdown.
const drain = 10 * time.Second

// An app is all that one process has.
type app struct {
	db      *source.DB
	backend *strata.Backend
	market  *market.Market
	metrics metrics
	web     *web.Server
}

func open(ctx context.Context, s settings) (a *app, err error) {
	a = new(app)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.db, err = openSource(ctx, s); err != nil {
		return a, err
	}
	if a.backend, err = strata.Open(ctx, s.cache); err != nil {
		return a, err
	}
	if a.metrics, err = measure(a.backend); err != nil {
		return a, err
	}
	if s.bypass {
		a.backend.SetBypass(strata.Bypass{Reads: true, Writes: true})
	}
	if a.market, err = market.New(a.backend, a.db); err != nil {
		return a, err
	}
	a.web, err = web.New(a.market, a.backend, a.db, s.web)
	return a, err
}

// serve serves on l until ctx ends. What it starts first ends last: requests use the caches, the
// relay uses the caches and the database.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	relayCtx, stopRelay := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() {
		if err := a.market.Relay(relayCtx); err != nil {
			slog.Error("the relay of the outbox ended", "err", err)
		}
	})
	server := &http.Server{Handler: a.web, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()

	a.warm(ctx)
	a.web.SetReady(true)
	var err error
	select {
	case err = <-ended: // the listener failed
	case <-ctx.Done():
	}

	a.web.SetReady(false)
	drainCtx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err = errors.Join(err, server.Shutdown(drainCtx))
	if errHot := a.market.SaveHot(drainCtx); errHot != nil {
		slog.Warn("the list of hot listings was not saved", "err", errHot)
	}
	stopRelay()
	background.Wait()
	return errors.Join(err, a.close())
}

// warm fills the caches. A service that cannot is slow at first, and starts all the same.
func (a *app) warm(ctx context.Context) {
	start := time.Now()
	if err := a.market.Warm(ctx); err != nil {
		slog.Warn("the caches are not warm", "err", err)
		return
	}
	slog.Info("the caches are warm", "took", time.Since(start).Round(time.Millisecond))
}

// close closes the caches, which may still load, and then what they use.
func (a *app) close() error {
	var errs []error
	if a.backend != nil {
		errs = append(errs, a.backend.Close())
	}
	errs = append(errs, a.metrics.close())
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}
