// Package peers compares Strata with other caches and clients, doing the same work in the same
// run. It is a separate module, so that importers of Strata do not need its dependencies.
// README.md says what is in its folders. This package itself has only tests of rate limiters,
// which measure with the flag -measure:
//
//	go test -run TestLimit -v -args -measure
package peers
