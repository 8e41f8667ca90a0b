package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// An announcer publishes the keys that this client changes, and receives those that others
// change: see [Dialer.PubSub]. Messages may come late or never. MaxStale bounds what that
// costs, so nothing here waits for a message or repeats one.
type announcer struct {
	client  *Client
	channel string
	id      string // begins the messages of this client, which ignores them
	work    sync.WaitGroup

	mu      sync.Mutex
	waiting []string // keys to publish
	busy    bool     // a goroutine publishes
	closed  bool
}

const (
	announcerID = 8 // bytes

	mostAnnounced = 10_000 // keys that wait to be published
	keysAnnounced = 500    // keys in a message

	// A client waits this long until it subscribes again: twice as long after each attempt
	// that ended sooner than the wait before it.
	leastResubscribe = 100 * time.Millisecond
	mostResubscribe  = 3 * time.Second
)

// newAnnouncer returns one that is subscribed to channel. Nil without a channel.
func newAnnouncer(c *Client, channel string) *announcer {
	if channel == "" {
		return nil
	}
	a := &announcer{client: c, channel: channel, id: rand.Text()[:announcerID]}
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
		if l := a.client.links.Load(); l != nil {
			ctx, cancel := a.client.deadlines.Begin(a.client.life)
			a.note(l.w.Do(ctx, l.w.B().Publish().Channel(a.channel).Message(message).Build()).Error())
			cancel()
		}
	}
}

// listen subscribes, again and again, until the client is closed.
func (a *announcer) listen() {
	life, wait := a.client.life, leastResubscribe
	for life.Err() == nil {
		began := time.Now()
		a.note(a.subscribe(life))
		if time.Since(began) > wait {
			wait = leastResubscribe
		} else {
			wait = min(2*wait, mostResubscribe)
		}
		select {
		case <-life.Done():
		case <-time.After(wait):
		}
	}
}

// subscribe listens until the connection is lost, over a client that is made for it: over
// RESP2, rueidis 1.0.79 never replaces the connection of a subscription that was lost
// (findings/rueidis-resp2-subscription-stays-lost.sh).
func (a *announcer) subscribe(life context.Context) error {
	over, cancel := context.WithCancel(life)
	defer cancel()
	opt := a.client.opt
	opt.DisableCache, opt.AlwaysRESP2 = true, true
	opt.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, conf *tls.Config) (net.Conn, error) {
		nc, err := a.client.dial(ctx, addr, d, conf)
		if err == nil {
			context.AfterFunc(over, func() { nc.Close() })
		}
		return nc, err
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		closeClient(c)
		return err
	}
	defer c.Close()
	return c.Receive(life, c.B().Subscribe().Channel(a.channel).Build(), a.received)
}

// received has the copies of the keys of a message dropped.
func (a *announcer) received(m rueidis.PubSubMessage) {
	if id, keys, ok := decodeKeys(m.Message); ok && id != a.id {
		a.client.watchers.tell(keys, nil)
	}
}

// note keeps an error for Health, but for that of a client that is closed.
func (a *announcer) note(err error) {
	if err != nil && a.client.life.Err() == nil && !errors.Is(err, context.Canceled) {
		_ = a.client.cause(a.client.life, err)
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
