// Package export_tombolo_connector_delta is what the bindings call for the interface `delta`.
package export_tombolo_connector_delta

import (
	"tombolo"
	. "tombolo/abi/types"
	bindings "tombolo/bindings/tombolo_connector_delta"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func Since(kind string, token Option[string], limit uint32) Result[bindings.Changes, wit.Failure] {
	return wire.Call(func() (*tombolo.Changes, error) {
		delta, err := wire.Ability[tombolo.Delta]()
		if err != nil {
			return nil, err
		}
		return delta.Since(kind, wire.Plain(token), limit)
	}, func(changes *tombolo.Changes) bindings.Changes {
		out := bindings.Changes{Token: changes.Token, More: changes.More}
		for _, entry := range changes.Changed {
			out.Changes = append(out.Changes, bindings.MakeChangeChanged(wire.EntryOut(entry)))
		}
		for _, anchor := range changes.Gone {
			out.Changes = append(out.Changes, bindings.MakeChangeGone(anchor))
		}
		return out
	})
}
