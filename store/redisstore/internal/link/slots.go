package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A SlotRange is the part of a cluster's slots that a primary serves without a gap.
type SlotRange struct {
	First, Last uint16
	Addr        string
}

// errNoHost says that a cluster names a node "?", which rueidis leaves out.
var errNoHost = errors.New("the cluster reports no address of a node: where cluster-preferred-endpoint-type is hostname, each node needs a cluster-announce-hostname")

// SlotMap reads the reply to CLUSTER SLOTS of the node at addr, sorted by slot. A node that
// does not know its own host, or may not report it, has the host of addr.
func SlotMap(addr string, r rueidis.RedisResult) ([]SlotRange, error) {
	reply, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	ranges := make([]SlotRange, 0, len(reply))
	for _, r := range reply {
		part, err := r.ToArray()
		if err != nil || len(part) < 3 {
			return nil, ErrBadReply
		}
		first, err1 := part[0].AsInt64()
		last, err2 := part[1].AsInt64()
		if cmp.Or(err1, err2) != nil {
			return nil, ErrBadReply
		}
		at, err := nodeAddr(addr, &part[2])
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, SlotRange{uint16(first), uint16(last), at})
	}
	slices.SortFunc(ranges, func(a, b SlotRange) int { return cmp.Compare(a.First, b.First) })
	return ranges, nil
}

// nodeAddr returns the address of a node in a reply to CLUSTER SLOTS of the node at addr, whose
// host it has if the reply has none.
func nodeAddr(addr string, node *rueidis.RedisMessage) (string, error) {
	at, err := node.ToArray()
	if err != nil || len(at) < 2 {
		return "", ErrBadReply
	}
	host, _ := at[0].ToString() // or nil
	port, err := at[1].AsInt64()
	switch {
	case err != nil:
		return "", ErrBadReply
	case host == "?":
		return "", errNoHost
	case host == "":
		host, _, _ = net.SplitHostPort(addr)
	}
	return joinHostPort(host, port), nil
}

// SlotMap asks a few of the nodes that w knows for the map of the slots, and takes the
// first answer: one of them may hang. That one is left to its timeout, because a dial
// that is given up fails all that wait for it.
func (c *Link) SlotMap(ctx context.Context, w rueidis.Client) (ranges []SlotRange, err error) {
	const few = 4
	call, done := c.Deadlines.Begin(context.Background())
	defer done()
	type answer struct {
		ranges []SlotRange
		err    error
	}
	answers := make(chan answer, few)
	asked := 0
	for addr, node := range w.Nodes() { // in any order
		go func() {
			var a answer
			a.ranges, a.err = SlotMap(c.Canonical(addr), node.Do(call, node.B().ClusterSlots().Build()))
			answers <- a
		}()
		if asked++; asked == few {
			break
		}
	}
	err = fmt.Errorf("%w: %w", store.ErrUnavailable, errNoHost)
	for range asked {
		select {
		case a := <-answers:
			if a.err == nil {
				return a.ranges, nil
			}
			err = a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, err
}

// Canonical returns addr, as rueidis names it, as slot maps do.
func (c *Link) Canonical(addr string) string { return redisdial.WithHost(&c.Opt, addr) }

// SlotOf is SlotOfUntagged of any key: of what is between its first braces, if that is
// anything.
func SlotOf(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return SlotOfUntagged(tag)
		}
	}
	return SlotOfUntagged(key)
}

// NodeOf returns the client of the node of a cluster at addr, and nothing but that
// node. key is one that it serves. If c does not know the node, it learns of it by
// being sent there.
func NodeOf(ctx context.Context, c rueidis.Client, addr, key string) (rueidis.Client, error) {
	if node := c.Nodes()[addr]; node != nil {
		return node, nil
	}
	if err := c.Do(ctx, c.B().Exists().Key(key).Build()).Error(); err != nil {
		return nil, err
	}
	if node := c.Nodes()[addr]; node != nil {
		return node, nil
	}
	return nil, fmt.Errorf("%w: no connection to %s", store.ErrUnavailable, addr)
}

// SentElsewhere reads an error reply that names the node to ask; ask says that it is
// not yet the one to begin with.
func SentElsewhere(err error) (addr string, ask, ok bool) {
	reply, isReply := rueidis.IsRedisErr(err)
	if !isReply {
		return "", false, false
	}
	if addr, ok = reply.IsAsk(); ok {
		return addr, true, true
	}
	addr, ok = reply.IsMoved()
	return addr, false, ok
}

func IsMoved(err error) bool {
	_, ask, ok := SentElsewhere(err)
	return ok && !ask
}

// SlotOfUntagged returns the slot of a key without a hash tag in a Redis Cluster: its
// CRC-16 (XMODEM) modulo 16384, as the cluster specification says.
func SlotOfUntagged(key string) uint16 {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func joinHostPort(host string, port int64) string {
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}

// HoldsSlot reports whether slot is in one of ranges.
func HoldsSlot(ranges []SlotRange, slot uint16) bool {
	return slices.ContainsFunc(ranges, func(r SlotRange) bool { return r.First <= slot && slot <= r.Last })
}

// OwnerOf returns the address of the primary that serves key according to ranges, or "".
func OwnerOf(ranges []SlotRange, key string) string {
	slot := SlotOf(key)
	for _, r := range ranges {
		if r.First <= slot && slot <= r.Last {
			return r.Addr
		}
	}
	return ""
}

// Serves reports whether addr serves a slot according to ranges.
func Serves(ranges []SlotRange, addr string) bool {
	return slices.ContainsFunc(ranges, func(r SlotRange) bool { return r.Addr == addr })
}
