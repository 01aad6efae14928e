package tombolo

import (
	"bytes"
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// Comparison is how a test compares. The values are the contract's.
type Comparison uint8

const (
	Equal Comparison = iota
	NotEqual
	Contains
	StartsWith
	EndsWith
	Greater
	AtLeast
	Less
	AtMost
)

// NodeKind is what a node of a filter asks. The values are the contract's.
type NodeKind uint8

const (
	Test NodeKind = iota
	Present
	All
	Any
	Not
	Element
)

// Filter is a node and its children. Name, Comparison and Value are a test's; Name is an element's, too.
type Filter struct {
	Kind       NodeKind
	Name       string
	Comparison Comparison
	Value      Value
	Children   []*Filter
}

// Node is a node of the host's flat list, its children as places in it.
type Node struct {
	Filter
	Places []uint32
}

// ReadFilter makes the tree of a flat list: children come before their parents, the last node is the root.
func ReadFilter(nodes []Node) (*Filter, error) {
	made := make([]*Filter, len(nodes))
	for at := range nodes {
		filter := nodes[at].Filter
		for _, place := range nodes[at].Places {
			// Each node has one parent: a list that shares nodes could unfold to a tree without end.
			if int(place) >= at || made[place] == nil {
				return nil, Invalid("the filter's node %d is not a child that is still free", place)
			}
			filter.Children = append(filter.Children, made[place])
			made[place] = nil
		}
		made[at] = &filter
	}
	if len(made) == 0 {
		return nil, Invalid("the filter is empty")
	}
	return made[len(made)-1], nil
}

// Equality is the attribute and the value it must equal, when the filter asks nothing else.
func (f *Filter) Equality() (name string, value Value, is bool) {
	if f.Kind == Test && f.Comparison == Equal {
		return f.Name, f.Value, true
	}
	if (f.Kind == All || f.Kind == Any) && len(f.Children) == 1 {
		return f.Children[0].Equality()
	}
	return "", nil, false
}

// Matches says whether an object passes; every one passes no filter. The kind says which attributes tell upper from
// lower case.
func (f *Filter) Matches(kind *Kind, attributes Attributes) bool {
	exact := func(name string) bool {
		attribute := kind.Attribute(name)
		return attribute != nil && attribute.CaseExact
	}
	return f == nil || f.holds(attributes, exact)
}

func (f *Filter) holds(attributes Attributes, exact func(string) bool) bool {
	some := func(comparison Comparison) bool {
		for _, value := range attributes[f.Name] {
			if Compare(value, comparison, f.Value, exact(f.Name)) {
				return true
			}
		}
		return false
	}
	switch f.Kind {
	case Test:
		if f.Comparison == NotEqual {
			return !some(Equal)
		}
		return some(f.Comparison)
	case Present:
		return len(attributes[f.Name]) > 0
	case All:
		for _, child := range f.Children {
			if !child.holds(attributes, exact) {
				return false
			}
		}
		return true
	case Any:
		for _, child := range f.Children {
			if child.holds(attributes, exact) {
				return true
			}
		}
		return false
	case Not:
		return !f.Children[0].holds(attributes, exact)
	}
	// One value of a complex attribute; the outer attribute's rule counts for its parts.
	rule := exact(f.Name)
	for _, value := range attributes[f.Name] {
		parts, complex := value.(Attributes)
		if !complex {
			parts = Attributes{"value": {value}}
		}
		if f.Children[0].holds(parts, func(string) bool { return rule }) {
			return true
		}
	}
	return false
}

// Compare says whether one value compares so with another. Types never mix, except that integers and decimals are
// numbers.
func Compare(held Value, comparison Comparison, wanted Value, exact bool) bool {
	if comparison == NotEqual {
		return !Compare(held, Equal, wanted, exact)
	}
	switch held := held.(type) {
	case string:
		wanted, is := wanted.(string)
		return is && compareText(held, comparison, wanted, exact)
	case bool:
		return comparison == Equal && held == wanted
	case []byte:
		wanted, is := wanted.([]byte)
		return is && comparison == Equal && bytes.Equal(held, wanted)
	case Instant:
		wanted, is := wanted.(Instant)
		return is && ordered(cmp.Compare(bare(held), bare(wanted)), comparison)
	}
	left, right := number(held), number(wanted)
	return left != nil && right != nil && ordered(left.Cmp(right), comparison)
}

func compareText(held string, comparison Comparison, wanted string, exact bool) bool {
	if !exact {
		held, wanted = Fold(held), Fold(wanted)
	}
	switch comparison {
	case Contains:
		return strings.Contains(held, wanted)
	case StartsWith:
		return strings.HasPrefix(held, wanted)
	case EndsWith:
		return strings.HasSuffix(held, wanted)
	}
	return ordered(cmp.Compare(held, wanted), comparison)
}

func ordered(order int, comparison Comparison) bool {
	switch comparison {
	case Equal:
		return order == 0
	case Greater:
		return order > 0
	case AtLeast:
		return order >= 0
	case Less:
		return order < 0
	case AtMost:
		return order <= 0
	}
	return false
}

// bare leaves what of RFC 3339 in UTC compares as text: no zone, no trailing zeros of the fraction.
func bare(instant Instant) string {
	text := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(string(instant)), "Z"), "+00:00")
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func number(value Value) *big.Rat {
	var text string
	switch value := value.(type) {
	case int64:
		text = strconv.FormatInt(value, 10)
	case Decimal:
		text = string(value)
	}
	// No exponents and fractions, which big.Rat would read, too.
	if text == "" || strings.Trim(text, "+-.0123456789") != "" {
		return nil
	}
	read, good := new(big.Rat).SetString(text)
	if !good {
		return nil
	}
	return read
}
