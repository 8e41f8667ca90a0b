package script

import (
	"context"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// reroute makes those calls that could not be sent at the primaries that a slot map of now
// names. rueidis learns of a failover up to a second late, and by then other processes may
// have read what the failover has brought back, and what these calls would have deleted.
func (c *Writer) reroute(ctx context.Context, l *link.Pair, calls []Call, outcomes []Outcome) {
	var unsent []int
	for i, o := range outcomes {
		if link.IsUnsent(o.Reply.Error()) {
			unsent = append(unsent, i)
		}
	}
	if len(unsent) == 0 || l.W.Mode() != rueidis.ClientModeCluster {
		return
	}
	ranges, err := c.link.SlotMap(ctx, l.W)
	if err != nil {
		return
	}
	byAddr := make(map[string][]int)
	for _, i := range unsent {
		addr := link.OwnerOf(ranges, calls[i].Key)
		byAddr[addr] = append(byAddr[addr], i)
	}
	nodes := l.W.Nodes()
	for addr, which := range byAddr {
		node := nodes[addr]
		if node == nil {
			continue
		}
		part := make([]Call, len(which))
		for j, i := range which {
			part[j] = calls[i]
		}
		for j, r := range RunMany(ctx, node, part) {
			outcomes[which[j]].Reply = r
		}
	}
}
