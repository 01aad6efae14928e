package tombolo

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Load is the entry that Save put, with the state's version; NotFound when there is none.
func (s state) Load(kind *Kind, anchor string) (*Entry, error) {
	item, err := s.Get(kind.Kind + "/" + anchor)
	if err != nil {
		return nil, err
	}
	if item == nil {
		return nil, NotFound("there is no %s %s", kind.Kind, anchor)
	}
	entry := &Entry{Anchor: anchor, Version: strconv.FormatUint(item.Version, 10)}
	return entry, json.Unmarshal(item.Value, &entry.Attributes)
}

// Entries is one page of the entries of a kind, and the next cursor.
func (s state) Entries(kind *Kind, cursor string, limit uint32) ([]*Entry, string, error) {
	anchors, next, err := s.Page(kind.Kind+"/", cursor, limit)
	var entries []*Entry
	for _, anchor := range anchors {
		var entry *Entry
		if entry, err = s.Load(kind, anchor); err != nil {
			break
		}
		entries = append(entries, entry)
	}
	return entries, next, err
}

// Save checks an entry of text and booleans, puts it under KIND/ANCHOR, and sets its version. Its unique value, claimed
// in an index, may not be another's; the one that it had before (`was`, empty for a new entry) is given up.
func (s state) Save(kind *Kind, entry *Entry, was string) (*Entry, error) {
	if err := kind.Check(entry.Attributes); err != nil {
		return nil, err
	}
	key := kind.uniqueKey(entry.Attributes.First(kind.Unique()))
	if err := s.Claim(key, entry.Anchor, kind.Unique()); err != nil {
		return nil, err
	}
	if old := kind.uniqueKey(was); was != "" && old != key {
		if err := s.Delete(old); err != nil {
			return nil, err
		}
	}
	bytes, err := json.Marshal(entry.Attributes)
	if err != nil {
		return nil, err
	}
	version, err := s.Put(kind.Kind+"/"+entry.Anchor, bytes)
	entry.Version = strconv.FormatUint(version, 10)
	return entry, err
}

// Remove forgets an entry, its unique value, and its memberships in what StateMembers keeps.
func (s state) Remove(kind *Kind, entry *Entry) error {
	keys := []string{kind.uniqueKey(entry.Attributes.First(kind.Unique())), kind.Kind + "/" + entry.Anchor}
	memberships, err := s.All("member/")
	if err != nil {
		return err
	}
	for _, membership := range memberships {
		group, member, _ := strings.Cut(membership, "/")
		if (kind.Resource == "Group" && group == entry.Anchor) || (kind.Resource != "Group" && member == entry.Anchor) {
			keys = append(keys, "member/"+membership)
		}
	}
	return s.Delete(keys...)
}

func (k *Kind) uniqueKey(value string) string { return "unique/" + k.Kind + "/" + Fold(value) }

// StateMembers keeps who is in a group in the state, for a connector that keeps users and groups there: embed it.
type StateMembers struct{}

// ListMembers is Members'.
func (StateMembers) ListMembers(group, cursor string, limit uint32) ([]string, string, error) {
	if err := exists("group", group); err != nil {
		return nil, "", err
	}
	return State.Page("member/"+group+"/", cursor, limit)
}

// ChangeMembers is Members'.
func (StateMembers) ChangeMembers(group string, add, remove []string, _ string) error {
	if err := exists("group", group); err != nil {
		return err
	}
	for _, member := range add {
		if exists("user", member) != nil {
			return Invalid("there is no user %s", member).Of("members")
		}
	}
	for _, member := range remove {
		if err := State.Delete("member/" + group + "/" + member); err != nil {
			return err
		}
	}
	for _, member := range add {
		if _, err := State.Put("member/"+group+"/"+member, nil); err != nil {
			return err
		}
	}
	return nil
}

func exists(kind, anchor string) error {
	item, err := State.Get(kind + "/" + anchor)
	if err == nil && item == nil {
		return NotFound("there is no %s %s", kind, anchor)
	}
	return err
}
