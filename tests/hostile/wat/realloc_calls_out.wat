;; Calls the host while the host waits for room, when leaving the instance is forbidden.
(import "tombolo:connector/context@1.0.0" "remaining-ms" (func $remaining (result i32)))
(func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
  (if (i32.eq (local.get $new) (i32.const 6)) (then (drop (call $remaining))))
  (i32.const 65536))
