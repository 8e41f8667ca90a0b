package admin

import (
	"net/http"
	"time"
)

// maxStreams bounds the streams at the same time, and writeFor how long a client may take to read
// an event. A client that misses events gets the next one: each is complete.
const (
	maxStreams = 32
	writeFor   = 10 * time.Second
)

var (
	errStreams = &httpError{http.StatusServiceUnavailable, "32 clients have a stream already: close one, or ask for live"}
	errEnded   = &httpError{http.StatusServiceUnavailable, "the handler is closed"}
)

// subscribe returns a channel that receives the events from now on. The error is an *httpError.
func (r *recorder) subscribe() (chan []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, errEnded
	case len(r.streams) >= maxStreams:
		return nil, errStreams
	}
	events := make(chan []byte, 1)
	r.streams[events] = struct{}{}
	return events, nil
}

func (r *recorder) unsubscribe(events chan []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.streams, events)
}

// send sends an event to each stream, in place of one that was not read yet. r.mu is held, so
// nobody else sends.
func (r *recorder) send(event []byte) {
	for events := range r.streams {
		select {
		case <-events:
		default:
		}
		events <- event
	}
}

// serveStream sends the last step, and then each step as it ends, until the client goes away, does
// not read, or the handler is closed.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, caller Principal) {
	events, err := h.recorder.subscribe()
	if err != nil {
		w.Header().Set("Retry-After", "10")
		h.refuse(w, r, endpoint{}, caller, err)
		return
	}
	defer h.recorder.unsubscribe(events)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect events
	if r.Method == http.MethodHead {
		return
	}
	out := http.NewResponseController(w)
	event := h.encodeLive(h.recorder.live())
	for {
		// A server without deadlines waits for a client that does not read.
		out.SetWriteDeadline(time.Now().Add(writeFor))
		for _, part := range [][]byte{[]byte("data: "), event, []byte("\n\n")} {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
		if out.Flush() != nil {
			return
		}
		select {
		case event = <-events:
		case <-r.Context().Done():
			return
		case <-h.recorder.done:
			return
		}
	}
}
