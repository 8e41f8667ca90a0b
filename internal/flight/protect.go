package flight

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrGoexit is the error of a call whose work ended its goroutine by
// runtime.Goexit instead of returning.
var ErrGoexit = errors.New("load called runtime.Goexit")

// A PanicError is the error of a call whose work panicked.
type PanicError struct {
	What  string // what panicked; empty: the load
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error names the value of the panic. The stack is not part of it.
func (e *PanicError) Error() string {
	return fmt.Sprintf("%s panicked: %v", cmp.Or(e.What, "load"), e.Value)
}

// Unwrap returns the value of the panic if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A ContextError is the error of waiting until a context has ended.
type ContextError struct {
	Cause error // why it has ended
}

// Error returns the text of the cause.
func (e *ContextError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *ContextError) Unwrap() error { return e.Cause }

// Protect calls fn, and done with what it returns. If fn panics, done is called
// with a [*PanicError] and the program goes on; if fn ends its goroutine by
// runtime.Goexit, done is called with [ErrGoexit] before the goroutine ends.
func Protect[T any](fn func() (T, error), done func(T, error)) {
	var value T
	err := error(ErrGoexit) // stands unless fn returns or panics
	defer func() { done(value, err) }()
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	value, err = fn()
}

// Catch, when it is deferred, makes a panic of the function the [*PanicError] in *err,
// with what as its What. It is for a function that a user of the module has given.
func Catch(what string, err *error) {
	if r := recover(); r != nil {
		*err = &PanicError{What: what, Value: r, Stack: debug.Stack()}
	}
}
