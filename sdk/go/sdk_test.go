package tombolo

import (
	"errors"
	"reflect"
	"testing"
)

var kind = User(
	Attribute{Name: "login", Type: "text", Required: true, Unique: true},
	Attribute{Name: "code", Type: "text", CaseExact: true},
	Attribute{Name: "mail", Type: "text", Multi: true},
	Attribute{Name: "room", Type: "integer"},
)

func ana() Attributes {
	return Attributes{
		"login": {"Ána@X"}, "code": {"aB"}, "mail": {"a@x", "b@x"}, "room": {int64(42)},
		"since": {Instant("2026-01-01T00:00:00.500Z")}, "name": {Attributes{"given": {"Ana"}}},
	}
}

func TestFilters(t *testing.T) {
	for _, row := range []struct {
		name       string
		comparison Comparison
		value      Value
		passes     bool
	}{
		{"login", Equal, "áNA@x", true},
		{"code", Equal, "ab", false},
		{"mail", NotEqual, "b@x", false},
		{"nothing", NotEqual, "c", true},
		{"room", Equal, "42", false},
		{"room", Equal, Decimal("042.0"), true},
		{"room", Greater, Decimal("-1e9"), false},
		{"since", Equal, Instant("2026-01-01T00:00:00.5Z"), true},
		{"since", Greater, Instant("2026-01-01T00:00:00Z"), true},
	} {
		filter := &Filter{Kind: Test, Name: row.name, Comparison: row.comparison, Value: row.value}
		if filter.Matches(&kind, ana()) != row.passes {
			t.Errorf("%v %v %v is not %v", row.name, row.comparison, row.value, row.passes)
		}
	}
}

func TestAFlatListBecomesATreeAndASharedNodeIsRefused(t *testing.T) {
	present := Node{Filter: Filter{Kind: Present, Name: "login"}}
	not := Node{Filter: Filter{Kind: Not}, Places: []uint32{0}}
	tree, err := ReadFilter([]Node{present, not})
	if err != nil || tree.Matches(&kind, ana()) {
		t.Error(tree, err)
	}
	for _, bad := range [][]Node{{}, {not}, {present, {Filter: Filter{Kind: All}, Places: []uint32{0, 0}}}} {
		if _, err := ReadFilter(bad); err == nil {
			t.Error("a list that is no tree was read")
		}
	}
}

func TestEditsApplyInOrder(t *testing.T) {
	entry := Entry{Attributes: Attributes{"mail": {"a@x"}, "title": {"Lead"}}}
	entry.Apply([]Edit{{Add, "mail", []Value{"b@x", "a@x"}}, {Remove, "mail", []Value{"a@x"}}, {Put, "title", nil}})
	if !reflect.DeepEqual(entry.Attributes, Attributes{"mail": {"b@x"}}) {
		t.Error(entry.Attributes)
	}
}

func TestObjectsInTheState(t *testing.T) {
	Services = &TestHost{}
	save := func(anchor, login string) error {
		_, err := State.Save(&kind, &Entry{Anchor: anchor, Attributes: Attributes{"login": {login}}}, "")
		return err
	}
	var failure *Failure
	if err := save("1", "Ana"); err != nil {
		t.Fatal(err)
	}
	if err := save("2", "ANA"); !errors.As(err, &failure) || failure.Fault != FaultAlreadyExists || failure.Attribute != "login" {
		t.Error(err)
	}
	if err := save("2", ""); err != nil {
		t.Error(err)
	}
	entry, err := State.Load(&kind, "1")
	if err != nil || entry.Attributes.First("login") != "Ana" || entry.Version != "2" {
		t.Error(entry, err)
	}
	if err := State.Remove(&kind, entry); err != nil {
		t.Fatal(err)
	}
	if err := save("3", "ana"); err != nil {
		t.Error("a freed name is still taken", err)
	}
}
