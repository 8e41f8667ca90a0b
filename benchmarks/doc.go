// Package benchmarks compares Strata with the libraries that it uses, doing the same work
// in the same run. It has tests only. benchmarks/README.md describes how to run them, what
// they measure, and the results.
//
// Absolute times depend on the machine, so the results are ratios. The names of
// sub-benchmarks are pairs such as layer=strata, for benchstat:
//
//	go test -run '^$' -bench L1Hit -count 6 ./benchmarks > hit.txt
//	benchstat -row /engine,/value,/mode -col /layer hit.txt
package benchmarks
