// Command cachingproxy is a reverse proxy with a shared HTTP cache. "make conformance" runs
// the npm suite http-cache-tests against it.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/httpcache"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8001", "address to serve")
	origin := flag.String("origin", "http://127.0.0.1:8000", "server to cache")
	redis := flag.String("redis", "", "URL of Redis; empty: memory only")
	languages := flag.String("languages", "", "languages of the origin, best first, such as en,de; empty: Accept-Language stays as it is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *origin, *redis, *languages); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, origin, redis, languages string) (err error) {
	to, err := url.Parse(origin)
	if err != nil {
		return err
	}
	b, err := strata.Open(ctx, &strata.Config{RedisURL: redis})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	cache, err := httpcache.New(b, "proxy", &httpcache.Options{
		Heuristic:   time.Hour,
		MaxErrorTTL: time.Hour,
		Targets:     []string{"CDN-Cache-Control"},
		FillRanges:  true,
	})
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	h := cache.Middleware(proxy)
	if languages != "" {
		h = httpcache.Languages(strings.Split(languages, ",")...)(h)
	}
	s := &http.Server{Addr: listen, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
