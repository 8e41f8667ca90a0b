// Package model checks the protocol that keeps the tiers coherent, by visiting
// every state that a small system following it can reach.
//
// A store that two processes share, with a copy in each of them, is correct or
// not by the order in which things happen: a push that overtakes a reply inside
// a process, a connection that dies unnoticed, a lease that runs out while its
// holder sleeps. Tests on real servers meet some of these orders. Here there is
// one key, two or three readers, one or two writers and a Redis, each advancing
// by small steps, and all orders of the steps are tried. What is not modelled,
// and how to read what the package reports, is in internal/model/README.md.
//
// There are six models, for the six things that can be looked at alone:
//
//   - core.go and the files core_*.go: leases, client tracking, the copies in
//     the processes, lost connections, heartbeats, joined loads, refreshes;
//   - write*.go: write intents around a transaction, holds, crashed writers, a
//     database replica that lags;
//   - tags*.go: tags known only after the load, the logical clock, eviction;
//   - failover.go: a promoted replica that has lost the latest invalidations;
//   - slots*.go: a slot that moves to another node of a cluster, with a push that comes
//     late or never;
//   - untracked.go: copies that are revalidated, because Redis notifies nobody.
//
// A model is a state, which is a comparable struct without pointers; rules, which
// say what is in the system, and which of its safeguards are left out; and a
// method that emits the states one step further. engine.go explores them. A [Run]
// is a model with its rules and with what exploring it must find: the protocol
// keeps its guarantees, and without a safeguard it does not. The runs_*.go have
// them all.
package model
