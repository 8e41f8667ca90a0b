package httpcache

import (
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"
)

// notStored are the fields that a stored response does not have: those of the connection, of
// one client, and those that the cache makes itself.
var notStored = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Transfer-Encoding": true,
	"Upgrade": true, "Trailer": true, "Proxy-Authenticate": true, "Proxy-Authentication-Info": true,
	"Proxy-Authorization": true, "Set-Cookie": true, "Content-Length": true, "Age": true,
	"Ratelimit": true, "Ratelimit-Policy": true, "Ratelimit-Limit": true, "Ratelimit-Remaining": true, "Ratelimit-Reset": true,
	"X-Ratelimit-Limit": true, "X-Ratelimit-Remaining": true, "X-Ratelimit-Reset": true,
}

// packHead returns the fields of h that are stored, sorted by name: see appendField.
func packHead(h http.Header) string {
	var connection []string
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			connection = append(connection, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	names := make([]string, 0, len(h))
	for name := range h {
		if !notStored[name] && !slices.Contains(connection, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		for _, line := range h[name] {
			b = appendField(b, name, line)
		}
	}
	return string(b)
}

// A form is how a packed field begins: with the index of its form in forms.
type form struct {
	name string
	line string // "": the line follows, with its length
	date bool   // the line follows as seconds since zeroDate
}

// forms are those of fields that are frequent. The order is part of recordSchema.
var forms = [...]form{
	{}, // of other fields: the name follows, with its length
	{name: "Cache-Control"}, {name: "Content-Disposition"}, {name: "Content-Encoding"}, {name: "Content-Language"},
	{name: "Content-Security-Policy"}, {name: "Content-Type"}, {name: "Date"}, {name: "Date", date: true}, {name: "Etag"},
	{name: "Expires"}, {name: "Expires", date: true}, {name: "Last-Modified"}, {name: "Last-Modified", date: true},
	{name: "Link"}, {name: "Location"}, {name: "Vary"}, {name: "X-Content-Type-Options"},
	{name: "Content-Encoding", line: "gzip"}, {name: "Vary", line: "Accept-Encoding"}, {name: "X-Content-Type-Options", line: "nosniff"},
	{name: "Content-Type", line: "application/json"}, {name: "Content-Type", line: "text/html"},
	{name: "Content-Type", line: "text/html; charset=utf-8"}, {name: "Content-Type", line: "text/plain; charset=utf-8"},
}

// formOf returns the index of the shortest form of a field, and the seconds of a date.
func formOf(name, line string) (best int, seconds int64) {
	for i, f := range forms {
		switch {
		case f.name != name:
		case f.line != "":
			if f.line == line {
				return i, 0
			}
		case f.date:
			if at, err := http.ParseTime(line); err == nil {
				seconds = int64(at.Sub(zeroDate) / time.Second)
				if seconds >= 0 && date(seconds) == line {
					return i, seconds
				}
			}
		case name != "":
			best = i
		}
	}
	return best, 0
}

// zeroDate is where packed dates count from.
var zeroDate = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

// date returns a date in the form that HTTP prefers (RFC 9110 section 5.6.7).
func date(seconds int64) string {
	return zeroDate.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
}

func appendField(b []byte, name, line string) []byte {
	i, seconds := formOf(name, line)
	b = append(b, byte(i))
	if i == 0 {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
	}
	switch f := forms[i]; {
	case f.line != "":
		return b
	case f.date:
		return binary.AppendUvarint(b, uint64(seconds))
	}
	b = binary.AppendUvarint(b, uint64(len(line)))
	return append(b, line...)
}

// field consumes the next field of a packed header.
func (d *decoder) field() (name, line string, ok bool) {
	if d.s == "" || !d.ok {
		return "", "", false
	}
	i := int(d.byte())
	if i >= len(forms) {
		d.ok = false
		return "", "", false
	}
	f := &forms[i]
	name, line = f.name, f.line
	if i == 0 {
		name = d.str()
	}
	switch {
	case f.date:
		line = date(int64(d.uvarint()))
	case line == "":
		line = d.str()
	}
	return name, line, d.ok
}

// first returns the first line of a field, or "".
func (rec *record) first(name string) string {
	d := decoder{s: rec.head, ok: true}
	for {
		n, line, ok := d.field()
		if !ok {
			return ""
		}
		if n == name {
			return line
		}
	}
}

// header returns the stored fields in a new Header.
func (rec *record) header() http.Header {
	h := make(http.Header)
	d := decoder{s: rec.head, ok: true}
	for {
		name, line, ok := d.field()
		if !ok {
			return h
		}
		h[name] = append(h[name], line)
	}
}
