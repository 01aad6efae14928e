// Package export_tombolo_connector_write is what the bindings call for the interface `write`.
package export_tombolo_connector_write

import (
	"tombolo"
	. "tombolo/abi/types"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func Create(kind string, attributes []wit.Attribute, request string) Result[wit.Entry, wit.Failure] {
	return wire.Call(func() (*tombolo.Entry, error) {
		writer, err := wire.Ability[tombolo.Writer]()
		if err != nil {
			return nil, err
		}
		return writer.Create(kind, wire.AttributesIn(attributes), request)
	}, wire.EntryOut)
}

func Update(kind, anchor string, edits []wit.Edit, ifVersion Option[string], request string) Result[wit.Entry, wit.Failure] {
	return wire.Call(func() (*tombolo.Entry, error) {
		writer, err := wire.Ability[tombolo.Writer]()
		if err != nil {
			return nil, err
		}
		return writer.Update(kind, anchor, wire.EditsIn(edits), wire.Plain(ifVersion), request)
	}, wire.EntryOut)
}

func Delete(kind, anchor, request string) Result[Unit, wit.Failure] {
	return wire.Do(func() error {
		writer, err := wire.Ability[tombolo.Writer]()
		if err != nil {
			return err
		}
		return writer.Delete(kind, anchor, request)
	})
}
