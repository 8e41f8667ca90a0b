package httpcache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

const methodQuery = "QUERY" // RFC 10008

// content reads the content of r, a QUERY, so that it can be part of the key and be read again.
// ok is false if it is too large: r then has all of it for the handler.
func (h *handler) content(r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, h.c.opts.MaxQuery+1))
	if err != nil || int64(len(body)) > h.c.opts.MaxQuery {
		rest := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), rest), rest}
		return nil, false
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return body, true
}

// query answers a QUERY. Its content and the fields about it are part of the key (RFC 10008
// section 2.7).
func (h *handler) query(w http.ResponseWriter, r *http.Request) {
	if h.c.opts.MaxQuery == 0 {
		h.forward(w, r, fwdMethod)
		return
	}
	key, ok := h.key(r)
	if !ok || h.rt.NoStore || bypassed(r) || len(r.Trailer) > 0 || h.c.opts.Bypass != nil && h.c.opts.Bypass(r) {
		h.forward(w, r, fwdBypass)
		return
	}
	r = r.WithContext(r.Context()) // its body changes
	body, ok := h.content(r)
	if !ok {
		h.forward(w, r, fwdBypass+detail("size"))
		return
	}
	g, ok := h.c.group(r.Context(), key+querySuffix)
	if !ok {
		h.forward(w, r, fwdMiss)
		return
	}
	h.serve(w, r, key+querySuffix+g.generation+contentHash(r.Header, body), h.c.requestControl(r))
}

// contentHash returns a text that differs for different contents.
func contentHash(header http.Header, body []byte) string {
	var names []string
	for name := range header {
		if strings.HasPrefix(name, "Content-") && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		for _, line := range header[name] {
			hashText(sum, name)
			hashText(sum, line)
		}
	}
	sum.Write([]byte{0}) // no text begins so
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil))
}

func hashText(to hash.Hash, s string) { _, _ = io.WriteString(to, strconv.Itoa(len(s))+":"+s) } // never fails

// A group is a record that others depend on: their keys have its generation, so that all are
// invalidated with it.
type group struct {
	generation string
	rule       string // of No-Vary-Search
}

// Suffixes of the ids of groups: of the contents of a URL, and of the queries of a path.
const (
	querySuffix  = " query "
	searchSuffix = " search "
)

func (g group) entry() store.Entry[any] {
	now := store.Now()
	return store.Entry[any]{Value: page{meta: g.generation, body: g.rule}, LoadedAt: now, ExpiresAt: now.Add(defaultMaxTTL)}
}

// group returns the group with an id, which it makes if there is none.
func (c *Cache) group(ctx context.Context, id string) (g group, ok bool) {
	f, err := c.tiers.Find(ctx, id, layered.Source[any]{Load: func(context.Context, string) (store.Entry[any], error) {
		return group{generation: newGeneration()}.entry(), nil
	}})
	p := pageOf(f.Value)
	return group{p.meta, p.body}, err == nil
}

// keysOf returns key, which a URL or Route.Key has, and the groups that depend on it.
func (c *Cache) keysOf(key string) []string {
	keys := []string{key}
	if c.opts.MaxQuery > 0 {
		keys = append(keys, key+querySuffix)
	}
	if c.opts.NoVarySearch {
		path, _, _ := strings.Cut(key, "?")
		keys = append(keys, path+searchSuffix)
	}
	return keys
}
