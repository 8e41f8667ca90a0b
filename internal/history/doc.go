// Package history checks what the processes of a fleet read while they read and write the
// same keys of a cache under failures.
//
// Every process writes each of its operations to a [Log]: when it was called and when it
// returned, by a clock that all processes of the host share ([Now]), and the version of the
// key that it read or made. The source, which makes versions one after the other, logs its
// commits. [Check] reads all logs and reports which answers violate a guarantee.
//
// These are the guarantees, for a Get of a key:
//
//   - G1. A Get answered by L2 or by the source returns nothing older than a write
//     (Delete, Set, Expire, Done or CommitSet, after its commit) that had returned before
//     the Get was called, in any process.
//   - G2. The same holds for any Get in the process that made the write, also from L1.
//   - G3. The same holds for any Get in any process once MaxDisconnected has passed since
//     the write returned.
//   - G6. A commit with a write intent counts as a write that returned at the end of its
//     hold, whether or not the cache was notified.
//   - A Get with the token of a write returns nothing older than the write. The same holds
//     for any Get called after a Wait (DeleteAndWait) returned.
//   - Nothing is returned before its commit began.
//
// A Hold counts as a write that returned at the end of its hold. The hold of a later write
// counts too, if a load from a replica may have come under it: after [Rules.Lag] and Hold.
//
// A failed write guarantees nothing: its commit may be visible or not. A Set with an
// unknown outcome may take effect later, so its value may be read at any time from then on;
// such answers are counted. So are answers that miss writes lost in a failover: see
// [Rules.Failovers]. Answers flagged as stale must have been current once and satisfy G2: a
// process does not return as stale a value that it has deleted or replaced itself. Expire
// allows that.
//
// The check sorts the operations, and is otherwise linear except for a binary search per
// Get. That is possible because versions of a key are ordered: the general problem, for
// histories of plain values, is NP-complete.
package history
