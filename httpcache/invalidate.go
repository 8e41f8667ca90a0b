package httpcache

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// unsafe passes a request on that may change the resource, and invalidates what is stored
// for its URL if the handler succeeds (RFC 9111 section 4.4).
func (h *handler) unsafe(w http.ResponseWriter, r *http.Request) {
	s := &spy{ResponseWriter: w}
	keys := make([]string, 0, 4)
	s.header = func(status int) {
		if keys = h.changed(r, status, w.Header()); len(keys) > 0 {
			h.invalidate(r, keys) // before the client knows
		}
		h.groups(r, w.Header())
	}
	h.c.addStatus(w.Header(), fwdMethod)
	h.next.ServeHTTP(s, r)
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	if len(keys) > 0 {
		h.invalidate(r, keys) // a handler may change the resource after it has begun to answer
	}
}

// invalidate deletes keys. If Redis is unreachable, the tiers try again: see [strata.Cache].
func (h *handler) invalidate(r *http.Request, keys []string) {
	_ = h.c.tiers.Delete(context.WithoutCancel(r.Context()), keys...)
}

// changed returns the keys that a response to an unsafe request invalidates: those of its
// URL, and of Location and Content-Location if they have the same host.
func (h *handler) changed(r *http.Request, status int, header http.Header) []string {
	if status < 200 || status >= 400 {
		return nil
	}
	u := url.URL{Scheme: "http", Host: r.Host}
	own, err := url.Parse("http://" + r.Host + targetOf(r))
	if err != nil {
		return nil
	}
	keys := h.c.keysOfURL(own)
	keys = append(keys, routeKeys(h, r)...)
	for _, name := range []string{"Location", "Content-Location"} {
		other, err := own.Parse(header.Get(name))
		if err != nil || header.Get(name) == "" || other.Host == "" {
			continue
		}
		if normalHost(other.Host, other.Scheme) == normalHost(u.Host, "") || normalHost(other.Host, "") == normalHost(u.Host, "") {
			keys = append(keys, h.c.keysOfURL(other)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// routeKeys returns the key that Route.Key gives the URL of r.
func routeKeys(h *handler, r *http.Request) []string {
	if h.rt.Key == nil {
		return nil
	}
	key, ok := h.key(r)
	if !ok {
		return nil
	}
	return h.c.keysOf(key)
}

// Purge invalidates what is stored for an absolute URL, with all its variants, in every
// process. The scheme does not matter. If Redis is unreachable, the error wraps
// store.ErrUnavailable, and other processes may serve the old responses until Redis is back.
func (c *Cache) Purge(ctx context.Context, rawURL string) error {
	keys, err := c.keysToPurge(rawURL)
	if err != nil {
		return err
	}
	return c.tiers.Delete(ctx, keys...)
}

func (c *Cache) keysToPurge(rawURL string) ([]string, error) {
	u, err := url.Parse(rawURL)
	if err == nil && u.Host == "" {
		err = fmt.Errorf("%q has no host", rawURL)
	}
	if err != nil {
		return nil, fmt.Errorf("httpcache: purge: %w", err)
	}
	return c.keysOfURL(u), nil
}

// PurgeKey invalidates what is stored for a text of [Route].Key on a host, as Purge does.
func (c *Cache) PurgeKey(ctx context.Context, host, text string) error {
	return c.tiers.Delete(ctx, c.keysOfText(host, text)...)
}

func (c *Cache) keysOfText(host, text string) []string {
	return append(c.keysOf(routeKey("http://"+normalHost(host, "http"), text)),
		c.keysOf(routeKey("https://"+normalHost(host, "https"), text))...)
}

// PurgePattern invalidates all responses with a key that matches pattern, in every process, and
// returns the number of records. A key is the URL with a lower-case host, or the scheme and
// host, a space and the quoted text of [Route].Key; package keys describes patterns. Keys of
// further variants of a URL have a suffix. PurgePattern scans all keys of Redis: it is for
// maintenance.
func (c *Cache) PurgePattern(ctx context.Context, pattern string) (int, error) {
	return c.cache.DeletePattern(ctx, pattern)
}

// PurgeTags invalidates all responses with one of tags, in every process: see [SetTags]. Values
// of other caches of the backend that have one of tags are invalidated, too. If a variant
// of a response is invalidated, other variants may be. Errors are those of Purge.
func (c *Cache) PurgeTags(ctx context.Context, tags ...string) error {
	return c.backend.InvalidateTags(ctx, tags...)
}

// PurgeGroups invalidates all responses of a host that have one of groups in Cache-Groups (RFC
// 9875), as PurgeTags does.
func (c *Cache) PurgeGroups(ctx context.Context, host string, groups ...string) error {
	return c.PurgeTags(ctx, groupTags(host, groups)...)
}

func groupTags(host string, groups []string) []string {
	tags := make([]string, len(groups))
	for i, g := range groups {
		tags[i] = groupTag(host, g)
	}
	return tags
}

// Clear invalidates all responses of this cache, in every process. Errors are those of Purge.
func (c *Cache) Clear(ctx context.Context) error { return c.cache.Clear(ctx) }

// groups obeys Cache-Group-Invalidation (RFC 9875 section 3).
func (h *handler) groups(r *http.Request, header http.Header) {
	if groups := stringsOf(header["Cache-Group-Invalidation"]); len(groups) > 0 {
		_ = h.c.PurgeGroups(context.WithoutCancel(r.Context()), r.Host, groups...) // retried: see PurgeTags
	}
}

// groupsOf returns the tags for the groups of a response (RFC 9875 section 2).
func groupsOf(host string, h http.Header) []string {
	return groupTags(host, stringsOf(h["Cache-Groups"]))
}

// groupTag returns the tag of a group of an origin. Schemes share it.
func groupTag(host, group string) string {
	return "httpcache group " + normalHost(host, "") + " " + group
}

// Bounds of a field of groups: RFC 9875 asks for 32 groups of 32 characters.
const (
	maxGroups   = 128
	maxGroupLen = 128
)

// stringsOf returns the strings of a List of strings, or nil if it is none.
func stringsOf(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	items, err := parseList(lines)
	if err != nil {
		return nil
	}
	var out []string
	for _, item := range items {
		if item.kind == kindString && len(item.text) <= maxGroupLen && len(out) < maxGroups {
			out = append(out, item.text)
		}
	}
	return out
}
