// Package peers measures Strata beside its alternatives, doing the same work in the same
// run. It is a module of its own, so that nobody who imports Strata needs what it
// needs. It has no code: the suites are its tests, which measure when asked to:
//
//	go test -run TestLimit -v -args -measure
package peers
