// Package export_tombolo_connector_read is what the bindings call for the interface `read`.
package export_tombolo_connector_read

import (
	"tombolo"
	. "tombolo/abi/types"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func Get(kind, anchor string, attributes []string) Result[wit.Entry, wit.Failure] {
	return wire.Call(func() (*tombolo.Entry, error) { return tombolo.Served().Get(kind, anchor, attributes) }, wire.EntryOut)
}

func Search(kind string, query wit.Query) Result[wit.Page, wit.Failure] {
	return wire.Call(func() (*tombolo.Page, error) {
		own, err := wire.QueryIn(query)
		if err != nil {
			return nil, err
		}
		return tombolo.Served().Search(kind, own)
	}, wire.PageOut)
}
