package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/httpcache"
)

func Example() {
	b, err := strata.Open(context.Background(), nil) // with a RedisURL: shared by all processes
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	pages, err := httpcache.New(b, "pages", &httpcache.Options{StaleIfError: time.Minute})
	if err != nil {
		log.Fatal(err)
	}

	calls := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /listings/{id}", func(w http.ResponseWriter, r *http.Request) {
		calls++
		httpcache.SetTags(w, "listing:"+r.PathValue("id"))
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "listing %s, version %d", r.PathValue("id"), calls)
	})
	h := pages.Middleware(mux)

	get := func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/listings/42", nil))
		body, _ := io.ReadAll(w.Body)
		fmt.Println(string(body), "-", w.Header().Get("Cache-Status"))
	}
	get()
	get()
	if err := pages.PurgeTags(context.Background(), "listing:42"); err != nil {
		log.Fatal(err)
	}
	get()
	// Output:
	// listing 42, version 1 - pages; fwd=uri-miss
	// listing 42, version 1 - pages; hit; ttl=59
	// listing 42, version 2 - pages; fwd=uri-miss
}
