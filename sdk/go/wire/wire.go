// Package wire stands between the generated bindings and package tombolo: values, failures, and the host's services.
// Authors do not use it.
package wire

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"tombolo"
	abi "tombolo/abi/runtime"
	. "tombolo/abi/types"
	"tombolo/bindings/tombolo_connector_config"
	"tombolo/bindings/tombolo_connector_context"
	"tombolo/bindings/tombolo_connector_log"
	"tombolo/bindings/tombolo_connector_state"
	wit "tombolo/bindings/tombolo_connector_types"
)

// Call runs one exported call: its values out, or its failure.
func Call[T, W any](call func() (T, error), out func(T) W) Result[W, wit.Failure] {
	abi.Collect()
	value, err := call()
	if err != nil {
		return Err[W, wit.Failure](failure(err))
	}
	return Ok[W, wit.Failure](out(value))
}

// Do runs one exported call that answers nothing.
func Do(call func() error) Result[Unit, wit.Failure] {
	return Call(func() (Unit, error) { return Unit{}, call() }, func(unit Unit) Unit { return unit })
}

// Ability is the connector as what it exports; Unsupported when connector.toml exports what it has no methods for.
func Ability[A any]() (A, error) {
	ability, is := tombolo.Served().(A)
	if !is {
		return ability, tombolo.Unsupported("this connector exports what it has no methods for: see connector.toml")
	}
	return ability, nil
}

func failure(err error) wit.Failure {
	var failure *tombolo.Failure
	if !errors.As(err, &failure) {
		failure = tombolo.Fail(tombolo.FaultOther, "%s", err.Error())
	}
	out := wit.Failure{
		Fault: uint8(failure.Fault), Message: failure.Message,
		Attribute: Text(failure.Attribute), TargetCode: Text(failure.TargetCode), RetryAfterMs: None[uint32](),
	}
	if failure.RetryAfterMs > 0 {
		out.RetryAfterMs = Some(failure.RetryAfterMs)
	}
	return out
}

// Text is none for "".
func Text(text string) Option[string] {
	if text == "" {
		return None[string]()
	}
	return Some(text)
}

// Plain is "" for none.
func Plain(text Option[string]) string {
	if text.Tag() == OptionNone {
		return ""
	}
	return text.Some()
}

// Description is the describe document.
func Description(description *tombolo.Description) string {
	// Strings, booleans and lists of them: marshalling cannot fail.
	text, _ := json.Marshal(description)
	return string(text)
}

// QueryIn reads a search's query.
func QueryIn(query wit.Query) (tombolo.Query, error) {
	in := tombolo.Query{Attributes: query.Attributes, Cursor: Plain(query.Cursor), Limit: query.Limit}
	if query.Filter.Tag() == OptionNone {
		return in, nil
	}
	var nodes []tombolo.Node
	for _, node := range query.Filter.Some() {
		nodes = append(nodes, nodeIn(node))
	}
	filter, err := tombolo.ReadFilter(nodes)
	in.Filter = filter
	return in, err
}

func nodeIn(node wit.Node) tombolo.Node {
	in := tombolo.Node{Filter: tombolo.Filter{Kind: tombolo.NodeKind(node.Tag())}}
	switch node.Tag() {
	case wit.NodeTest:
		test := node.Test()
		in.Name, in.Comparison, in.Value = test.F0, tombolo.Comparison(test.F1), scalarIn(test.F2)
	case wit.NodePresent:
		in.Name = node.Present()
	case wit.NodeAll:
		in.Places = node.All()
	case wit.NodeAny:
		in.Places = node.Any()
	case wit.NodeNegate:
		in.Places = []uint32{node.Negate()}
	case wit.NodeElement:
		element := node.Element()
		in.Name, in.Places = element.F0, []uint32{element.F1}
	}
	return in
}

func scalarIn(scalar wit.Scalar) tombolo.Value {
	switch scalar.Tag() {
	case wit.ScalarBoolean:
		return scalar.Boolean()
	case wit.ScalarInteger:
		return scalar.Integer()
	case wit.ScalarDecimal:
		return tombolo.Decimal(scalar.Decimal())
	case wit.ScalarInstant:
		return tombolo.Instant(scalar.Instant())
	case wit.ScalarBytes:
		return scalar.Bytes()
	}
	return scalar.Text()
}

func scalarOut(value tombolo.Value) wit.Scalar {
	switch value := value.(type) {
	case bool:
		return wit.MakeScalarBoolean(value)
	case int64:
		return wit.MakeScalarInteger(value)
	case int:
		return wit.MakeScalarInteger(int64(value))
	case tombolo.Decimal:
		return wit.MakeScalarDecimal(string(value))
	case tombolo.Instant:
		return wit.MakeScalarInstant(string(value))
	case []byte:
		return wit.MakeScalarBytes(value)
	case string:
		return wit.MakeScalarText(value)
	}
	panic("a value is of no type that an entry can have")
}

func valueIn(value wit.Value) tombolo.Value {
	if value.Tag() == wit.ValueSimple {
		return scalarIn(value.Simple())
	}
	parts := tombolo.Attributes{}
	for _, part := range value.Complex() {
		for _, scalar := range part.Values {
			parts[part.Name] = append(parts[part.Name], scalarIn(scalar))
		}
	}
	return parts
}

func valueOut(value tombolo.Value) wit.Value {
	parts, complex := value.(tombolo.Attributes)
	if !complex {
		return wit.MakeValueSimple(scalarOut(value))
	}
	var out []wit.Part
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		part := wit.Part{Name: name}
		for _, scalar := range parts[name] {
			part.Values = append(part.Values, scalarOut(scalar))
		}
		out = append(out, part)
	}
	return wit.MakeValueComplex(out)
}

// AttributesIn reads what a create is given.
func AttributesIn(attributes []wit.Attribute) tombolo.Attributes {
	in := tombolo.Attributes{}
	for _, attribute := range attributes {
		for _, value := range attribute.Values {
			in[attribute.Name] = append(in[attribute.Name], valueIn(value))
		}
	}
	return in
}

// EditsIn reads what an update is given.
func EditsIn(edits []wit.Edit) []tombolo.Edit {
	var in []tombolo.Edit
	for _, edit := range edits {
		own := tombolo.Edit{Kind: tombolo.EditKind(edit.Kind), Name: edit.Attribute.Name}
		for _, value := range edit.Attribute.Values {
			own.Values = append(own.Values, valueIn(value))
		}
		in = append(in, own)
	}
	return in
}

// EntryOut is an entry as the bindings have it.
func EntryOut(entry *tombolo.Entry) wit.Entry {
	out := wit.Entry{Anchor: entry.Anchor, Version: Text(entry.Version)}
	for _, name := range slices.Sorted(maps.Keys(entry.Attributes)) {
		attribute := wit.Attribute{Name: name}
		for _, value := range entry.Attributes[name] {
			attribute.Values = append(attribute.Values, valueOut(value))
		}
		if len(attribute.Values) > 0 {
			out.Attributes = append(out.Attributes, attribute)
		}
	}
	return out
}

// PageOut is a page as the bindings have it.
func PageOut(page *tombolo.Page) wit.Page {
	out := wit.Page{Cursor: Text(page.Cursor), Total: None[uint64]()}
	for _, entry := range page.Entries {
		out.Entries = append(out.Entries, EntryOut(entry))
	}
	return out
}

// services are those of the real host.
type services struct{}

func init() { tombolo.Services = services{} }

func (services) Settings() string    { return tombolo_connector_config.Settings() }
func (services) RemainingMs() uint32 { return tombolo_connector_context.RemainingMs() }
func (services) RequestID() string   { return tombolo_connector_context.RequestId() }

func (services) Log(level tombolo.Level, message string, fields [][2]string) {
	var pairs []Tuple2[string, string]
	for _, field := range fields {
		pairs = append(pairs, Tuple2[string, string]{F0: field[0], F1: field[1]})
	}
	tombolo_connector_log.Emit(uint8(level), message, pairs)
}

func (services) StateGet(key string) (*tombolo.Item, error) {
	found := tombolo_connector_state.Get(key)
	if found.Tag() == ResultErr {
		return nil, refused(found.Err())
	}
	if found.Ok().Tag() == OptionNone {
		return nil, nil
	}
	item := found.Ok().Some()
	return &tombolo.Item{Value: item.Value, Version: item.Version}, nil
}

func (services) StatePut(key string, value []byte, ifVersion *uint64) (uint64, error) {
	wanted := None[uint64]()
	if ifVersion != nil {
		wanted = Some(*ifVersion)
	}
	put := tombolo_connector_state.Put(key, value, wanted)
	if put.Tag() == ResultErr {
		return 0, refused(put.Err())
	}
	return put.Ok(), nil
}

func (services) StateDelete(key string) error {
	if gone := tombolo_connector_state.Delete(key); gone.Tag() == ResultErr {
		return refused(gone.Err())
	}
	return nil
}

func (services) StateList(prefix string, after *string, limit uint32) ([]string, error) {
	from := None[string]()
	if after != nil {
		from = Some(*after)
	}
	found := tombolo_connector_state.List(prefix, from, limit)
	if found.Tag() == ResultErr {
		return nil, refused(found.Err())
	}
	return found.Ok(), nil
}

func refused(why tombolo_connector_state.StateError) error {
	switch why.Tag() {
	case tombolo_connector_state.StateErrorFull:
		return tombolo.Fail(tombolo.FaultOther, "the app's state is full")
	case tombolo_connector_state.StateErrorChanged:
		return tombolo.Changed("another call has changed this part of the app's state")
	}
	return tombolo.Unavailable("the app's state: %s", why.Unavailable())
}
