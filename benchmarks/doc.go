// Package benchmarks measures Strata against the libraries that it is made of,
// doing the same work in the same run. It has no code of its own: the suites are
// its tests. docs/benchmarks.md says how to run them, what they measure, and what
// came out.
//
// A time says little without the machine, so what counts are ratios. The names of
// sub-benchmarks are pairs such as layer=strata, which benchstat can pivot on:
//
//	go test -run '^$' -bench L1Hit -count 6 ./benchmarks > hit.txt
//	benchstat -row /engine,/value,/mode -col /layer hit.txt
package benchmarks
