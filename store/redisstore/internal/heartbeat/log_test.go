package heartbeat

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestConnectionLine: a loss and its end have one line each, with the duration. Losses within ten
// seconds share a line, and the end of a heartbeat without listeners is none.
func TestConnectionLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, down := new(Heartbeat), errors.New("refused")
		p.ctx = t.Context()
		set := func(connected bool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.notify(connected)
		}
		expect := func(err error, want string) {
			t.Helper()
			_, text, attrs := p.connectionLine(err)
			for _, a := range attrs {
				text += " " + a.String()
			}
			if want == "" && text != "" || !strings.Contains(text, want) {
				t.Errorf("the line is %q, want %q", text, want)
			}
		}
		set(true)
		expect(nil, "")
		time.Sleep(time.Minute)
		set(false)
		expect(nil, "") // a connection is replaced, and no heartbeat has failed yet
		time.Sleep(3 * time.Second)
		expect(down, "disconnected: invalidations do not arrive from Redis cause=refused")
		expect(down, "")
		time.Sleep(4 * time.Second)
		set(true)
		expect(nil, "connected again: invalidations arrive from Redis duration=7s times=1")
		expect(nil, "")
		for range 3 { // within ten seconds
			set(false)
			expect(down, "")
			time.Sleep(time.Second / 2)
			set(true)
			expect(nil, "")
		}
		time.Sleep(10 * time.Second)
		expect(nil, "a connection to Redis was replaced duration=500ms times=3")
		expect(nil, "")
		time.Sleep(time.Minute)
		set(false)
		set(true)
		expect(nil, "replaced duration=0s times=1")
		p.ctx = nil // there are no listeners
		set(false)
		set(true)
		time.Sleep(time.Minute)
		expect(nil, "")
	})
}
