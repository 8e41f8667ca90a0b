package flight

import (
	"errors"
	"runtime/debug"

	"github.com/lokroom/strata/store"
)

// ErrGoexit is the error of a call that ended its goroutine with runtime.Goexit instead of
// returning.
var ErrGoexit = errors.New("load called runtime.Goexit")

// A PanicError is the error of a call that panicked.
type PanicError = store.PanicError

// A ContextError is the error of a wait that ended with its context.
type ContextError struct {
	Cause error // why it has ended
}

// Error returns the text of the cause.
func (e *ContextError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *ContextError) Unwrap() error { return e.Cause }

// Protect calls fn, and done with its results. If fn panics, done gets a [*PanicError]. If
// fn ends its goroutine with runtime.Goexit, done gets [ErrGoexit] before the goroutine
// ends. An error with methods that panic, such as a nil pointer in an error, counts as a
// panic: it would end the program when done calls errors.Is.
func Protect[T any](fn func() (T, error), done func(T, error)) {
	var value T
	err := error(ErrGoexit) // unless fn returns or panics
	defer func() { done(value, err) }()
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	if value, err = fn(); err != nil {
		_ = errors.Is(err, ErrGoexit)
	}
}

// Catch, if deferred, stores a panic of the function in *err as a [*PanicError] with What
// set to what. It is for functions passed by users of the module.
func Catch(what string, err *error) {
	if r := recover(); r != nil {
		*err = &PanicError{What: what, Value: r, Stack: debug.Stack()}
	}
}
