package codec

import "sync"

// A sink is an io.Writer that appends to a slice.
type sink struct {
	b    []byte
	most int          // length at which over is called, once; 0: never
	over func() error // returns an error to stop the writer
}

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	if s.most > 0 && len(s.b) > s.most {
		return len(p), s.beyond()
	}
	return len(p), nil
}

func (s *sink) WriteByte(c byte) error {
	s.b = append(s.b, c)
	if s.most > 0 && len(s.b) > s.most {
		return s.beyond()
	}
	return nil
}

func (s *sink) beyond() error {
	s.most = 0
	return s.over()
}

// mostPooled is the size in bytes above which buffers are not pooled, so that one huge
// value does not stay in memory.
const mostPooled = 1 << 20

// A scratch is a pooled buffer for one call.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) put() {
	if cap(s.b) <= mostPooled {
		s.b = s.b[:0]
		scratches.Put(s)
	}
}
