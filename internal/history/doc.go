// Package history judges what the processes of a fleet saw while they read and
// wrote the same keys of a cache, and things failed around them.
//
// Every process writes down each of its operations in a [Log]: when it was called
// and when it returned, by a clock that all processes of the host share ([Now]),
// and which version of the key it saw or made. The source, where versions are
// made one after the other, writes down its commits. [Check] takes all of it and
// says which answers broke a promise.
//
// What is promised, for a key and a Get of it:
//
//   - G1. A Get that was answered by L2 or by the source returns nothing older
//     than a write (Delete, Set, Expire, Done or DoneSet, after its commit) that had
//     returned before the Get was called, wherever that write was made.
//   - G2. Any Get in the process that made the write, L1 or not, does not either.
//   - G3. Any Get anywhere does not either once MaxUnheard has passed since the
//     write returned.
//   - G6. A commit in a bracket counts as a write that returned when the hold of the
//     bracket was over, whether anybody told the cache of it or not.
//   - A Get with the token of a write returns nothing older than the write. So does any
//     Get that was called after a Wait (DeleteAndWait) returned.
//   - Nothing is returned before its commit began.
//
// A Hold is a write that returned when its hold was over, and that of any later write
// that a load from a replica may have come under: after [Rules.Lag] and Hold.
//
// A write that failed promises nothing: its commit may be seen, or not. A Set
// whose outcome is not known may even take effect later, so that what it wrote may
// be read at any time from then on; such answers are counted. So are those that miss
// what a failover lost: see [Rules.Failovers]. Answers flagged as stale promise to
// have been true once, and G2: a process does not serve as stale what it has deleted or
// set itself. Expire allows that.
//
// The check takes the time to sort the operations, and is linear otherwise but for
// a binary search a Get. That is possible because versions of a key are ordered:
// the general problem, of histories of plain values, is NP-complete.
package history
