package tombolo

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Host are the host's services. In a component package wire sets them; in a unit test TestHost is one.
type Host interface {
	Settings() string
	RemainingMs() uint32
	RequestID() string
	Log(level Level, message string, fields [][2]string)
	StateGet(key string) (*Item, error)
	// ifVersion nil puts in any case; 0 only if there is none.
	StatePut(key string, value []byte, ifVersion *uint64) (uint64, error)
	StateDelete(key string) error
	StateList(prefix string, after *string, limit uint32) ([]string, error)
}

// Services is the host that this process has.
var Services Host

// Level is how much a line of the log matters. The values are the contract's.
type Level uint8

const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Log writes a line with its fields, given as name and value in turn. Never a password.
func Log(level Level, message string, fields ...string) {
	var pairs [][2]string
	for at := 0; at+1 < len(fields); at += 2 {
		pairs = append(pairs, [2]string{fields[at], fields[at+1]})
	}
	Services.Log(level, message, pairs)
}

// Settings reads the app's settings, which the host has checked against the manifest's schema.
func Settings(into any) error { return json.Unmarshal([]byte(Services.Settings()), into) }

// Item is a value in the state, and its version.
type Item struct {
	Value   []byte
	Version uint64
}

// Listed is the most keys that one listing answers.
const Listed = 1000

// State holds small things that a connector remembers from call to call, kept by the host for the app.
var State state

type state struct{}

// Get is the item under a key, or nil.
func (state) Get(key string) (*Item, error) { return Services.StateGet(key) }

// Put puts a value and answers its version.
func (state) Put(key string, value []byte) (uint64, error) { return Services.StatePut(key, value, nil) }

// PutIf puts a value if the key has this version (0: if there is none), else fails as Changed.
func (state) PutIf(key string, value []byte, version uint64) (uint64, error) {
	return Services.StatePut(key, value, &version)
}

// Delete forgets keys.
func (state) Delete(keys ...string) error {
	for _, key := range keys {
		if err := Services.StateDelete(key); err != nil {
			return err
		}
	}
	return nil
}

// Page is one page of the keys with a prefix, without the prefix, and the cursor of the next.
func (state) Page(prefix, cursor string, limit uint32) ([]string, string, error) {
	limit = min(max(limit, 1), Listed)
	var after *string
	if cursor != "" {
		last := prefix + cursor
		after = &last
	}
	keys, err := Services.StateList(prefix, after, limit)
	if err != nil {
		return nil, "", err
	}
	for at := range keys {
		keys[at] = strings.TrimPrefix(keys[at], prefix)
	}
	if uint32(len(keys)) < limit {
		return keys, "", nil
	}
	return keys, keys[len(keys)-1], nil
}

// All are the keys with a prefix, without the prefix.
func (s state) All(prefix string) ([]string, error) {
	all, cursor, err := s.Page(prefix, "", Listed)
	for err == nil && cursor != "" {
		var more []string
		more, cursor, err = s.Page(prefix, cursor, Listed)
		all = append(all, more...)
	}
	return all, err
}

// Claim claims a key for its owner, as an index over a unique attribute does; AlreadyExists when another has it.
func (s state) Claim(key, owner, attribute string) error {
	_, err := s.PutIf(key, []byte(owner), 0)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Fault != FaultChanged {
		return err
	}
	holder, err := s.Get(key)
	if err == nil && holder != nil && string(holder.Value) != owner {
		return AlreadyExists("another object has this %s", attribute).Of(attribute)
	}
	return err
}

// TestHost is a host for unit tests: `tombolo.Services = &tombolo.TestHost{}`.
type TestHost struct {
	// JSON is the settings' text.
	JSON  string
	items map[string]Item
	last  uint64
}

func (h *TestHost) Settings() string                  { return h.JSON }
func (h *TestHost) RemainingMs() uint32               { return 30_000 }
func (h *TestHost) RequestID() string                 { return "test" }
func (h *TestHost) Log(Level, string, [][2]string)    {}
func (h *TestHost) StateDelete(key string) error      { delete(h.items, key); return nil }
func (h *TestHost) StateGet(key string) (*Item, error) {
	if item, is := h.items[key]; is {
		return &item, nil
	}
	return nil, nil
}

func (h *TestHost) StatePut(key string, value []byte, ifVersion *uint64) (uint64, error) {
	if ifVersion != nil && *ifVersion != h.items[key].Version {
		return 0, Changed("another call has changed this part of the app's state")
	}
	if h.items == nil {
		h.items = map[string]Item{}
	}
	h.last++
	h.items[key] = Item{value, h.last}
	return h.last, nil
}

func (h *TestHost) StateList(prefix string, after *string, limit uint32) ([]string, error) {
	var keys []string
	for key := range h.items {
		if strings.HasPrefix(key, prefix) && (after == nil || key > *after) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), int(limit))], nil
}
