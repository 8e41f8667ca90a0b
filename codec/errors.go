package codec

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/lokroom/strata/store"
)

// Use [errors.Is] to match these errors.
var (
	// ErrCorrupt reports bytes that are not an encoding of a value of the type, by this
	// codec, for this key. Every error of Decode caused by its input wraps it.
	ErrCorrupt = errors.New("corrupt")

	// ErrTooLarge reports a value that exceeds a limit of the codec. Decode returns it
	// together with ErrCorrupt. It is [store.ErrTooLarge].
	ErrTooLarge = store.ErrTooLarge
)

// A failure is an error with a text that contains no values. Parsers and methods of T often
// quote their input, so the cause is not part of the text. It is available to errors.Is and
// errors.As.
type failure struct {
	text string
	errs []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.errs }

// A reason is an error of this package with a text that is safe to print.
type reason string

func (r reason) Error() string { return string(r) }

// corrupt returns an error of Decode. why is printed and must not quote the input; cause,
// which may be nil, is not printed.
func corrupt(codec, why string, cause error) error {
	f := &failure{text: "codec: " + codec + ": " + ErrCorrupt.Error() + ": " + why, errs: []error{ErrCorrupt}}
	if cause != nil {
		f.errs = append(f.errs, cause)
	}
	return f
}

// tooLarge returns the error of a Decode that exceeds a limit.
func tooLarge(codec string, size uint64, most int) error {
	return corrupt(codec, fmt.Sprintf("%s: %d bytes, of at most %d", ErrTooLarge, size, most), ErrTooLarge)
}

// unencodable returns the error of an Append that failed with cause. why is printed and
// must not quote the value; cause is not printed.
func unencodable[T any](codec, why string, cause error) error {
	return &failure{text: fmt.Sprintf("codec: %s: cannot encode %s: %s", codec, nameOf[T](), why), errs: []error{cause}}
}

// nameOf returns the name of T.
func nameOf[T any]() string { return fmt.Sprintf("%T", (*T)(nil))[1:] }

// A panicError is a panic of a method called during encoding or decoding.
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

// recovered converts a panic of the deferring function to an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = &panicError{r}
	}
}

// refusal describes the kind of err without its text, which may quote values.
func refusal(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return p.Error()
	}
	return fmt.Sprintf("refused with a %T", err)
}
