package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
	"github.com/redis/rueidis"
)

// An announcer publishes the keys that this client changes, and receives those that others
// change: see [Dialer.PubSub]. Messages may come late or never. MaxStale bounds what that
// costs, so nothing here waits for a message or repeats one.
type announcer struct {
	link     *link.Link
	watchers *notify.Fanout
	channel  string
	id       string // begins the messages of this client, which ignores them
	work     sync.WaitGroup

	mu      sync.Mutex
	waiting []string // keys to publish
	busy    bool     // a goroutine publishes
	closed  bool
}

const (
	announcerID = 8 // bytes

	mostAnnounced = 10_000 // keys that wait to be published
	keysAnnounced = 500    // keys in a message

	// A client waits this long until it subscribes again: twice as long after each
	// subscription that was refused, or that ended sooner than the wait before it.
	leastResubscribe = 100 * time.Millisecond
	mostResubscribe  = 3 * time.Second
)

// newAnnouncer returns one that is subscribed to channel. Nil without a channel.
func newAnnouncer(l *link.Link, watchers *notify.Fanout, channel string) *announcer {
	if channel == "" {
		return nil
	}
	a := &announcer{link: l, watchers: watchers, channel: channel, id: rand.Text()[:announcerID]}
	a.work.Go(a.listen)
	return a
}

// stop ends both directions, after the life of the client has ended.
func (a *announcer) stop() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.work.Wait()
}

// announce has keys published soon. What does not fit is not: others notice by MaxStale.
func (a *announcer) announce(keys []string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, keys[:min(len(keys), mostAnnounced-len(a.waiting))]...)
	if !a.busy && !a.closed {
		a.busy = true
		a.work.Go(a.publish)
	}
}

// publish sends what waits, one message at a time: keys that are changed meanwhile share the
// next one.
func (a *announcer) publish() {
	for {
		a.mu.Lock()
		n := min(len(a.waiting), keysAnnounced)
		if a.busy = n > 0; !a.busy {
			a.waiting = nil
			a.mu.Unlock()
			return
		}
		message := encodeKeys(a.id, a.waiting[:n])
		a.waiting = a.waiting[n:]
		a.mu.Unlock()
		if l := a.link.Pair.Load(); l != nil {
			ctx, cancel := a.link.Deadlines.Begin(a.link.Life)
			a.note(l.W.Do(ctx, l.W.B().Publish().Channel(a.channel).Message(message).Build()).Error())
			cancel()
		}
	}
}

// listen subscribes, again and again, until the client is closed.
func (a *announcer) listen() {
	life, wait := a.link.Life, leastResubscribe
	for life.Err() == nil {
		lasted, err := a.subscribe(life)
		a.note(err)
		wait = nextWait(wait, lasted)
		select {
		case <-life.Done():
		case <-time.After(wait):
		}
	}
}

// nextWait returns how long to wait after a subscription that lasted so long. The wait before
// it was wait.
func nextWait(wait, lasted time.Duration) time.Duration {
	if lasted > wait {
		return leastResubscribe
	}
	return min(2*wait, mostResubscribe)
}

// subscribe listens until the connection is lost, over a client that is made for it: over
// RESP2, rueidis 1.0.79 never replaces the connection of a subscription that was lost
// (findings/rueidis-resp2-subscription-stays-lost.sh).
//
// It returns how long the subscription lasted, which is zero if the server has not confirmed
// it: a connection may take longer than a wait.
func (a *announcer) subscribe(life context.Context) (lasted time.Duration, err error) {
	over, cancel := context.WithCancel(life)
	defer cancel()
	opt := a.link.Opt
	opt.DisableCache, opt.AlwaysRESP2 = true, true
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
		nc, err := a.link.Dial(ctx, addr, d, conf)
		if err == nil {
			context.AfterFunc(over, func() { nc.Close() })
		}
		return nc, err
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		link.CloseClient(c)
		return 0, err
	}
	defer c.Close()
	var since atomic.Pointer[time.Time]
	hooked := rueidis.WithOnSubscriptionHook(life, func(rueidis.PubSubSubscription) {
		now := time.Now()
		since.CompareAndSwap(nil, &now)
	})
	err = c.Receive(hooked, c.B().Subscribe().Channel(a.channel).Build(), a.received)
	if at := since.Load(); at != nil {
		lasted = time.Since(*at)
	}
	return lasted, err
}

// received has the copies of the keys of a message dropped.
func (a *announcer) received(m rueidis.PubSubMessage) {
	if id, keys, ok := decodeKeys(m.Message); ok && id != a.id {
		a.watchers.Changed(keys, nil)
	}
}

// note keeps an error for Health, but for that of a client that is closed.
func (a *announcer) note(err error) {
	if err != nil && a.link.Life.Err() == nil && !errors.Is(err, context.Canceled) {
		_ = a.link.Cause(a.link.Life, err)
	}
}

// encodeKeys makes a message: the id, then each key behind its length.
func encodeKeys(id string, keys []string) string {
	b := []byte(id)
	for _, k := range keys {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return rueidis.BinaryString(b)
}

// decodeKeys reads a message. Anybody may publish on the channel: ok is false for what
// encodeKeys does not make.
func decodeKeys(message string) (id string, keys []string, ok bool) {
	if len(message) < announcerID {
		return "", nil, false
	}
	id, message = message[:announcerID], message[announcerID:]
	for len(message) > 0 {
		n, size := binary.Uvarint([]byte(message[:min(len(message), binary.MaxVarintLen64)]))
		if size <= 0 || n > uint64(len(message)-size) {
			return "", nil, false
		}
		keys = append(keys, message[size:size+int(n)])
		message = message[size+int(n):]
	}
	return id, keys, true
}
