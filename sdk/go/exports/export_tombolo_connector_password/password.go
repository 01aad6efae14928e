// Package export_tombolo_connector_password is what the bindings call for the interface `password`.
package export_tombolo_connector_password

import (
	"tombolo"
	. "tombolo/abi/types"
	"tombolo/bindings/tombolo_connector_secrets"
	wit "tombolo/bindings/tombolo_connector_types"
	"tombolo/wire"
)

func SetPassword(anchor string, value *tombolo_connector_secrets.Secret, mustChange bool) Result[Unit, wit.Failure] {
	return wire.Do(func() error {
		password, err := wire.Ability[tombolo.Password]()
		if err != nil {
			return err
		}
		return password.SetPassword(anchor, value, mustChange)
	})
}
