package httpcache

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A searchRule says which parts of a query a response does not depend on: a parsed
// No-Vary-Search (draft-ietf-httpbis-no-vary-search-10).
type searchRule struct {
	anyOrder bool
	all      bool // but those in names
	names    []string
}

// parseSearch parses No-Vary-Search. ok is false if it is absent, says nothing, or is anything
// but a valid field with known members: the whole query then counts.
func parseSearch(lines []string) (rule searchRule, ok bool) {
	if len(lines) == 0 {
		return rule, false
	}
	members, err := parseDictionary(lines)
	if err != nil || len(members) == 0 {
		return rule, false
	}
	_, params := members["params"]
	_, except := members["except"]
	if params && except {
		return rule, false
	}
	for name, item := range members {
		switch {
		case name == "key-order" && item.kind == kindBoolean:
			rule.anyOrder = item.num == 1
		case name == "params" && item.kind == kindBoolean:
			rule.all = item.num == 1
		case (name == "params" || name == "except") && item.kind == kindList:
			rule.all = name == "except"
			if rule.names, ok = item.strings(); !ok {
				return searchRule{}, false
			}
		default:
			return searchRule{}, false
		}
	}
	return rule, rule.anyOrder || rule.all || len(rule.names) > 0
}

// strings returns the items of an inner list of strings.
func (item *fieldItem) strings() (all []string, ok bool) {
	for _, s := range item.list {
		if s.kind != kindString {
			return nil, false
		}
		all = append(all, s.text)
	}
	slices.Sort(all)
	return slices.Compact(all), true
}

// normalize returns the part of a query that a response with this rule depends on: queries that
// are decoded to the same names and values have one. ok is false if it cannot be decoded.
func (rule *searchRule) normalize(query string) (s string, ok bool) {
	type param struct{ name, value string }
	var params []param
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nerr := url.QueryUnescape(name)
		value, verr := url.QueryUnescape(value)
		if nerr != nil || verr != nil {
			return "", false
		}
		if slices.Contains(rule.names, name) == rule.all {
			params = append(params, param{name, value})
		}
	}
	if rule.anyOrder { // of different names: that of the values of one name counts
		slices.SortStableFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	}
	var b strings.Builder
	for _, p := range params {
		b.WriteString("&" + url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value))
	}
	return b.String(), true
}

// ruleText returns the text of a rule that two fields with the same meaning share.
func (rule *searchRule) ruleText() string {
	var b strings.Builder
	for _, set := range []bool{rule.anyOrder, rule.all} {
		b.WriteByte("01"[flag(set, 1)])
	}
	for _, name := range rule.names {
		b.WriteString("&" + url.QueryEscape(name))
	}
	return b.String()
}

// parseRule parses what ruleText has returned.
func parseRule(s string) (rule searchRule, ok bool) {
	if len(s) < 2 {
		return rule, false
	}
	rule.anyOrder, rule.all = s[0] == '1', s[1] == '1'
	for name := range strings.SplitSeq(strings.TrimPrefix(s[2:], "&"), "&") {
		if name, err := url.QueryUnescape(name); err == nil && len(s) > 2 {
			rule.names = append(rule.names, name)
		}
	}
	return rule, true
}

// searches reports whether the response to r may be shared by No-Vary-Search.
func (h *handler) searches(r *http.Request, key string) bool {
	return h.c.opts.NoVarySearch && h.rt.Key == nil && r.Method != methodQuery && strings.Contains(key, "?")
}

// searchKey returns the key of r by the rule that responses to its path had, or key. rule is that
// which a response must have to be stored there; "": any.
func (c *Cache) searchKey(r *http.Request, key string) (searchKey, rule string) {
	path, query, found := strings.Cut(key, "?")
	if !found {
		return key, ""
	}
	e := c.get(r.Context(), path+searchSuffix)
	if e == nil {
		return key, ""
	}
	parsed, ok := parseRule(pageOf(e.Value).body)
	if !ok {
		return key, ""
	}
	if query, ok = parsed.normalize(query); !ok {
		return key, ""
	}
	p := pageOf(e.Value)
	return path + searchSuffix + p.meta + query, p.body
}

// learn keeps the rule of a response for later requests with other queries. It returns false if
// the response must not be stored, because its key is by another rule.
func (f *fill) learn(ctx context.Context, h http.Header) bool {
	if !f.c.opts.NoVarySearch || f.rt.Key != nil || f.r.Method == methodQuery {
		return true
	}
	key, ok := f.c.keyOf(f.r)
	path, _, found := strings.Cut(key, "?")
	if !ok || !found {
		return true
	}
	text := ""
	if rule, ok := parseSearch(h["No-Vary-Search"]); ok {
		text = rule.ruleText()
	}
	if text == f.at.rule {
		return true
	}
	id := path + searchSuffix
	known := f.c.get(ctx, id)
	switch {
	case known != nil && pageOf(known.Value).body == text: // another response had it
	case text == "":
		_ = f.c.tiers.Delete(ctx, id) // retried: see Cache.Purge
	default:
		_ = f.c.tiers.Set(ctx, id, group{newGeneration(), text}.entry()) // a failure costs calls of the handler
	}
	return f.at.rule == ""
}
