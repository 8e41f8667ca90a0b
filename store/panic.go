package store

import (
	"cmp"
	"fmt"
)

// A PanicError is the error of a call in which a function of the program panicked, such as a
// loader. All callers that waited for the function get it.
type PanicError struct {
	What  string // what panicked; empty: the load
	Value any    // argument of panic
	Stack []byte // of the goroutine that panicked, for a log
}

// Error names the value of the panic. The stack is not part of it.
func (e *PanicError) Error() string {
	return fmt.Sprintf("%s panicked: %v", cmp.Or(e.What, "load"), e.Value)
}

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
