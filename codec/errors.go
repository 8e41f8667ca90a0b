package codec

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/lokroom/strata/store"
)

// The sentinels below are matched with [errors.Is].
var (
	// ErrCorrupt says that bytes are not an encoding of a value of the type,
	// by this codec, under this key. All that Decode refuses is ErrCorrupt.
	ErrCorrupt = errors.New("corrupt")

	// ErrTooLarge says that a value exceeds a bound of the codec. From Decode
	// it comes together with ErrCorrupt. It is [store.ErrTooLarge].
	ErrTooLarge = store.ErrTooLarge
)

// A failure is an error whose text is free of values. The messages of parsers
// and of methods of T like to quote what they parse, so the cause is not printed:
// it is there for errors.Is and errors.As.
type failure struct {
	text string
	errs []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.errs }

// A reason is an error of this package, whose text is printed.
type reason string

func (r reason) Error() string { return string(r) }

// corrupt is the error of a Decode. why is printed and must not quote the
// input; cause, which may be nil, is not.
func corrupt(codec, why string, cause error) error {
	f := &failure{text: "codec: " + codec + ": " + ErrCorrupt.Error() + ": " + why, errs: []error{ErrCorrupt}}
	if cause != nil {
		f.errs = append(f.errs, cause)
	}
	return f
}

// tooLarge is the error of a Decode that came upon a bound.
func tooLarge(codec string, size uint64, most int) error {
	return corrupt(codec, fmt.Sprintf("%s: %d bytes, of at most %d", ErrTooLarge, size, most), ErrTooLarge)
}

// unencodable is the error of an Append that failed for cause. why is printed
// and must not quote the value; cause is not.
func unencodable[T any](codec, why string, cause error) error {
	return &failure{text: fmt.Sprintf("codec: %s: cannot encode %s: %s", codec, nameOf[T](), why), errs: []error{cause}}
}

// nameOf returns the name of T.
func nameOf[T any]() string { return fmt.Sprintf("%T", (*T)(nil))[1:] }

// A panicError is a panic of a method that takes part in encoding or decoding.
type panicError struct{ value any }

func (p *panicError) Error() string {
	if err, ok := p.value.(runtime.Error); ok {
		return "panic: " + err.Error()
	}
	return fmt.Sprintf("panic with a %T", p.value)
}

// Unwrap returns the error that the method panicked with, or nil.
func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// recovered turns a panic of the function that defers it into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = &panicError{r}
	}
}

// refusal says what kind of error err is, without its text, which may quote values.
func refusal(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return p.Error()
	}
	return fmt.Sprintf("refused with a %T", err)
}
