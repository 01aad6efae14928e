// Package export_tombolo_connector_connector is what the bindings call for the interface `connector`.
package export_tombolo_connector_connector

import (
	"tombolo"
	. "tombolo/abi/types"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func Describe() Result[string, wit.Failure] {
	return wire.Call(func() (*tombolo.Description, error) { return tombolo.Served().Describe() }, wire.Description)
}

func Check() Result[Unit, wit.Failure] {
	return wire.Do(func() error { return tombolo.Served().Check() })
}
