// Package types holds what the generated bindings make of WIT's option, result and tuple.
package types

const (
	OptionNone uint8 = iota
	OptionSome
)

// Option is a value or none.
type Option[T any] struct {
	tag   uint8
	value T
}

func None[T any]() Option[T]        { return Option[T]{} }
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }
func (o Option[T]) Tag() uint8      { return o.tag }
func (o Option[T]) Some() T         { return o.value }

const (
	ResultOk uint8 = iota
	ResultErr
)

// Result is a value or an error.
type Result[T, E any] struct {
	tag   uint8
	value T
	error E
}

func Ok[T, E any](value T) Result[T, E]  { return Result[T, E]{value: value} }
func Err[T, E any](error E) Result[T, E] { return Result[T, E]{tag: ResultErr, error: error} }
func (r Result[T, E]) Tag() uint8        { return r.tag }
func (r Result[T, E]) Ok() T             { return r.value }
func (r Result[T, E]) Err() E            { return r.error }

// Unit is the value of a result that has none.
type Unit struct{}

type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

type Tuple3[A, B, C any] struct {
	F0 A
	F1 B
	F2 C
}
