package tombolo

import (
	"bytes"
	"slices"
	"strings"
)

// Value is a string (text), bool, int64, Decimal, Instant, []byte, or Attributes (a complex value: its parts).
type Value = any

// Decimal is an exact number as text.
type Decimal string

// Instant is a point in time as RFC 3339 text in UTC.
type Instant string

// Attributes are lists of values by name. An attribute without a value is absent.
type Attributes map[string][]Value

// First is the attribute's first value as text; empty when there is none.
func (a Attributes) First(name string) string {
	if len(a[name]) == 0 {
		return ""
	}
	text, _ := a[name][0].(string)
	return text
}

// Entry is one object: its key in the target, its version there (or ""), its attributes.
type Entry struct {
	Anchor     string
	Version    string
	Attributes Attributes
}

// Keep leaves only the wanted attributes; none wanted means all.
func (e *Entry) Keep(wanted []string) *Entry {
	if e == nil {
		return nil
	}
	for name := range e.Attributes {
		if len(wanted) > 0 && !slices.Contains(wanted, name) {
			delete(e.Attributes, name)
		}
	}
	return e
}

// EditKind says what an edit does to an attribute's values. The values are the contract's.
type EditKind uint8

const (
	Put EditKind = iota
	Add
	Remove
)

// Edit is one change of one attribute: exactly these values, these too, or these no longer.
type Edit struct {
	Kind   EditKind
	Name   string
	Values []Value
}

// Apply applies edits in order. An attribute that loses its last value is gone.
func (e *Entry) Apply(edits []Edit) {
	for _, edit := range edits {
		held := slices.Clone(e.Attributes[edit.Name])
		switch edit.Kind {
		case Put:
			held = slices.Clone(edit.Values)
		case Add:
			for _, value := range edit.Values {
				if !contains(held, value) {
					held = append(held, value)
				}
			}
		case Remove:
			held = slices.DeleteFunc(held, func(value Value) bool { return contains(edit.Values, value) })
		}
		if len(held) == 0 {
			delete(e.Attributes, edit.Name)
		} else {
			e.Attributes[edit.Name] = held
		}
	}
}

func contains(values []Value, wanted Value) bool {
	return slices.ContainsFunc(values, func(value Value) bool { return same(value, wanted) })
}

func same(left, right Value) bool {
	switch left := left.(type) {
	case []byte:
		right, is := right.([]byte)
		return is && bytes.Equal(left, right)
	case Attributes:
		right, is := right.(Attributes)
		if !is || len(left) != len(right) {
			return false
		}
		for name, values := range left {
			if !slices.EqualFunc(values, right[name], same) {
				return false
			}
		}
		return true
	}
	switch right.(type) {
	case []byte, Attributes:
		return false
	}
	return left == right
}

// Fold is text without the difference between upper and lower case.
func Fold(text string) string { return strings.ToLower(text) }
