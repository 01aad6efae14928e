// Package export_tombolo_connector_members is what the bindings call for the interface `members`.
package export_tombolo_connector_members

import (
	"tombolo"
	. "tombolo/abi/types"
	bindings "tombolo/bindings/tombolo_connector_members"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func ListMembers(group string, cursor Option[string], limit uint32) Result[bindings.MemberPage, wit.Failure] {
	return wire.Call(func() (bindings.MemberPage, error) {
		members, err := wire.Ability[tombolo.Members]()
		if err != nil {
			return bindings.MemberPage{}, err
		}
		found, next, err := members.ListMembers(group, wire.Plain(cursor), limit)
		return bindings.MemberPage{Members: found, Cursor: wire.Text(next)}, err
	}, func(page bindings.MemberPage) bindings.MemberPage { return page })
}

func ChangeMembers(group string, add, remove []string, request string) Result[Unit, wit.Failure] {
	return wire.Do(func() error {
		members, err := wire.Ability[tombolo.Members]()
		if err != nil {
			return err
		}
		return members.ChangeMembers(group, add, remove, request)
	})
}
