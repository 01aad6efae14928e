// Package tombolo is what the author of a Tombolo connector in Go uses.
//
// A connector knows its target and nothing else: it never sees SCIM, HTTP, tokens, addresses or passwords. It is a type
// with the methods of Connector, and of Writer, Members, Password or Delta for what connector.toml exports, given to
// Serve in an init function. Everything here also builds natively, for unit tests: TestHost plays the host.
package tombolo

import "fmt"

// Fault says what went wrong, and so what the host does. The values are the contract's.
type Fault uint8

const (
	FaultNotFound Fault = iota
	FaultAlreadyExists
	FaultChanged
	FaultInvalid
	FaultUnsupported
	FaultUnauthenticated
	FaultForbidden
	FaultBusy
	FaultUnavailable
	FaultTimeout
	FaultOther
)

// Failure is an error that says what the host shall do. Any other error counts as FaultOther. The message is what an
// administrator reads: which attribute, what the target said, what to do; never a secret.
type Failure struct {
	Fault        Fault
	Message      string
	Attribute    string
	TargetCode   string
	RetryAfterMs uint32
}

func (f *Failure) Error() string { return f.Message }

// Fail makes a failure.
func Fail(fault Fault, format string, arguments ...any) *Failure {
	return &Failure{Fault: fault, Message: fmt.Sprintf(format, arguments...)}
}

// Of names the attribute that is to blame.
func (f *Failure) Of(attribute string) *Failure {
	f.Attribute = attribute
	return f
}

// NotFound: no object has this anchor.
func NotFound(format string, arguments ...any) *Failure {
	return Fail(FaultNotFound, format, arguments...)
}

// AlreadyExists: a unique value is taken. Name the attribute with Of.
func AlreadyExists(format string, arguments ...any) *Failure {
	return Fail(FaultAlreadyExists, format, arguments...)
}

// Changed: the version given is not the version stored.
func Changed(format string, arguments ...any) *Failure {
	return Fail(FaultChanged, format, arguments...)
}

// Invalid: the target will never take this value. Name the attribute with Of.
func Invalid(format string, arguments ...any) *Failure {
	return Fail(FaultInvalid, format, arguments...)
}

// Unsupported: this connector cannot do that.
func Unsupported(format string, arguments ...any) *Failure {
	return Fail(FaultUnsupported, format, arguments...)
}

// Unavailable: the target was not reached, or broke off.
func Unavailable(format string, arguments ...any) *Failure {
	return Fail(FaultUnavailable, format, arguments...)
}
