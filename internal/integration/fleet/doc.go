// Package fleet holds the tests that run several processes against real servers while
// things fail: the history checker's rows (TestHistory), random faults (TestChaos) and the
// faults that operators make (TestOperator).
package fleet
