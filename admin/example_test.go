package admin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
)

func mount(mux *http.ServeMux, backend *strata.Backend) (*admin.Handler, error) {
	h, err := admin.New(backend, nil)
	if err != nil {
		return nil, err
	}
	mux.Handle("/debug/cache/", h)
	return h, nil
}

func ExampleNew() {
	backend, err := strata.Open(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Close()
	mux := http.NewServeMux()
	h, err := mount(mux, backend)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	r := httptest.NewRequest("GET", "http://localhost/debug/cache/", nil)
	r.RemoteAddr = "127.0.0.1:5000"
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "Healthy"))
	// Output: 200 true
}
