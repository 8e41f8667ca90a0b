package link

import (
	"fmt"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/redis/rueidis"
)

// CheckSettings returns an error that names every setting of opt that this
// package cannot work with, and why. replicas says that large values are read from replicas.
func CheckSettings(opt *rueidis.ClientOption, replicas bool) error {
	var errs []error
	refuse := func(set bool, name, why string) {
		if set {
			errs = append(errs, fmt.Errorf("rueidis.ClientOption.%s: %s", name, why))
		}
	}
	refuse(len(opt.InitAddress) == 0, "InitAddress", "is missing")

	const ours = "is set by this package"
	refuse(opt.OnInvalidations != nil, "OnInvalidations", ours+": use Store.Watch")
	refuse(opt.ClientTrackingOptions != nil, "ClientTrackingOptions", ours+": OPTOUT NOLOOP is what Watch and Fill rest on; for BCAST see Dialer.Broadcast")
	refuse(opt.NewCacheStoreFn != nil, "NewCacheStoreFn", ours+": a custom store might answer after the push")
	refuse(opt.RetryDelay != nil, "RetryDelay", ours+": reads are tried three times, and then it is ErrUnavailable")
	refuse(opt.PipelineMultiplex != 0 && opt.PipelineMultiplex != -1, "PipelineMultiplex",
		"must be 0 or -1: with several connections to a node, replies and pushes have no common order")

	refuse(opt.ConnLifetime != 0, "ConnLifetime", "replacing a connection loses its pushes and may apply a write twice")
	refuse(opt.DisableAutoPipelining, "DisableAutoPipelining", "pushes to pooled connections are dropped")
	refuse(opt.BlockingPipeline != 0, "BlockingPipeline", "long pipelines would leave the one connection that orders replies and pushes")
	refuse(opt.BlockingPoolCleanup != 0, "BlockingPoolCleanup", "closing pooled connections looks like lost pushes")
	refuse(opt.DisableCache, "DisableCache", "it switches tracking off")
	refuse(opt.AlwaysRESP2, "AlwaysRESP2", "pushes need RESP3")
	refuse(opt.Dialer.KeepAlive < 0, "Dialer.KeepAlive", "must not be negative: a dead connection would not be noticed")
	refuse(opt.ConnWriteTimeout < 0, "ConnWriteTimeout", "must not be negative: a dead connection would not be noticed")

	const replica = "a replica may not have your own last write yet: to read from replicas what the primary confirms, set Dialer.ReadReplicas"
	refuse(opt.SendToReplicas != nil, "SendToReplicas", replica)
	refuse(opt.ReplicaOnly, "ReplicaOnly", replica)
	//lint:ignore SA1019 deprecated settings can be set, too
	refuse(opt.ReplicaSelector != nil, "ReplicaSelector", replica)
	refuse(opt.ReadNodeSelector != nil, "ReadNodeSelector", replica)
	refuse(len(opt.Standalone.ReplicaAddress) > 0 && !replicas, "Standalone.ReplicaAddress", "requires ReadReplicas")
	refuse(len(opt.Standalone.ReplicaAddress) > 0 && opt.Sentinel.MasterSet != "", "Standalone.ReplicaAddress", "sentinels name the replicas")
	refuse(opt.Standalone.EnableRedirect, "Standalone.EnableRedirect", "Redis pushes nothing to a redirected connection about keys read before")
	return oneline.Join(errs...)
}
